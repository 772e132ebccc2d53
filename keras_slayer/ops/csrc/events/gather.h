// Sums the rows of a matrix that events select. Also the loops over vectors of several widths. The
// kernels of all rooms except neurons/, filters/ and data/ use it.
#ifndef KERAS_SLAYER_EVENTS_GATHER_H_
#define KERAS_SLAYER_EVENTS_GATHER_H_

#include "base/fused.h"
#include "events/find.h"

namespace keras_slayer {
namespace KS_ISA {

// Bytes of a vector register.
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// Calls visit(at) for vectors of kLanes numbers, starting at `at`, that cover `count` numbers. The
// last vector may overlap the one before. count must be at least kLanes.
template <int kLanes, class Visit>
KS_HD void for_each_vector(int64_t count, Visit visit) {
  for (int64_t at = 0; at < count; at += kLanes) visit(at + kLanes <= count ? at : count - kLanes);
}

template <int n>
struct Lanes {
  static constexpr int value = n;
};

// Calls visit(at, Lanes<...>()) for consecutive vectors that cover `count` numbers: full vectors
// first, then ever narrower ones.
template <class A, int kLanes = kVectorBytes / int(sizeof(A)), class Visit>
KS_HD void for_each_part(int64_t count, Visit visit, int64_t at = 0) {
  for (; at + kLanes <= count; at += kLanes) visit(at, Lanes<kLanes>());
  if constexpr (kLanes > 1) for_each_part<A, kLanes / 2>(count, visit, at);
}

// Calls fn(Lanes<...>()) with the widest vector that is no longer than `count` numbers.
template <class A, int kLanes = kVectorBytes / int(sizeof(A)), class Fn>
KS_HD void with_lanes(int64_t count, Fn fn) {
  if constexpr (kLanes > 1) {
    if (count < kLanes) return with_lanes<A, kLanes / 2>(count, fn);
  }
  fn(Lanes<kLanes>());
}

// Events of one row: indices of rows of another matrix, each with a factor.
template <class T>
struct Selection {
  const int32_t* index;
  const T* value;
  int64_t size;
};

// The events of a row.
template <class T>
KS_HD Selection<T> events_of(const Events& events, int64_t row) {
  const int64_t first = events.offsets[row];
  return {events.index + first, static_cast<const T*>(events.value) + first,
          events.offsets[row + 1] - first};
}

// sum[j] = sum over the selection of value * matrix[index][j] for `count` columns. With kAdd, that
// is added to the sums, event by event.
template <bool kAdd, class T, class A>
KS_HD void gather_rows(const Selection<T>& selection, const T* matrix, int64_t width,
                       A* __restrict sum, int count) {
  if (!kAdd) clear(sum, count);
  for (int64_t e = 0; e < selection.size; ++e) {
    const A value = load(selection.value[e]);
    const T* __restrict source = matrix + selection.index[e] * width;
    KS_VECTOR_LOOP(j, count) sum[j] = fused(load(source[j]), value, sum[j]);
  }
}

// The same for kVectors vectors of columns, whose sums stay in registers. As one object in memory
// the compiler would keep them on the stack, too.
template <bool kAdd, class A, int kVectors>
KS_HD void gather_vectors(const Selection<A>& selection, const A* matrix, int64_t width, A* out) {
  typedef A Vector __attribute__((vector_size(kVectorBytes)));
  constexpr int kLanes = int(kVectorBytes / sizeof(A));
  Vector sum[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (kAdd) {
      __builtin_memcpy(&sum[v], out + v * kLanes, kVectorBytes);
    } else {
      sum[v] = Vector{};
    }
  }
  for (int64_t e = 0; e < selection.size; ++e) {
    const A value = selection.value[e];
    const A* source = matrix + selection.index[e] * width;
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      Vector loaded;
      __builtin_memcpy(&loaded, source + v * kLanes, kVectorBytes);
      sum[v] = fused(loaded, value, sum[v]);
    }
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) __builtin_memcpy(out + v * kLanes, &sum[v], kVectorBytes);
}

template <class T>
struct InVectors {  // not for half types, whose conversion needs the plain loop
  static constexpr bool kUsable = false;
};
template <>
struct InVectors<float> {
  static constexpr bool kUsable = true;
};
template <>
struct InVectors<double> {
  static constexpr bool kUsable = true;
};

constexpr int kGatherVectors = 8;
// Columns whose sums fit into registers.
template <class A>
constexpr int64_t kGatherColumns = kGatherVectors * kVectorBytes / int64_t(sizeof(A));

// The same for up to kGatherColumns columns.
template <bool kAdd = false, class T, class A>
KS_HD void gather(const Selection<T>& selection, const T* matrix, int64_t width, A* sum,
                  int64_t count) {
  if constexpr (InVectors<T>::kUsable) {
    constexpr int64_t kLanes = kGatherColumns<A> / kGatherVectors;
    if (count == 8 * kLanes) return gather_vectors<kAdd, T, 8>(selection, matrix, width, sum);
    int64_t at = 0;
    if (count >= at + 4 * kLanes) {
      gather_vectors<kAdd, T, 4>(selection, matrix + at, width, sum + at);
      at += 4 * kLanes;
    }
    if (count >= at + 2 * kLanes) {
      gather_vectors<kAdd, T, 2>(selection, matrix + at, width, sum + at);
      at += 2 * kLanes;
    }
    if (count >= at + kLanes) {
      gather_vectors<kAdd, T, 1>(selection, matrix + at, width, sum + at);
      at += kLanes;
    }
    if (count > at) gather_rows<kAdd>(selection, matrix + at, width, sum + at, int(count - at));
  } else {
    gather_rows<kAdd>(selection, matrix, width, sum, int(count));
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENTS_GATHER_H_
