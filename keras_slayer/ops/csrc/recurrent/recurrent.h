// Kernels of a layer of neurons that feed each other: the loop over time, forward and backward.
//
//   z[t] = synaptic_input[t] + s[t-1] weights,  (s[t], u[t]) = neuron(z[t])
//
// A spike acts one step later, so that all units of a step can be computed at once, but no two
// steps. Samples are independent of each other.
#ifndef KERAS_SLAYER_RECURRENT_RECURRENT_H_
#define KERAS_SLAYER_RECURRENT_RECURRENT_H_

#include "base/kernel.h"
#include "base/state.h"
#include "neurons/parameters.h"

namespace keras_slayer {

// Most samples of a work item. They take each step together, so that the weights that one of them
// has read are still in the cache for the others. Forward, if all weights fit into the second-level
// cache, there are fewer of them, whose states stay in the first-level cache. The result does not
// depend on their number.
constexpr int64_t kRecurrentSamples = 16, kForwardSamples = 2;

// GPU: rows of units that the scratch memory of a sample has room for, backward.
constexpr int64_t kRecurrentRows = 8;

struct RecurrentArgs {  // work item: `samples` samples; on a GPU a block of threads takes one
  Shape shape;          // inner: the units
  int64_t samples;
  const void* in;       // synaptic input from outside the layer
  const void* weights;  // [units, units]: from the unit of the row to that of the column
  NeuronParams neuron;
  uint8_t* spikes;
  void* membrane;
  SeriesState state;  // the numbers of the neurons, and as the last one their last spikes
  void* scratch;      // GPU: the states of the neurons, as doubles at most
  int* not_finite;
};

// From the gradient of the spikes to that of the synaptic input:
//
//   grad[t] = grad_spikes[t] + grad_in[t+1] weights^T,  grad_in = neuron's backward pass of grad
struct RecurrentGradArgs {  // work item: as above
  Shape shape;
  int64_t samples;
  const void* grad_spikes;
  const void* membrane;
  const void* weights;
  void* packed;  // the weights for the product: as pack_weights does; GPU: transposed
  NeuronParams neuron;
  void* grad_in;
  void* scratch;  // GPU: the states of the neurons, and grad_in of two steps, not rounded
  SeriesState state;  // BackwardState of the neurons, and as the last number grad_in, not rounded
};

KS_KERNEL(recurrent, RecurrentArgs);
KS_KERNEL(recurrent_grad, RecurrentGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_RECURRENT_RECURRENT_H_
