// Kernels of the axonal delay of series [batch, steps, inner] and of its gradient.
#ifndef KERAS_SLAYER_FILTERS_DELAY_H_
#define KERAS_SLAYER_FILTERS_DELAY_H_

#include "base/kernel.h"

namespace keras_slayer {

// y[t, n] = x[t - shift[n % delays], n]; x[t + ...] with reverse. Work item: a block of kBlock
// neurons of a sample.
struct DelayArgs {
  Shape shape;
  const void* x;
  const int64_t* shift;  // floor of each delay
  int64_t delays;
  bool reverse;
  void* y;
};

// partial[b, s, d] = -sum_t grad[t] (y[t+1] - y[t-1]) / 2 over the steps t of the span s. The CPU
// has one span. Work item: a sample b.
struct DelayGradArgs {
  Shape shape;
  const void* x;
  const void* grad;
  const int64_t* shift;
  int64_t delays;
  int64_t span;  // steps
  double* partial;
};

// On a GPU alone: each delay rounded down to whole steps. Delays that are negative or not finite
// set *fault to 1. A thread per delay.
struct DelayShiftsArgs {
  const void* delay;
  int64_t delays, longest;
  int64_t* shift;
  int* fault;
};
// On a GPU alone: sums[d] = sum_i partial[i, d], in this order. A thread per delay.
struct DelaySumsArgs {
  const double* partial;
  int64_t rows, delays;
  void* sums;
};

KS_KERNEL(delay, DelayArgs);
KS_KERNEL(delay_grad, DelayGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_FILTERS_DELAY_H_
