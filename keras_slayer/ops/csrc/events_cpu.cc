// Event-driven matrix product: find the nonzeros of a spike tensor once, then
// add only the weights that they select.
#include "cpu.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace keras_slayer {
namespace KS_ISA {

namespace {

KS_HD bool is_event(float x) { return x != 0; }
KS_HD bool is_event(double x) { return x != 0; }
KS_HD bool is_event(Half x) { return (x.bits & 0x7fff) != 0; }
KS_HD bool is_event(Bfloat16 x) { return (x.bits & 0x7fff) != 0; }

constexpr int kGroup = 16;  // tested at once: most groups hold no event

// Bit j tells whether x[j] is an event, for kGroup elements.
template <class T>
KS_HD uint32_t event_mask(const T* x) {
  uint32_t mask = 0;
  for (int j = 0; j < kGroup; ++j) mask |= uint32_t(is_event(x[j])) << j;
  return mask;
}
#if defined(__AVX512F__)
KS_HD uint32_t event_mask(const float* x) {
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(x), _mm512_setzero_ps(), _CMP_NEQ_UQ);
}
#elif defined(__AVX2__)
KS_HD uint32_t event_mask(const float* x) {
  const __m256 zero = _mm256_setzero_ps();
  const __m256 low = _mm256_cmp_ps(_mm256_loadu_ps(x), zero, _CMP_NEQ_UQ);
  const __m256 high = _mm256_cmp_ps(_mm256_loadu_ps(x + 8), zero, _CMP_NEQ_UQ);
  return uint32_t(_mm256_movemask_ps(low)) | uint32_t(_mm256_movemask_ps(high)) << 8;
}
#endif

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
    for (int64_t row = begin; row < end; ++row) {
      const T* x = static_cast<const T*>(args.x) + row * args.columns;
      int64_t next = args.offsets[row], first = 0;
      const auto collect = [&](int64_t i) {
        args.index[next] = int32_t(i);
        static_cast<T*>(args.value)[next] = x[i];
        ++next;
      };
      for (; first + kGroup <= args.columns; first += kGroup) {
        for (uint32_t mask = event_mask(x + first); mask != 0; mask &= mask - 1) {
          collect(first + __builtin_ctz(mask));
        }
      }
      for (; first < args.columns; ++first) {
        if (is_event(x[first])) collect(first);
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

// Bytes of the processor's vectors.
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// The same for a fixed kVectors vectors of columns, kept in registers.
template <class A, int kVectors>
KS_HD void gather_rows_in_registers(const Events& events, int64_t row, const A* matrix,
                                    int64_t width, A* out) {
  typedef A Vector __attribute__((vector_size(kVectorBytes)));
  constexpr int kLanes = int(kVectorBytes / sizeof(A));
  const A* values = static_cast<const A*>(events.value);
  Vector sum[kVectors] = {};
  for (int64_t e = events.offsets[row]; e < events.offsets[row + 1]; ++e) {
    const A value = values[e];
    const A* source = matrix + events.index[e] * width;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      Vector loaded;
      __builtin_memcpy(&loaded, source + v * kLanes, kVectorBytes);
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
    constexpr int64_t kColumns = kVectors * kVectorBytes / int64_t(sizeof(A));
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
