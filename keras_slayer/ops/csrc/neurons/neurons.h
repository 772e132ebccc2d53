// Kernels of a neuron layer without synapses: forward and backward over [batch, steps, inner].
#ifndef KERAS_SLAYER_NEURONS_NEURONS_H_
#define KERAS_SLAYER_NEURONS_NEURONS_H_

#include "base/kernel.h"
#include "neurons/parameters.h"

namespace keras_slayer {

struct NeuronArgs {  // work item: a block of kBlock neurons of a sample
  Shape shape;
  bool stream;     // the outputs are larger than the caches
  const void* in;  // synaptic input
  bool wide;       // GPU: whether it is of the arithmetic type
  NeuronParams neuron;
  void* spikes;
  bool bytes;        // whether the spikes are bytes, not of the type of the input
  void* membrane;    // before reset
  SeriesState state;
  int* not_finite;   // set to 1 if the neuron needs finite input and some is not
};

struct NeuronGradArgs {  // work item: a block of kBlock neurons of a sample
  Shape shape;
  bool stream;
  const void* grad_spikes;
  const void* membrane;
  NeuronParams neuron;
  void* grad_in;
  bool wide;  // GPU: whether it is of the arithmetic type
};

KS_KERNEL(neuron, NeuronArgs);
KS_KERNEL(neuron_grad, NeuronGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_NEURONS_H_
