// Kernels of the SRM neuron whose refractory kernel is a list of taps (FIR), over series
// [batch, steps, inner]. A work item is a block of kBlock neurons of a sample.
#ifndef KERAS_SLAYER_NEURONS_SRM_FIR_H_
#define KERAS_SLAYER_NEURONS_SRM_FIR_H_

#include "base/kernel.h"
#include "neurons/surrogates.h"

namespace keras_slayer {

struct SrmFirArgs {
  Shape shape;
  const void* in;  // the synaptic input, already filtered by eps
  double threshold;
  const double* refractory;  // taps [refractory_size]
  int64_t refractory_size;
  void* spikes;
  void* membrane;
};

struct SrmFirGradArgs {
  Shape shape;
  const void* grad_spikes;
  const void* membrane;
  SurrogateParams surrogate;
  const double* refractory;
  int64_t refractory_size;
  bool exodus;
  void* grad_in;
  void* lambda;  // GPU: grad_in in the arithmetic type; grad_in itself if that is its type
};

KS_KERNEL(srm_fir, SrmFirArgs);
KS_KERNEL(srm_fir_grad, SrmFirGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_SRM_FIR_H_
