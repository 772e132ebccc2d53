// Kernel of the gradient of the input of a 2-D convolution of frames, without neurons.
#ifndef KERAS_SLAYER_SYNAPSES_FRAMES_INPUT_GRAD_H_
#define KERAS_SLAYER_SYNAPSES_FRAMES_INPUT_GRAD_H_

#include "base/kernel.h"
#include "synapses/geometry.h"

namespace keras_slayer {

// out [frames, height, width, channels], from grad [frames, out_height, out_width, filters]. The
// sum of an input goes over the taps, then over the filters of its group; gradients of 0 are left
// out. Work item on the CPU: a frame. On a GPU: a warp per input pixel and 32 channels of a group.
struct FramesInputGradArgs {
  int64_t frames;
  ConvGeometry geometry;  // on a GPU, without tables
  const void* grad;
  const void* weights;  // [kernel_height, kernel_width, filters, channels / groups]: transposed
  void* out;
};

KS_KERNEL(frames_input_grad, FramesInputGradArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_FRAMES_INPUT_GRAD_H_
