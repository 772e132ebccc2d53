// Kernels of the axonal delay.
#ifndef KERAS_SLAYER_FILTERS_DELAY_H_
#define KERAS_SLAYER_FILTERS_DELAY_H_

#include "base/kernel.h"

namespace keras_slayer {

struct DelayArgs {  // y[t, n] = x[t - floor(delay[n % delays]), n]
  Shape shape;
  const void* x;
  const int64_t* shift;  // floor of each delay
  int64_t delays;
  bool reverse;
  void* y;
};

struct DelayGradArgs {  // partial[b, d] = -sum_t grad[t] (y[t+1] - y[t-1]) / 2; an item is a b
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
