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

// partial[b, d] = -sum_t grad[t] (y[t+1] - y[t-1]) / 2. Work item: a sample b.
struct DelayGradArgs {
  Shape shape;
  const void* x;
  const void* grad;
  const int64_t* shift;
  int64_t delays;
  double* partial;
};

KS_KERNEL(delay, DelayArgs);
KS_KERNEL(delay_grad, DelayGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_FILTERS_DELAY_H_
