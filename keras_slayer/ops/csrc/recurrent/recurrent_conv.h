// Kernels of neurons that feed each other by a convolution of the maps that they form: the loop
// over time, forward and backward.
//
//   z[t] = synaptic_input[t] + convolution(s[t-1]),  (s[t], u[t]) = neuron(z[t])
//
// The convolution keeps the size of the maps. As in recurrent.h, a spike acts one step later.
//
// On a GPU a kernel takes one step of all samples, so that one large map keeps a whole card busy.
// The op starts it step after step.
#ifndef KERAS_SLAYER_RECURRENT_RECURRENT_CONV_H_
#define KERAS_SLAYER_RECURRENT_RECURRENT_CONV_H_

#include "base/kernel.h"
#include "base/state.h"
#include "neurons/parameters.h"
#include "synapses/geometry.h"

namespace keras_slayer {

// GPU: most states of a neuron, backward.
constexpr int64_t kRecurrentConvStates = 6;

// Work item: a sample. On a GPU: a warp per pixel and 32 filters of a group, for one step.
struct RecurrentConvArgs {
  Shape shape;            // inner: the neurons of a map, [height, width, filters]
  ConvGeometry geometry;  // on a GPU, without tables
  const void* in;         // synaptic input from outside the layer
  // Arithmetic type, in the order of ConvGeometry::runs; on a GPU, as they are: in Keras' order.
  const void* weights;
  NeuronParams neuron;
  uint8_t* spikes;
  void* membrane;
  SeriesState state;  // the numbers of the neurons, and as the last one their last spikes
  int* not_finite;
  int64_t step;   // GPU: the step. A series of no steps has one, which hands the state on.
  void* scratch;  // GPU: the states of the neurons, as doubles at most
};

// From the gradient of the spikes to that of the synaptic input:
//
//   grad[t] = grad_spikes[t] + transposed convolution(grad_in[t+1])
//   grad_in = neuron's backward pass of grad
//
// Work item: a sample. On a GPU: a thread per neuron, for one step; gpu/transposed_conv.h brings
// grad_in of the step to the step before.
struct RecurrentConvGradArgs {
  Shape shape;
  ConvGeometry geometry;
  const void* grad_spikes;
  const void* membrane;
  const void* weights;  // arithmetic type, in TransposedOrder; not on a GPU
  NeuronParams neuron;
  void* grad_in;
  SeriesState state;  // as in RecurrentGradArgs
  int64_t step;      // GPU: the step
  void* scratch;     // GPU: the states of the neurons, [batch, kRecurrentConvStates, inner] at most
  const void* felt;  // GPU: the transposed convolution of the step after this one
  void* dz;          // GPU: grad_in of the step, not rounded
};

KS_KERNEL(recurrent_conv, RecurrentConvArgs);
KS_KERNEL(recurrent_conv_grad, RecurrentConvGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_RECURRENT_RECURRENT_CONV_H_
