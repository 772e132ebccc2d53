// Geometry of 2-D convolutions and pools: sizes, strides, padding and the orders of the weights.
#ifndef KERAS_SLAYER_SYNAPSES_GEOMETRY_H_
#define KERAS_SLAYER_SYNAPSES_GEOMETRY_H_

#include "base/shape.h"

namespace keras_slayer {

struct ConvGeometry {
  int64_t height, width, channels;            // input
  int64_t out_height, out_width, filters;     // output
  int64_t kernel_height, kernel_width, groups;
  int64_t stride_y, stride_x, dilation_y, dilation_x, padding_top, padding_left;
  // For each input row y and kernel row k: the output row it adds to, or -1.
  const int32_t* row_target;     // [height, kernel_height]
  const int32_t* column_target;  // [width, kernel_width]
  // True without groups and with horizontal stride and dilation 1. Then ConvRows reads weights as
  // [channels, kernel_height, kernel_width reversed, filters], otherwise in Keras' order.
  bool runs;
};

// The order of the weights in transposed_conv.h. The window of a filter is a matrix
// [kernel_height, run]: a run is kernel_width x channels / groups weights, padded to whole
// vectors. Windows are cut into slices, stored as [slices, filters, slice].
struct TransposedOrder {
  int64_t run, window, slice;
  KS_HD TransposedOrder(const ConvGeometry& g, int64_t element_bytes) {
    const int64_t lanes = 64 / element_bytes, taps = g.kernel_width * (g.channels / g.groups);
    run = (taps + lanes - 1) / lanes * lanes;
    window = g.kernel_height * run;
    slice = 8 * lanes;
  }
  KS_HD int64_t slices() const { return (window + slice - 1) / slice; }
};

// winograd.h computes the gradient of tiles of kTileSide x kTileSide pixels.
constexpr int kTileSide = 4;
// It takes rows in which more than one gradient in so many is not zero: the break-even point.
constexpr int64_t kWinogradShare = 12;
// Output pixels of a tile of transposed_conv.h. An input pixel gets the windows of a tile in the
// order of their place modulo the kernel's width, then of their place.
constexpr int64_t kTransposedPixels = 16;

struct PoolGeometry {
  int64_t height, width, channels, out_height, out_width;
  int64_t window_height, window_width, stride_y, stride_x, padding_top, padding_left;
  double tap;  // weight of every input
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_GEOMETRY_H_
