// Convolutions of dense frames of spikes on a GPU. A warp reads kWarp inputs at once and computes
// with those that are not zero: no list of events is made.
#ifndef KERAS_SLAYER_GPU_CONV_H_
#define KERAS_SLAYER_GPU_CONV_H_

#include "synapses/frames_input_grad.h"
#include "synapses/geometry.h"

namespace keras_slayer {

// out [frames, out_height, out_width, filters]: of frames [frames, height, width, channels] and
// weights in Keras' order. A warp per output pixel and 32 filters of a group.
struct FramesConvArgs {
  int64_t frames;
  ConvGeometry geometry;  // without tables
  bool bytes;             // whether the frames are bytes, not of the type of the weights
  const void* in;
  const void* weights;
  void* out;
};

// The gradient of the weights, in parts of `part` frames: partial [parts, weights], of the
// arithmetic type. A warp per part, tap, channel of a group and 32 filters.
struct FramesConvGradArgs {
  int64_t frames, part;
  ConvGeometry geometry;
  bool bytes;
  const void* in;
  const void* grad;
  void* partial;
};

// out[i] = sum over the parts of partial[part, i], in this order. A thread per weight.
struct PartSumsArgs {
  int64_t parts, size;
  const void* partial;
  void* out;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_CONV_H_
