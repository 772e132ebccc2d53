// Kernels of whole layers: synapses and neurons in one pass.
#ifndef KERAS_SLAYER_LAYERS_LAYER_H_
#define KERAS_SLAYER_LAYERS_LAYER_H_

#include "neurons/parameters.h"
#include "products/event_matmul.h"
#include "synapses/geometry.h"

namespace keras_slayer {

enum class SynapseKind { kMatmul, kConv, kPool };

struct SynapseArgs {
  SynapseKind kind;
  int64_t outputs;      // per step
  Events events;        // kMatmul, kConv; a row is a frame
  Slices matrix;        // kMatmul: the weights, [columns, outputs]
  const void* weights;  // kConv: as in EventConvArgs
  ConvGeometry conv;
  Dtype frames_type;
  const void* frames;  // kPool: [batch, steps, height, width, channels]
  PoolGeometry pool;
};

// Neurons per work item of the ops that do synapses and neurons in one pass, and
// steps that these do at once: the sums of a tile stay in the second-level cache,
// while each kBlock of the neurons goes through its steps.
constexpr int64_t kLayerBlock = 8192;
constexpr int64_t kTile = 4;

// Item: a sample and a block. Those of a block follow each other in kMatmul, whose weights stay
// in cache from one to the next, and those of a sample elsewhere.
struct LayerArgs {
  Shape shape;    // of the output
  bool stream;    // the membrane potential
  int64_t block;  // kMatmul: a slice; elsewhere whole rows of output pixels
  SynapseArgs synapse;
  const void* bias;  // [bias_size], repeated over the outputs; or null
  int64_t bias_size;
  NeuronParams neuron;
  uint8_t* spikes;
  void* membrane;
  bool* not_finite;
};

// The gradient of a layer's spikes; or, where a pool alone reads them, that of the pool's spikes,
// and what leads from there to its sums, which are fewer than its inputs and all there is to know.
struct SpikesGrad {
  const void* data;
  bool pooled;
  PoolGeometry pool;
  NeuronParams neuron;   // of the pool, like its membrane potential
  const void* membrane;
};

struct ConvWeightsGradArgs {  // item: a group of samples and a block, into partial[item]
  Shape shape;
  int64_t block, samples;
  Events events;
  ConvGeometry geometry;
  NeuronParams neuron;
  SpikesGrad grad;
  const void* membrane;
  void* partial;  // arithmetic type, [items, weights]
};

struct LayerInputGradArgs {  // item: a sample and a band of input rows
  Shape shape;               // of the output
  bool stream;
  int64_t out_rows, in_rows, in_row, band;
  const void* weights;  // arithmetic type, in TransposedOrder; null: pool
  ConvGeometry conv;
  PoolGeometry pool;
  NeuronParams neuron;
  SpikesGrad grad;
  const void* membrane;
  void* grad_in;
};

// Both at once, over whole frames; item: a group of samples.
struct ConvGradArgs {
  int64_t tile;                 // steps at once
  ConvWeightsGradArgs weights;  // its items: (group, block), whose order partial has
  LayerInputGradArgs input;
};

KS_KERNEL(layer, LayerArgs);
KS_KERNEL(conv_weights_grad, ConvWeightsGradArgs);
KS_KERNEL(layer_input_grad, LayerInputGradArgs);
KS_KERNEL(conv_grad, ConvGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_LAYERS_LAYER_H_
