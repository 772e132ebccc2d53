// Transposed convolutions, in the order of the CPU and with the same fused multiply-adds: sums over
// the filters of each output pixel's window, then the sum of the windows. Winograd's way has four
// kernels: rows, inputs and sums for each frame, and weights once.
#include "gpu/transposed_conv.h"

#include "gpu/sums.h"

namespace keras_slayer {

template <class T>
__device__ void transposed_weights(const TransposedWeightsArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int64_t n = thread_index(), channels = g.channels / g.groups;
  if (n >= g.kernel_height * g.kernel_width * channels * g.filters) return;
  const int64_t filter = n % g.filters, channel = n / g.filters % channels;
  const int64_t tap = n / g.filters / channels;
  static_cast<A*>(args.out)[(tap * g.filters + filter) * channels + channel] =
      load(static_cast<const T*>(args.weights)[n]);
}

template <class T>
__device__ void winograd_weights(const WinogradWeightsArgs& args) {
  const ConvGeometry& g = args.geometry;
  const int64_t n = thread_index(), channel = n % g.channels, filter = n / g.channels % g.filters;
  const int64_t point = n / g.channels / g.filters;
  const int64_t px = point / points_down(g), py = point % points_down(g);
  if (px >= points_across(g)) return;
  const T* weights = static_cast<const T*>(args.weights) + channel * g.filters + filter;
  double sum = 0;
  for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
    double row = 0;
    for (int64_t kx = 0; kx < g.kernel_width; ++kx) {
      const int64_t tap = ky * g.kernel_width + kx;
      row += args.across.of[px][kx] * double(load(weights[tap * g.channels * g.filters]));
    }
    sum += args.down.of[py][ky] * row;
  }
  static_cast<ArithmeticOf<T>*>(args.out)[n] = ArithmeticOf<T>(sum);
}

// A warp per row of gradients.
template <class T>
__device__ void winograd_rows(const TransposedConvArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int64_t item = thread_index() / kWarp, size = g.out_width * g.filters;
  const int lane = threadIdx.x % kWarp;
  if (item >= args.frames * g.out_height) return;
  const A* row = static_cast<const A*>(args.grad) + item * size;
  int64_t count = 0;
  for (int64_t first = 0; first < size; first += kWarp) {
    const bool is_event = first + lane < size && row[first + lane] != A(0);
    count += __popc(__ballot_sync(kAllLanes, is_event));
  }
  if (lane == 0) args.taken[item] = count > size / kWinogradShare ? 1 : 0;
}

// The row of gradients that is row i of the window of a row of tiles; or -1 where there is none, or
// it is not taken.
__device__ inline int64_t taken_row(const TransposedConvArgs& args, int64_t frame, int64_t tile_y,
                                    int64_t i) {
  const ConvGeometry& g = args.geometry;
  const int64_t y = tile_y * kTileSide + i + g.padding_top - (g.kernel_height - 1);
  return y >= 0 && y < g.out_height && args.taken[frame * g.out_height + y] != 0 ? y : -1;
}
__device__ inline bool any_taken(const TransposedConvArgs& args, int64_t frame, int64_t tile_y) {
  for (int64_t i = 0; i < points_down(args.geometry); ++i) {
    if (taken_row(args, frame, tile_y, i) >= 0) return true;
  }
  return false;
}

// B^T along the rows of the window of a tile. Point (across, down) is at to[(across * points down +
// down) * stride].
template <int kPoints, class A>
__device__ void transform_rows(const TransposedConvArgs& args, int64_t frame, int64_t tile_y,
                               int64_t tile_x, const A* grad, A* to, int64_t stride) {
  const ConvGeometry& g = args.geometry;
  const int64_t left = tile_x * kTileSide + g.padding_left - (g.kernel_width - 1);
  for (int64_t i = 0; i < points_down(g); ++i) {
    const int64_t y = taken_row(args, frame, tile_y, i);
    A d[kPoints], out[kPoints];
#pragma unroll
    for (int k = 0; k < kPoints; ++k) {
      const int64_t x = left + k;
      const bool inside = y >= 0 && x >= 0 && x < g.out_width;
      d[k] = inside ? grad[(y * g.out_width + x) * g.filters] : A(0);
    }
    KS_ISA::transform_inputs(d, out);
#pragma unroll
    for (int k = 0; k < kPoints; ++k) to[(k * points_down(g) + i) * stride] = out[k];
  }
}

// B^T down the columns of what that wrote, in its place.
template <int kPoints, class A>
__device__ void transform_columns(const ConvGeometry& g, A* at, int64_t stride) {
  for (int64_t point = 0; point < points_across(g); ++point, at += kPoints * stride) {
    A d[kPoints], out[kPoints];
#pragma unroll
    for (int k = 0; k < kPoints; ++k) d[k] = at[k * stride];
    KS_ISA::transform_inputs(d, out);
#pragma unroll
    for (int k = 0; k < kPoints; ++k) at[k * stride] = out[k];
  }
}

// A thread per tile and filter.
template <class T>
__device__ void winograd_inputs(const TransposedConvArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int64_t tiles = tiles_down(g) * tiles_across(g), stride = tiles * g.filters;
  const int64_t n = thread_index(), frame = n / stride, tile = n / g.filters % tiles;
  const int64_t tile_y = tile / tiles_across(g), tile_x = tile % tiles_across(g);
  if (frame >= args.frames || !any_taken(args, frame, tile_y)) return;
  const A* grad = static_cast<const A*>(args.grad) +
                  frame * g.out_height * g.out_width * g.filters + n % g.filters;
  A* to = static_cast<A*>(args.inputs) + frame * points_across(g) * points_down(g) * stride +
          n % stride;
  g.kernel_width == 3 ? transform_rows<6>(args, frame, tile_y, tile_x, grad, to, stride)
                      : transform_rows<8>(args, frame, tile_y, tile_x, grad, to, stride);
  g.kernel_height == 3 ? transform_columns<6>(g, to, stride) : transform_columns<8>(g, to, stride);
}

// The products with the kernels of one point across, and A^T down the columns. The points down are
// apart `stride`, and those of the kernel filters x channels.
template <int kPoints, class A>
__device__ void sum_point(const ConvGeometry& g, const A* inputs, int64_t stride, const A* kernel,
                          A* to) {
  A m[kPoints], out[kTileSide];
#pragma unroll
  for (int k = 0; k < kPoints; ++k) m[k] = A(0);
  for (int64_t filter = 0; filter < g.filters; ++filter) {
#pragma unroll
    for (int k = 0; k < kPoints; ++k) {
      const A weight = kernel[(k * g.filters + filter) * g.channels];
      m[k] = fused(weight, inputs[k * stride + filter], m[k]);
    }
  }
  KS_ISA::transform_sums(m, out);
#pragma unroll
  for (int k = 0; k < kTileSide; ++k) to[k * tiles_across(g) * g.channels] = out[k];
}

// A thread per point across, tile and channel.
template <class T>
__device__ void winograd_sums(const TransposedConvArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int64_t across = tiles_across(g), tiles = tiles_down(g) * across, n = thread_index();
  const int64_t channel = n % g.channels, tile = n / g.channels % tiles;
  const int64_t plane = n / g.channels / tiles;  // of a frame and a point across
  const int64_t frame = plane / points_across(g), point = plane % points_across(g);
  if (frame >= args.frames || !any_taken(args, frame, tile / across)) return;
  const int64_t stride = tiles * g.filters;
  const A* inputs = static_cast<const A*>(args.inputs) + plane * points_down(g) * stride +
                    tile * g.filters;
  const A* kernel = static_cast<const A*>(args.kernels) +
                    point * points_down(g) * g.filters * g.channels + channel;
  const int64_t row = plane * tiles_down(g) * kTileSide + tile / across * kTileSide;
  A* to = static_cast<A*>(args.sums) + (row * across + tile % across) * g.channels + channel;
  g.kernel_height == 3 ? sum_point<6>(g, inputs, stride, kernel, to)
                       : sum_point<8>(g, inputs, stride, kernel, to);
}

// A^T along a row, of one pixel of a tile. The points across are apart `stride`.
template <int kPoints, class A>
__device__ A pixel_of(const A* sums, int64_t stride, int64_t pixel) {
  A m[kPoints], out[kTileSide];
#pragma unroll
  for (int k = 0; k < kPoints; ++k) m[k] = sums[k * stride];
  KS_ISA::transform_sums(m, out);
  return pixel < 2 ? (pixel == 0 ? out[0] : out[1]) : (pixel == 2 ? out[2] : out[3]);
}

// The windows of one row of gradients that meet an input pixel of column x, added to a sum. `grad`
// is the row's, `weights` those of a kernel row.
template <class A>
__device__ A add_windows(const ConvGeometry& g, int x, const A* grad, const A* weights, A sum) {
  constexpr int kPixels = int(kTransposedPixels);
  const int width = int(g.kernel_width), stride = int(g.stride_x), apart = int(g.dilation_x);
  const int place = x + int(g.padding_left), lowest = place - (width - 1) * apart;
  const int low = lowest <= 0 ? 0 : (lowest + stride - 1) / stride;
  const int high = int(smaller(place / stride, g.out_width - 1));
  const int64_t filters = g.filters / g.groups, channels = g.channels / g.groups;
  for (int tile = low / kPixels * kPixels; tile <= high; tile += kPixels) {
    const int begin = low > tile ? low - tile : 0;
    const int end = high - tile < kPixels ? high - tile + 1 : kPixels;
    for (int first = 0; first < width; ++first) {
      for (int i = begin + (first + width - begin % width) % width; i < end; i += width) {
        const int ox = tile + i, offset = place - ox * stride;
        if (offset % apart != 0) continue;
        const A* from = grad + ox * g.filters;
        const A* tap = weights + offset / apart * g.filters * channels;
        A window = A(0);
        for (int64_t f = 0; f < filters; ++f) window = fused(tap[f * channels], from[f], window);
        sum = sum + window;
      }
    }
  }
  return sum;
}

// A thread per element of the output.
template <class T>
__device__ void transposed_conv(const TransposedConvArgs& args) {
  using A = ArithmeticOf<T>;
  const ConvGeometry& g = args.geometry;
  const int64_t n = thread_index(), pixel = n / g.channels, frame = pixel / g.width / g.height;
  if (frame >= args.frames) return;
  const int64_t x = pixel % g.width, y = pixel / g.width % g.height, channel = n % g.channels;
  const int64_t channels = g.channels / g.groups, filters = g.filters / g.groups;
  const int64_t group = channel / channels, row = g.out_width * g.filters;
  const A* grad = static_cast<const A*>(args.grad) + frame * g.out_height * row + group * filters;
  const A* weights = static_cast<const A*>(args.weights) + group * filters * channels +
                     channel % channels;
  A sum = A(0);
  for (int64_t ky = g.kernel_height - 1; ky >= 0; --ky) {  // rows of gradients from above
    const int64_t place = y + g.padding_top - ky * g.dilation_y, oy = place / g.stride_y;
    if (place < 0 || place % g.stride_y != 0 || oy >= g.out_height) continue;
    if (args.taken != nullptr && args.taken[frame * g.out_height + oy] != 0) continue;
    const A* of_row = weights + ky * g.kernel_width * g.filters * channels;
    sum = add_windows(g, int(x), grad + oy * row, of_row, sum);
  }
  if (args.taken != nullptr && any_taken(args, frame, y / kTileSide)) {
    const int64_t line = tiles_across(g) * g.channels, plane = tiles_down(g) * kTileSide * line;
    const A* sums = static_cast<const A*>(args.sums) + frame * points_across(g) * plane +
                    y * line + x / kTileSide * g.channels + channel;
    sum = sum + (g.kernel_width == 3 ? pixel_of<6>(sums, plane, x % kTileSide)
                                     : pixel_of<8>(sums, plane, x % kTileSide));
  }
  static_cast<A*>(args.out)[n] = sum;
}

KS_GPU_KERNEL(transposed_weights, TransposedWeightsArgs, transposed_weights)
KS_GPU_KERNEL(winograd_weights, WinogradWeightsArgs, winograd_weights)
KS_GPU_KERNEL(winograd_rows, TransposedConvArgs, winograd_rows)
KS_GPU_KERNEL(winograd_inputs, TransposedConvArgs, winograd_inputs)
KS_GPU_KERNEL(winograd_sums, TransposedConvArgs, winograd_sums)
KS_GPU_KERNEL(transposed_conv, TransposedConvArgs, transposed_conv)

}  // namespace keras_slayer
