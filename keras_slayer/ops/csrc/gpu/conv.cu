// Convolutions of frames of spikes, and the gradients of their weights and of their input. Each output
// is summed by one thread, in the order of the CPU and with the same fused multiply-adds.
#include "gpu/conv.h"

#include "gpu/sums.h"
#include "gpu/window.h"

namespace keras_slayer {

__device__ inline int64_t taps_of(const ConvGeometry& g) {
  return g.kernel_height * g.kernel_width;
}

template <class S, class T>
__device__ void sum_window(const FramesConvArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int64_t filters = g.filters / g.groups, pixels = g.out_height * g.out_width;
  const int64_t parts = block_count(filters, kWarp), item = thread_index() / kWarp;
  const int64_t group = item / parts % g.groups, pixel = item / parts / g.groups;
  const int64_t frame = pixel / pixels;
  if (frame >= args.frames) return;
  const int64_t within = item % parts * kWarp + threadIdx.x % kWarp;
  const int64_t filter = group * filters + within;
  const S* in = static_cast<const S*>(args.in) + frame * g.height * g.width * g.channels;
  const T* weights = static_cast<const T*>(args.weights) + filter;
  const bool exists = within < filters;
  const A sum = sum_of_window(g, pixel % pixels, group, weights, exists,
                              [&](int64_t i) { return A(load(in[i])); });
  if (exists) store(static_cast<T*>(args.out) + pixel * g.filters + filter, sum);
}

template <class T>
__device__ void frames_conv(const FramesConvArgs& args) {
  args.bytes ? sum_window<uint8_t, T>(args) : sum_window<T, T>(args);
}

// The output that an input pixel meets through a tap, along one axis; or -1.
__device__ inline int output_of(int in, int64_t tap, int64_t stride, int64_t dilation,
                                int64_t padding, int64_t size) {
  const int at = in + int(padding - tap * dilation);
  return at >= 0 && at % int(stride) == 0 && at / int(stride) < size ? at / int(stride) : -1;
}

// Frame after frame, and pixel after pixel: kWarp of them at once.
template <class S, class T>
__device__ void sum_frames(const FramesConvGradArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int lane = threadIdx.x % kWarp;
  const int64_t channels = g.channels / g.groups, filters = g.filters / g.groups;
  const int64_t parts = block_count(g.filters, kWarp), item = thread_index() / kWarp;
  const int64_t filter = item % parts * kWarp + lane, tap = item / parts % (taps_of(g) * channels);
  const int64_t part = item / parts / (taps_of(g) * channels);
  if (part >= block_count(args.frames, args.part)) return;
  const int64_t ky = tap / channels / g.kernel_width, kx = tap / channels % g.kernel_width;
  const int64_t pixels = g.height * g.width, outputs = g.out_height * g.out_width;
  const int width = int(g.width);
  // Lanes may have filters of different groups, which read different channels.
  const int64_t first_group = item % parts * kWarp / filters;
  const int64_t last_group = (smaller(item % parts * kWarp + kWarp, g.filters) - 1) / filters;
  A sum = A(0);
  for (int64_t frame = part * args.part; frame < smaller((part + 1) * args.part, args.frames);
       ++frame) {
    const T* grad = static_cast<const T*>(args.grad) + frame * outputs * g.filters + filter;
    for (int64_t group = first_group; group <= last_group; ++group) {
      const S* in = static_cast<const S*>(args.in) + frame * pixels * g.channels +
                    group * channels + tap % channels;
      const bool mine_too = filter < g.filters && filter / filters == group;
      for (int first = 0; first < pixels; first += kWarp) {
        const bool inside = first + lane < pixels;
        const A mine = inside ? A(load(in[(first + lane) * g.channels])) : A(0);
        for_each_nonzero(mine, [&](int i, A value) {
          const int y = (first + i) / width, x = (first + i) % width;
          const int oy = output_of(y, ky, g.stride_y, g.dilation_y, g.padding_top, g.out_height);
          const int ox = output_of(x, kx, g.stride_x, g.dilation_x, g.padding_left, g.out_width);
          if (!mine_too || oy < 0 || ox < 0) return;
          sum = fused(load(grad[(oy * g.out_width + ox) * g.filters]), value, sum);
        });
      }
    }
  }
  const int64_t weights = taps_of(g) * channels * g.filters;
  if (filter < g.filters) {
    static_cast<A*>(args.partial)[part * weights + tap * g.filters + filter] = sum;
  }
}

template <class T>
__device__ void frames_conv_grad(const FramesConvGradArgs& args) {
  args.bytes ? sum_frames<uint8_t, T>(args) : sum_frames<T, T>(args);
}

// Lanes are channels of one pixel, so that they read weights side by side.
template <class T>
__device__ void frames_input_grad(const FramesInputGradArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int lane = threadIdx.x % kWarp;
  const int64_t channels = g.channels / g.groups, filters = g.filters / g.groups;
  const int64_t parts = block_count(channels, kWarp), item = thread_index() / kWarp;
  const int64_t group = item / parts % g.groups, pixel = item / parts / g.groups;
  const int64_t frame = pixel / g.width / g.height;
  if (frame >= args.frames) return;
  const int x = int(pixel % g.width), y = int(pixel / g.width % g.height);
  const int64_t channel = item % parts * kWarp + lane;
  const T* grads = static_cast<const T*>(args.grad) + group * filters;
  const T* weights = static_cast<const T*>(args.weights) + group * filters * channels + channel;
  A sum = A(0);
  for (int ky = 0; ky < g.kernel_height; ++ky) {
    const int oy = output_of(y, ky, g.stride_y, g.dilation_y, g.padding_top, g.out_height);
    for (int kx = 0; oy >= 0 && kx < g.kernel_width; ++kx) {
      const int ox = output_of(x, kx, g.stride_x, g.dilation_x, g.padding_left, g.out_width);
      if (ox < 0) continue;
      const T* grad = grads + ((frame * g.out_height + oy) * g.out_width + ox) * g.filters;
      const T* tap = weights + (ky * g.kernel_width + kx) * g.filters * channels;
      for (int first = 0; first < filters; first += kWarp) {
        const A mine = first + lane < filters ? A(load(grad[first + lane])) : A(0);
        for_each_nonzero(mine, [&](int i, A value) {
          if (channel < channels) sum = fused(load(tap[(first + i) * channels]), value, sum);
        });
      }
    }
  }
  if (channel < channels) {
    store(static_cast<T*>(args.out) + pixel * g.channels + group * channels + channel, sum);
  }
}

template <class T>
__device__ void part_sums(const PartSumsArgs& args) {
  using A = ArithmeticOf<T>;
  const int64_t i = thread_index();
  if (i >= args.size) return;
  A sum = A(0);
  for (int64_t part = 0; part < args.parts; ++part) {
    sum = sum + static_cast<const A*>(args.partial)[part * args.size + i];
  }
  store(static_cast<T*>(args.out) + i, sum);
}

KS_GPU_KERNEL(frames_conv, FramesConvArgs, frames_conv)
KS_GPU_KERNEL(frames_conv_grad, FramesConvGradArgs, frames_conv_grad)
KS_GPU_KERNEL(frames_input_grad, FramesInputGradArgs, frames_input_grad)
KS_GPU_KERNEL(part_sums, PartSumsArgs, part_sums)

}  // namespace keras_slayer
