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
  SeriesState state;  // BackwardState
};

struct NeuronParamsGradArgs {  // work item: a block of kBlock neurons of a sample
  Shape shape;
  bool stream;
  const void* grad_spikes;
  const void* membrane;
  NeuronParams neuron;
  int64_t states;       // of a neuron
  const double* start;  // [batch, states, inner]: the state before the first step; or null
  void* grad_in;        // or null, if it is not asked for
  double* sums;         // [batch, params, inner]: the gradients of each neuron
  int64_t params;
  // Parameter i of the op is the one that the neuron reads as its place[i]-th, or none that can be
  // learned.
  int place[NeuronParams::kMost + 2];
  SeriesState state;  // LearningState
};

// The end of the backward pass of neuron j of a sample: adds the part of the state before the first
// step, and writes the gradients.
template <class Neuron, class A>
KS_HD void finish_params_grad(const NeuronParamsGradArgs& args, int64_t sample, int64_t j,
                              const typename Neuron::template Parameters<A>& parameters,
                              const typename Neuron::template LearnState<A>& learn,
                              const typename Neuron::template FilterState<A>& filter,
                              typename Neuron::template Parameters<A>* sums) {
  const int64_t inner = args.shape.inner;
  if (args.start != nullptr) {
    typename Neuron::template State<A> start;
    for (int i = 0; i < args.states; ++i) {
      field<A>(start, i) = A(args.start[(sample * args.states + i) * inner + j]);
    }
    Neuron::learn_start(parameters, learn, filter, start, *sums);
  }
  A gradients[Neuron::kLearned];
  Neuron::gradients(parameters, *sums, gradients);
  for (int i = 0; i < args.params; ++i) {
    A gradient = 0;
    // Not by its index: a GPU has no arrays in registers.
    for (int k = 0; k < Neuron::kLearned; ++k) {
      gradient = args.place[i] == k ? gradients[k] : gradient;
    }
    args.sums[(sample * args.params + i) * inner + j] = double(gradient);
  }
}

KS_KERNEL(neuron, NeuronArgs);
KS_KERNEL(neuron_grad, NeuronGradArgs);
KS_KERNEL(neuron_params_grad, NeuronParamsGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_NEURONS_NEURONS_H_
