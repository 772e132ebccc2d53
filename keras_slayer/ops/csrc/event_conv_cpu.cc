// Event-driven 2-D convolution: each spike adds the weights of its taps to the
// outputs under them, or collects their gradients.
#include "cpu.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// Calls visit(value, weight offset, output offset) for each tap of each event
// of a frame; both offsets point at `filters / groups` consecutive elements.
template <class T, class Visit>
KS_HD void for_each_tap(const Events& events, const ConvGeometry& g, int64_t frame, Visit visit) {
  const T* values = static_cast<const T*>(events.value);
  const int64_t group_channels = g.channels / g.groups, group_filters = g.filters / g.groups;
  for (int64_t e = events.offsets[frame]; e < events.offsets[frame + 1]; ++e) {
    const int64_t pixel = events.index[e] / g.channels, channel = events.index[e] % g.channels;
    const int64_t y = pixel / g.width, x = pixel % g.width;
    const int64_t group = channel / group_channels, within = channel % group_channels;
    const auto value = load(values[e]);
    for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
      const int64_t oy = g.row_target[y * g.kernel_height + ky];
      if (oy < 0) continue;
      for (int64_t kx = 0; kx < g.kernel_width; ++kx) {
        const int64_t ox = g.column_target[x * g.kernel_width + kx];
        if (ox < 0) continue;
        visit(value,
              ((ky * g.kernel_width + kx) * group_channels + within) * g.filters +
                  group * group_filters,
              (oy * g.out_width + ox) * g.filters + group * group_filters);
      }
    }
  }
}

// The same with all horizontal taps of an event and a kernel row at once: with
// kernels stored as [channels, kernel_height, kernel_width reversed, filters],
// they and the outputs that they meet are two runs of consecutive numbers.
// visit(value, weight offset, output offset, length).
template <class T, class Visit>
KS_HD void for_each_run(const Events& events, const ConvGeometry& g, int64_t frame, Visit visit) {
  const T* values = static_cast<const T*>(events.value);
  for (int64_t e = events.offsets[frame]; e < events.offsets[frame + 1]; ++e) {
    const int64_t pixel = events.index[e] / g.channels, channel = events.index[e] % g.channels;
    const int64_t y = pixel / g.width, x = pixel % g.width;
    // The reversed tap 0 meets output column `left`.
    const int64_t left = x + g.padding_left - (g.kernel_width - 1);
    const int64_t first = left < 0 ? -left : 0;
    const int64_t past = g.out_width - left < g.kernel_width ? g.out_width - left : g.kernel_width;
    if (first >= past) continue;
    const auto value = load(values[e]);
    for (int64_t ky = 0; ky < g.kernel_height; ++ky) {
      const int64_t oy = g.row_target[y * g.kernel_height + ky];
      if (oy < 0) continue;
      visit(value,
            (((channel * g.kernel_height) + ky) * g.kernel_width + first) * g.filters,
            (oy * g.out_width + left + first) * g.filters, int((past - first) * g.filters));
    }
  }
}

}  // namespace

void event_conv(Dtype dtype, const EventConvArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ConvGeometry& g = args.geometry;
    const int64_t size = g.out_height * g.out_width * g.filters;
    const int group = int(g.filters / g.groups);
    const A* weights = static_cast<const A*>(args.weights);
    // Half types are summed in float and rounded once.
    A* scratch = sizeof(T) == sizeof(A)
                     ? nullptr
                     : static_cast<A*>(__builtin_malloc(size_t(size) * sizeof(A)));
    for (int64_t frame = begin; frame < end; ++frame) {
      T* out = static_cast<T*>(args.out) + frame * size;
      A* sum = scratch != nullptr ? scratch : reinterpret_cast<A*>(out);
      clear(sum, size);
      const auto add = [&](A value, int64_t weight, int64_t target, int count) {
        const A* __restrict w = weights + weight;
        A* __restrict o = sum + target;
        KS_VECTOR_LOOP(j, count) o[j] = o[j] + value * w[j];
      };
      if (g.runs) {
        for_each_run<T>(args.events, g, frame, add);
      } else {
        for_each_tap<T>(args.events, g, frame, [&](A value, int64_t weight, int64_t target) {
          add(value, weight, target, group);
        });
      }
      if (scratch != nullptr) {
        for (int64_t i = 0; i < size; ++i) store(&out[i], scratch[i]);
      }
    }
    __builtin_free(scratch);
  });
}

void event_conv_grad(Dtype dtype, const EventConvGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ConvGeometry& g = args.geometry;
    const int64_t out_size = g.out_height * g.out_width * g.filters;
    const int64_t weights_size =
        g.kernel_height * g.kernel_width * (g.channels / g.groups) * g.filters;
    const int group = int(g.filters / g.groups);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      A* partial = static_cast<A*>(args.partial) + chunk * weights_size;
      clear(partial, weights_size);
      const int64_t first = chunk * args.frames_per_chunk;
      const int64_t last = first + args.frames_per_chunk < args.events.rows
                               ? first + args.frames_per_chunk
                               : args.events.rows;
      for (int64_t frame = first; frame < last; ++frame) {
        const T* grad = static_cast<const T*>(args.grad) + frame * out_size;
        const auto add = [&](A value, int64_t weight, int64_t target, int count) {
          const T* __restrict d = grad + target;
          A* __restrict w = partial + weight;
          KS_VECTOR_LOOP(j, count) w[j] = w[j] + value * load(d[j]);
        };
        if (g.runs) {
          for_each_run<T>(args.events, g, frame, add);
        } else {
          for_each_tap<T>(args.events, g, frame, [&](A value, int64_t weight, int64_t target) {
            add(value, weight, target, group);
          });
        }
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
