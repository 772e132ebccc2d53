// The transposed convolution of synapses/transposed_conv.h on a GPU: from gradients of outputs to
// gradients of inputs, with the sums of the CPU. Where winograd_fits(), rows with many gradients
// take the way of synapses/winograd.h, in three kernels before the last, which sums the other rows.
#ifndef KERAS_SLAYER_GPU_TRANSPOSED_CONV_H_
#define KERAS_SLAYER_GPU_TRANSPOSED_CONV_H_

#include "synapses/winograd_tiles.h"

namespace keras_slayer {

// As KS_ISA is no macro where this is read, it is the name of the namespace.
using KS_ISA::points_of;
using KS_ISA::TapFactors;
using KS_ISA::winograd_fits;

// All numbers are of the arithmetic type. A tile is kTileSide x kTileSide pixels of the input.
struct TransposedConvArgs {
  int64_t frames;
  ConvGeometry geometry;  // without tables
  const void* grad;       // [frames, out_height, out_width, filters]
  const void* weights;    // [kernel_height, kernel_width, filters, channels / groups]
  void* out;              // [frames, height, width, channels]
  // Of Winograd's way; null where there is none.
  const void* kernels;    // [points across, points down, filters, channels]
  uint8_t* taken;         // [frames, out_height]: whether a row goes this way
  void* inputs;           // [frames, points across, points down, tiles, filters]
  void* sums;             // [frames, points across, rows of whole tiles, tiles across, channels]
};

// From weights in Keras' order, of the storage type, to those of TransposedConvArgs.
struct TransposedWeightsArgs {
  ConvGeometry geometry;
  const void* weights;
  void* out;
};

// To its kernels, G w G^T, with G of either axis.
struct WinogradWeightsArgs {
  ConvGeometry geometry;
  const void* weights;
  void* out;
  TapFactors across, down;
};

KS_HD int64_t tiles_across(const ConvGeometry& g) { return block_count(g.width, kTileSide); }
KS_HD int64_t tiles_down(const ConvGeometry& g) { return block_count(g.height, kTileSide); }
KS_HD int64_t points_across(const ConvGeometry& g) { return points_of(g.kernel_width); }
KS_HD int64_t points_down(const ConvGeometry& g) { return points_of(g.kernel_height); }

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_TRANSPOSED_CONV_H_
