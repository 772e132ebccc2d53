// Finds events in arrays, and sums the rows of a matrix that events select. Also the loops over
// vectors of several widths. The kernels of all rooms except neurons/, filters/ and data/ use it.
#ifndef KERAS_SLAYER_EVENTS_GATHER_H_
#define KERAS_SLAYER_EVENTS_GATHER_H_

#include "base/fused.h"
#include "events/events.h"

namespace keras_slayer {
namespace KS_ISA {

KS_HD bool is_event(uint8_t x) { return x != 0; }
KS_HD bool is_event(float x) { return x != 0; }
KS_HD bool is_event(double x) { return x != 0; }
KS_HD bool is_event(Half x) { return (x.bits & 0x7fff) != 0; }
KS_HD bool is_event(Bfloat16 x) { return (x.bits & 0x7fff) != 0; }

constexpr int kGroup = 16;  // elements that are tested at once, because most are no events
static_assert(kGroup <= kPackedRoom);

// Bit j tells whether x[j] is an event, for j < kGroup.
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

#if defined(__x86_64__)
KS_HD uint32_t event_mask(const uint8_t* x) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return uint32_t(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()))) ^ 0xffff;
}
#endif

// Calls visit(i) for each event of x[0 .. size), in order. Prefetches kAhead bytes ahead, which
// reading memory at full speed needs, and then tests four groups at once: whether a group has an
// event is what no processor can predict.
template <int64_t kAhead = 0, class T, class Visit>
KS_HD void for_each_event(const T* x, int64_t size, Visit visit) {
  constexpr int kGroups = kAhead > 0 ? 4 : 1;
  int64_t first = 0;
  for (; first + kGroups * kGroup <= size; first += kGroups * kGroup) {
    uint64_t mask = 0;
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      const T* group = x + first + g * kGroup;
      if (kAhead > 0) __builtin_prefetch(reinterpret_cast<const char*>(group) + kAhead);
      mask |= uint64_t(event_mask(group)) << (g * kGroup);
    }
    for (; mask != 0; mask &= mask - 1) visit(first + __builtin_ctzll(mask));
  }
  for (; first < size; ++first) {
    if (is_event(x[first])) visit(first);
  }
}

template <class T>
KS_HD int64_t count_events(const T* x, int64_t size) {
  int64_t first = 0, count = 0;
  for (; first + kGroup <= size; first += kGroup) count += __builtin_popcount(event_mask(x + first));
  for (; first < size; ++first) count += is_event(x[first]) ? 1 : 0;
  return count;
}

// Whether more than `limit` of x[0 .. size) are events. Stops as soon as that is known.
template <class T>
KS_HD bool more_events(const T* x, int64_t size, int64_t limit) {
  constexpr int64_t kPart = 16 * kGroup;
  int64_t count = 0;
  for (int64_t first = 0; first < size && count <= limit; first += kPart) {
    count += count_events(x + first, size - first < kPart ? size - first : kPart);
  }
  return count > limit;
}

// Writes the events of x[0 .. size) to index (as first + i) and value, and returns their number.
// Both arrays must have room for size + kGroup numbers.
template <int64_t kAhead = 0, class S, class A>
KS_HD int64_t pack_events(const S* x, int64_t size, int64_t first, int32_t* index, A* value) {
  int64_t packed = 0;
  for_each_event<kAhead>(x, size, [&](int64_t i) {
    index[packed] = int32_t(first + i);
    value[packed++] = A(load(x[i]));
  });
  return packed;
}
#if defined(__AVX512F__)
KS_HD __m512 load_group(const float* x, __mmask16 inside) { return _mm512_maskz_loadu_ps(inside, x); }
KS_HD __m512 load_group(const uint8_t* x, __mmask16 inside) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(inside, x)));
}
// Packs kGroup elements at once, without a branch per event.
template <int64_t kAhead, class S>
KS_HD int64_t pack_groups(const S* x, int64_t size, int64_t first, int32_t* index, float* value) {
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  int64_t packed = 0;
  for (int64_t i = 0; i < size; i += kGroup) {
    if (kAhead > 0) __builtin_prefetch(reinterpret_cast<const char*>(x + i) + kAhead);
    const __mmask16 inside = size - i < kGroup ? __mmask16((1u << (size - i)) - 1) : __mmask16(~0);
    const __m512 loaded = load_group(x + i, inside);
    const __mmask16 chosen =
        _mm512_mask_cmp_ps_mask(inside, loaded, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    const __m512i at = _mm512_add_epi32(lanes, _mm512_set1_epi32(int32_t(first + i)));
    _mm512_storeu_ps(value + packed, _mm512_maskz_compress_ps(chosen, loaded));
    _mm512_storeu_si512(index + packed, _mm512_maskz_compress_epi32(chosen, at));
    packed += __builtin_popcount(chosen);
  }
  return packed;
}
template <int64_t kAhead = 0>
KS_HD int64_t pack_events(const float* x, int64_t size, int64_t first, int32_t* index,
                          float* value) {
  return pack_groups<kAhead>(x, size, first, index, value);
}
template <int64_t kAhead = 0>
KS_HD int64_t pack_events(const uint8_t* x, int64_t size, int64_t first, int32_t* index,
                          float* value) {
  return pack_groups<kAhead>(x, size, first, index, value);
}
#endif

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

// The same for kVectors vectors of columns, whose sums stay in registers.
template <bool kAdd, class A, int kVectors>
KS_HD void gather_vectors(const Selection<A>& selection, const A* matrix, int64_t width, A* out) {
  typedef A Vector __attribute__((vector_size(kVectorBytes)));
  constexpr int kLanes = int(kVectorBytes / sizeof(A));
  Vector sum[kVectors] = {};
  if (kAdd) __builtin_memcpy(sum, out, sizeof(sum));
  for (int64_t e = 0; e < selection.size; ++e) {
    const A value = selection.value[e];
    const A* source = matrix + selection.index[e] * width;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      Vector loaded;
      __builtin_memcpy(&loaded, source + v * kLanes, kVectorBytes);
      sum[v] = fused(loaded, value, sum[v]);
    }
  }
  __builtin_memcpy(out, sum, sizeof(sum));
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
