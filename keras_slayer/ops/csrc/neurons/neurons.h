// Kernels of the neurons alone.
#ifndef KERAS_SLAYER_NEURONS_NEURONS_H_
#define KERAS_SLAYER_NEURONS_NEURONS_H_

#include "base/kernel.h"
#include "neurons/parameters.h"

namespace keras_slayer {

struct NeuronArgs {  // in: synaptic input
  Shape shape;
  bool stream;  // the outputs are larger than the caches
  const void* in;
  NeuronParams neuron;
  void* spikes;
  void* membrane;    // before reset
  bool* not_finite;  // set where an input is not finite and the neuron asks for it
};

struct NeuronGradArgs {
  Shape shape;
  bool stream;
  const void* grad_spikes;
  const void* membrane;
  NeuronParams neuron;
  void* grad_in;
};

KS_KERNEL(neuron, NeuronArgs);
KS_KERNEL(neuron_grad, NeuronGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_NEURONS_H_
