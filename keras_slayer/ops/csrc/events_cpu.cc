// Event-driven synapses: find the nonzeros of a spike tensor once, then add
// only the weights that they select.
#include "cpu.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

KS_HD bool is_event(float x) { return x != 0; }
KS_HD bool is_event(double x) { return x != 0; }
KS_HD bool is_event(Half x) { return (x.bits & 0x7fff) != 0; }
KS_HD bool is_event(Bfloat16 x) { return (x.bits & 0x7fff) != 0; }

}  // namespace

void count_events(Dtype dtype, const CountArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    for (int64_t row = begin; row < end; ++row) {
      const T* __restrict x = static_cast<const T*>(args.x) + row * args.columns;
      int64_t total = 0;
      for (int64_t first = 0; first < args.columns; first += kBlock) {
        const int count = int(args.columns - first < kBlock ? args.columns - first : kBlock);
        int events = 0;
        KS_VECTOR_LOOP(j, count) events += is_event(x[first + j]) ? 1 : 0;
        total += events;
      }
      args.counts[row] = total;
    }
  });
}

void collect_events(Dtype dtype, const CollectArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    constexpr int kGroup = 16;  // tested at once: most groups hold no event
    for (int64_t row = begin; row < end; ++row) {
      const T* __restrict x = static_cast<const T*>(args.x) + row * args.columns;
      int64_t next = args.offsets[row];
      for (int64_t first = 0; first < args.columns; first += kGroup) {
        const int64_t last = first + kGroup < args.columns ? first + kGroup : args.columns;
        if (last - first == kGroup) {
          int any = 0;
          KS_VECTOR_LOOP(j, kGroup) any |= is_event(x[first + j]) ? 1 : 0;
          if (any == 0) continue;
        }
        for (int64_t i = first; i < last; ++i) {
          if (!is_event(x[i])) continue;
          args.index[next] = int32_t(i);
          static_cast<T*>(args.value)[next] = x[i];
          ++next;
        }
      }
    }
  });
}

namespace {

// sum[j] = sum over events of value * matrix[index][j] for `count` columns.
template <class T, class A>
KS_HD void gather_rows(const Events& events, int64_t row, const T* matrix, int64_t width,
                       A* __restrict sum, int count) {
  const T* values = static_cast<const T*>(events.value);
  clear(sum, count);
  for (int64_t e = events.offsets[row]; e < events.offsets[row + 1]; ++e) {
    const A value = load(values[e]);
    const T* __restrict source = matrix + events.index[e] * width;
    KS_VECTOR_LOOP(j, count) sum[j] = sum[j] + value * load(source[j]);
  }
}

// The same for a fixed 64 bytes * kVectors of columns, kept in registers.
template <class A, int kVectors>
KS_HD void gather_rows_in_registers(const Events& events, int64_t row, const A* matrix,
                                    int64_t width, A* out) {
  typedef A Vector __attribute__((vector_size(64)));
  constexpr int kLanes = int(64 / sizeof(A));
  const A* values = static_cast<const A*>(events.value);
  Vector sum[kVectors] = {};
  for (int64_t e = events.offsets[row]; e < events.offsets[row + 1]; ++e) {
    const A value = values[e];
    const A* source = matrix + events.index[e] * width;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      Vector loaded;
      __builtin_memcpy(&loaded, source + v * kLanes, 64);
      sum[v] = sum[v] + loaded * value;
    }
  }
  __builtin_memcpy(out, sum, sizeof(sum));
}

template <class T>
struct RegisterBlock {  // half types: the conversions go through the plain loop
  static constexpr bool kUsable = false;
};
template <>
struct RegisterBlock<float> {
  static constexpr bool kUsable = true;
};
template <>
struct RegisterBlock<double> {
  static constexpr bool kUsable = true;
};

}  // namespace

void event_matmul(Dtype dtype, const EventMatmulArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    constexpr int kVectors = 8;
    constexpr int64_t kColumns = kVectors * 64 / int64_t(sizeof(A));
    const T* matrix = static_cast<const T*>(args.matrix);
    T* out = static_cast<T*>(args.out);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first_row = item * kRowTile;
      const int64_t last_row =
          first_row + kRowTile < args.events.rows ? first_row + kRowTile : args.events.rows;
      int64_t column = 0;
      // Columns outside, rows inside: the slice of the matrix stays in cache.
      if constexpr (RegisterBlock<T>::kUsable) {
        for (; column + kColumns <= args.width; column += kColumns) {
          for (int64_t row = first_row; row < last_row; ++row) {
            gather_rows_in_registers<T, kVectors>(args.events, row, matrix + column, args.width,
                                                  out + row * args.width + column);
          }
        }
      }
      for (; column < args.width; column += kColumns) {
        const int count = int(args.width - column < kColumns ? args.width - column : kColumns);
        for (int64_t row = first_row; row < last_row; ++row) {
          A sum[kColumns];
          gather_rows(args.events, row, matrix + column, args.width, sum, count);
          T* __restrict target = out + row * args.width + column;
          KS_VECTOR_LOOP(j, count) store(&target[j], sum[j]);
        }
      }
    }
  });
}

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

}  // namespace

void event_conv(Dtype dtype, const EventConvArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ConvGeometry& g = args.geometry;
    const int64_t size = g.out_height * g.out_width * g.filters;
    const int count = int(g.filters / g.groups);
    const T* weights = static_cast<const T*>(args.weights);
    // Half types are summed in float and rounded once.
    A* scratch = sizeof(T) == sizeof(A)
                     ? nullptr
                     : static_cast<A*>(__builtin_malloc(size_t(size) * sizeof(A)));
    for (int64_t frame = begin; frame < end; ++frame) {
      T* out = static_cast<T*>(args.out) + frame * size;
      A* sum = scratch != nullptr ? scratch : reinterpret_cast<A*>(out);
      clear(sum, size);
      for_each_tap<T>(args.events, g, frame, [&](A value, int64_t weight, int64_t target) {
        const T* __restrict w = weights + weight;
        A* __restrict o = sum + target;
        KS_VECTOR_LOOP(j, count) o[j] = o[j] + value * load(w[j]);
      });
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
    const int count = int(g.filters / g.groups);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      A* partial = static_cast<A*>(args.partial) + chunk * weights_size;
      clear(partial, weights_size);
      const int64_t first = chunk * args.frames_per_chunk;
      const int64_t last = first + args.frames_per_chunk < args.events.rows
                               ? first + args.frames_per_chunk
                               : args.events.rows;
      for (int64_t frame = first; frame < last; ++frame) {
        const T* grad = static_cast<const T*>(args.grad) + frame * out_size;
        for_each_tap<T>(args.events, g, frame, [&](A value, int64_t weight, int64_t target) {
          const T* __restrict d = grad + target;
          A* __restrict w = partial + weight;
          KS_VECTOR_LOOP(j, count) w[j] = w[j] + value * load(d[j]);
        });
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
