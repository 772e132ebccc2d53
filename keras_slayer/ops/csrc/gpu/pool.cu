// Sums of the windows of a pool and their transpose, each in the order of the CPU.
#include "gpu/pool.h"

#include "gpu/device.h"

namespace keras_slayer {

// Down each column of the window, then along it.
template <class S, class T>
__device__ void sum_window(const PoolArgs& args) {
  using A = ArithmeticOf<T>;
  const PoolGeometry& g = args.pool;
  const int64_t at = thread_index();
  if (at >= args.frames * g.out_height * g.out_width * g.channels) return;
  const int64_t channel = at % g.channels, ox = at / g.channels % g.out_width;
  const int64_t oy = at / g.channels / g.out_width % g.out_height;
  const int64_t frame = at / g.channels / g.out_width / g.out_height;
  const S* in = static_cast<const S*>(args.in) + frame * g.height * g.width * g.channels + channel;
  const int64_t top = oy * g.stride_y - g.padding_top, left = ox * g.stride_x - g.padding_left;
  const int64_t bottom = smaller(top + g.window_height, g.height);
  const int64_t right = smaller(left + g.window_width, g.width);
  A sum = A(0);
  for (int64_t x = left < 0 ? 0 : left; x < right; ++x) {
    A column = A(0);
    for (int64_t y = top < 0 ? 0 : top; y < bottom; ++y) {
      column = column + A(load(in[(y * g.width + x) * g.channels]));
    }
    sum = sum + column;
  }
  static_cast<A*>(args.out)[at] = sum * A(g.tap);
}

template <class T>
__device__ void pool_sums(const PoolArgs& args) {
  args.bytes ? sum_window<uint8_t, T>(args) : sum_window<T, T>(args);
}

// Calls visit(o) for each window along one axis that contains the pixel `at`, in order.
template <class Visit>
__device__ void for_each_window(int64_t at, int64_t padding, int64_t stride, int64_t window,
                                int64_t windows, Visit visit) {
  const int64_t from = at + padding;  // counted from the start of the first window
  const int64_t first = from < window ? 0 : (from - window) / stride + 1;
  for (int64_t o = first; o * stride <= from && o < windows; ++o) visit(o);
}

template <class T>
__device__ void pool_spread(const PoolArgs& args) {
  using A = ArithmeticOf<T>;
  const PoolGeometry& g = args.pool;
  const int64_t at = thread_index();
  if (at >= args.frames * g.height * g.width * g.channels) return;
  const int64_t channel = at % g.channels, x = at / g.channels % g.width;
  const int64_t y = at / g.channels / g.width % g.height;
  const int64_t frame = at / g.channels / g.width / g.height;
  const A* in = static_cast<const A*>(args.in) +
                frame * g.out_height * g.out_width * g.channels + channel;
  A sum = A(0);
  for_each_window(y, g.padding_top, g.stride_y, g.window_height, g.out_height, [&](int64_t oy) {
    A row = A(0);
    for_each_window(x, g.padding_left, g.stride_x, g.window_width, g.out_width, [&](int64_t ox) {
      row = row + in[(oy * g.out_width + ox) * g.channels] * A(g.tap);
    });
    sum = sum + row;
  });
  store(static_cast<T*>(args.out) + at, sum);
}

KS_GPU_KERNEL(pool_sums, PoolArgs, pool_sums)
KS_GPU_KERNEL(pool_spread, PoolArgs, pool_spread)

}  // namespace keras_slayer
