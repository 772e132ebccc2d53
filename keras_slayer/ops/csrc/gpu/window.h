// The sum over the window of an output pixel, by a warp: of 32 inputs at once those that are not
// zero. For kernels of convolutions.
#ifndef KERAS_SLAYER_GPU_WINDOW_H_
#define KERAS_SLAYER_GPU_WINDOW_H_

#include "gpu/device.h"
#include "gpu/sums.h"
#include "synapses/geometry.h"

namespace keras_slayer {

// For the output `pixel` of a frame and the filter whose weights begin at `weights`: tap after tap,
// as the weights are stored, row by row, then channels. input(i) is input i of the frame, in the
// arithmetic type. All lanes of the warp take part; only where `exists` are there weights.
template <class T, class Input>
__device__ ArithmeticOf<T> sum_of_window(const ConvGeometry& g, int64_t pixel, int64_t group,
                                         const T* weights, bool exists, Input input) {
  using A = ArithmeticOf<T>;
  const int lane = threadIdx.x % kWarp;
  const int64_t top = pixel / g.out_width * g.stride_y - g.padding_top;
  const int64_t left = pixel % g.out_width * g.stride_x - g.padding_left;
  // Divisions of 32 bits take half the time.
  const int depth = int(g.channels / g.groups), width = int(g.kernel_width);
  const int taps = int(g.kernel_height * g.kernel_width) * depth;
  A sum = A(0);
  for (int first = 0; first < taps; first += kWarp) {
    const int tap = first + lane, place = tap / depth;
    const int64_t y = top + place / width * g.dilation_y;
    const int64_t x = left + place % width * g.dilation_x;
    const bool inside = tap < taps && y >= 0 && y < g.height && x >= 0 && x < g.width;
    const int64_t i = (y * g.width + x) * g.channels + group * depth + tap % depth;
    for_each_nonzero(inside ? input(i) : A(0), [&](int of_tap, A value) {
      if (exists) sum = fused(load(weights[(first + of_tap) * g.filters]), value, sum);
    });
  }
  return sum;
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GPU_WINDOW_H_
