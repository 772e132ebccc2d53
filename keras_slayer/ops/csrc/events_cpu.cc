// Event-driven matrix product: find the nonzeros of a spike tensor once, then
// add only the weights that they select.
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

}  // namespace KS_ISA
}  // namespace keras_slayer
