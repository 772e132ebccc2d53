// Kernels of neurons that feed each other by a convolution of the maps that they form: the loop
// over time, forward and backward.
//
//   z[t] = synaptic_input[t] + convolution(s[t-1]),  (s[t], u[t]) = neuron(z[t])
//
// The convolution keeps the size of the maps. As in recurrent.h, a spike acts one step later.
#ifndef KERAS_SLAYER_RECURRENT_RECURRENT_CONV_H_
#define KERAS_SLAYER_RECURRENT_RECURRENT_CONV_H_

#include "base/kernel.h"
#include "base/state.h"
#include "neurons/parameters.h"
#include "synapses/geometry.h"

namespace keras_slayer {

struct RecurrentConvArgs {  // work item: a sample
  Shape shape;              // inner: the neurons of a map, [height, width, filters]
  ConvGeometry geometry;
  const void* in;       // synaptic input from outside the layer
  const void* weights;  // arithmetic type, in the order of ConvGeometry::runs
  NeuronParams neuron;
  uint8_t* spikes;
  void* membrane;
  SeriesState state;  // the numbers of the neurons, and as the last one their last spikes
  int* not_finite;
};

// From the gradient of the spikes to that of the synaptic input:
//
//   grad[t] = grad_spikes[t] + transposed convolution(grad_in[t+1])
//   grad_in = neuron's backward pass of grad
struct RecurrentConvGradArgs {  // work item: a sample
  Shape shape;
  ConvGeometry geometry;
  const void* grad_spikes;
  const void* membrane;
  const void* weights;  // arithmetic type, in TransposedOrder
  NeuronParams neuron;
  void* grad_in;
  SeriesState state;  // as in RecurrentGradArgs
};

KS_KERNEL(recurrent_conv, RecurrentConvArgs);
KS_KERNEL(recurrent_conv_grad, RecurrentConvGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_RECURRENT_RECURRENT_CONV_H_
