// Kernels of fused layers: synapses and neurons in one pass, so that the synaptic input
// [batch, steps, outputs] is never written to memory. The same for the backward pass.
#ifndef KERAS_SLAYER_LAYERS_LAYER_H_
#define KERAS_SLAYER_LAYERS_LAYER_H_

#include "neurons/parameters.h"
#include "synapses/synapse_args.h"

namespace keras_slayer {

// Most neurons per work item, and steps per tile. The sums of a tile [steps, neurons] stay in the
// second-level cache while its neurons are stepped through time, kBlock at once.
constexpr int64_t kLayerBlock = 8192;
constexpr int64_t kTile = 4;

// Work item: a sample and a block of neurons. With kMatmul, the samples of one block follow each
// other, so that the weights of the block stay in the cache. Otherwise the blocks of one sample do.
struct LayerArgs {
  Shape shape;    // of the output
  bool stream;    // whether to stream the membrane potential
  int64_t block;  // neurons; kMatmul: a slice of the matrix; otherwise whole rows of output pixels
  SynapseArgs synapse;
  const void* bias;  // [bias_size], repeated over the outputs; or null
  int64_t bias_size;
  NeuronParams neuron;
  uint8_t* spikes;
  void* membrane;
  SeriesState state;
  int* not_finite;
};

// The gradient of a layer's spikes. With `pooled`, the spikes go to a pool alone, and `data` is
// the gradient of the pool's spikes. GradRows then computes the gradient of the layer's spikes
// from it, so that less memory is read.
struct SpikesGrad {
  const void* data;
  bool pooled;
  PoolGeometry pool;
  NeuronParams neuron;   // of the pool
  const void* membrane;  // of the pool
};

struct ConvWeightsGradArgs {  // work item: `samples` samples and a block; its sum: partial[item]
  Shape shape;
  int64_t block, samples;
  Events events;
  ConvGeometry geometry;
  NeuronParams neuron;
  SpikesGrad grad;
  const void* membrane;
  void* partial;  // arithmetic type, [work items, weights]
};

struct LayerInputGradArgs {  // work item: a sample and a band of input rows
  Shape shape;               // of the output
  bool stream;
  int64_t out_rows, in_rows, in_row, band;
  const void* weights;  // arithmetic type, in TransposedOrder; null for a pool
  ConvGeometry conv;
  PoolGeometry pool;
  NeuronParams neuron;
  SpikesGrad grad;
  const void* membrane;
  void* grad_in;
};

// Both gradients at once, over whole frames. Work item: `samples` samples.
struct ConvGradArgs {
  int64_t tile;                 // steps of a tile
  ConvWeightsGradArgs weights;  // partial is ordered by its work items
  LayerInputGradArgs input;
};

KS_KERNEL(layer, LayerArgs);
KS_KERNEL(conv_weights_grad, ConvWeightsGradArgs);
KS_KERNEL(layer_input_grad, LayerInputGradArgs);
KS_KERNEL(conv_grad, ConvGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_LAYERS_LAYER_H_
