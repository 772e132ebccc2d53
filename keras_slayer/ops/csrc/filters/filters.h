// Kernels of causal linear filters along time, over series [batch, steps, inner]. A work item is a
// block of kBlock neurons of a sample, except where stated.
#ifndef KERAS_SLAYER_FILTERS_FILTERS_H_
#define KERAS_SLAYER_FILTERS_FILTERS_H_

#include "base/kernel.h"
#include "base/state.h"

namespace keras_slayer {

struct FirArgs {  // y[t] = sum_k taps[k] x[t-k]; x[t+k] with reverse
  Shape shape;
  const void* x;
  const void* taps;
  int64_t taps_size;
  bool reverse;
  void* y;
};

struct FirTapsGradArgs {  // grad_taps[k] = sum x[t-k] grad[t]; work item: a tap k
  Shape shape;
  const void* x;
  const void* grad;
  void* grad_taps;
};

// The filters of steps.h. The exponential filter ignores gain; those of the oscillator are the real
// and the imaginary part of its pole.
struct RecursiveFilterArgs {
  Shape shape;
  const void* x;
  double decay, gain;
  bool reverse;
  void* y;
  SeriesState state;  // in reverse, that behind the last step comes first
};

KS_KERNEL(fir, FirArgs);
KS_KERNEL(fir_taps_grad, FirTapsGradArgs);
KS_KERNEL(alpha_filter, RecursiveFilterArgs);
KS_KERNEL(exponential_filter, RecursiveFilterArgs);
KS_KERNEL(oscillator_filter, RecursiveFilterArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_FILTERS_FILTERS_H_
