// The synapse of a fused layer, as its op describes it to the kernel.
#ifndef KERAS_SLAYER_SYNAPSES_SYNAPSE_ARGS_H_
#define KERAS_SLAYER_SYNAPSES_SYNAPSE_ARGS_H_

#include "products/event_matmul.h"
#include "synapses/geometry.h"

namespace keras_slayer {

enum class SynapseKind { kMatmul, kConv, kPool };

struct SynapseArgs {
  SynapseKind kind;
  int64_t outputs;      // neurons per step
  Events events;        // kMatmul, kConv; a row is a frame
  Slices matrix;        // kMatmul: the weights, [columns, outputs]
  const void* weights;  // kConv: as in EventConvArgs
  ConvGeometry conv;
  Dtype frames_type;
  const void* frames;  // kPool: [batch, steps, height, width, channels]
  PoolGeometry pool;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_SYNAPSE_ARGS_H_
