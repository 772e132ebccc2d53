// Finds events in arrays: the nonzeros.
#ifndef KERAS_SLAYER_EVENTS_FIND_H_
#define KERAS_SLAYER_EVENTS_FIND_H_

#include "base/cpu.h"
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

// Bit j tells whether x[j] is an event, for j < kWideGroup. Prefetches kAhead bytes ahead.
constexpr int kWideGroup = 64;
template <int64_t kAhead, class T>
KS_HD uint64_t wide_event_mask(const T* x) {
  constexpr int kLine = 64 / int(sizeof(T));
  if constexpr (kAhead > 0) {
#pragma GCC unroll 8
    for (int j = 0; j < kWideGroup; j += kLine) {
      __builtin_prefetch(reinterpret_cast<const char*>(x + j) + kAhead);
    }
  }
#if defined(__AVX512BW__)
  if constexpr (sizeof(T) == 1) {
    const __m512i bytes = _mm512_loadu_si512(x);
    return _mm512_test_epi8_mask(bytes, bytes);
  }
#endif
  uint64_t mask = 0;
#pragma GCC unroll 4
  for (int j = 0; j < kWideGroup; j += kGroup) mask |= uint64_t(event_mask(x + j)) << j;
  return mask;
}

// The same of the first `size` elements, if there are fewer.
template <class T>
KS_HD uint64_t narrow_event_mask(const T* x, int64_t size) {
  uint64_t mask = 0;
  int64_t j = 0;
  for (; j + kGroup <= size; j += kGroup) mask |= uint64_t(event_mask(x + j)) << j;
  for (; j < size; ++j) mask |= uint64_t(is_event(x[j])) << j;
  return mask;
}

template <class T>
KS_HD int64_t count_events(const T* x, int64_t size) {
  int64_t first = 0, count = 0;
  for (; first + kWideGroup <= size; first += kWideGroup) {
    count += __builtin_popcountll(wide_event_mask<0>(x + first));
  }
  return count + __builtin_popcountll(narrow_event_mask(x + first, size - first));
}

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
// Both arrays must have room for size + kGroup numbers. value may be null.
//
// How many events a group has is what no processor can predict. So each round writes kRound events,
// of which only those count that there are; few groups need a second round.
template <int64_t kAhead = 0, class S, class Value>
KS_HD int64_t pack_events(const S* x, int64_t size, int64_t first, int32_t* index, Value value) {
  constexpr int kRound = 4;
  constexpr bool kValues = !__is_same(Value, decltype(nullptr));
  static_assert(kRound <= kGroup);
  const uint64_t last = uint64_t(1) << ((size < kWideGroup ? size : kWideGroup) - 1);
  int64_t packed = 0;
  for (int64_t done = 0; done < size; done += kWideGroup) {
    int64_t at = done;
    uint64_t mask;
    if (size < kWideGroup) {
      mask = narrow_event_mask(x, size);
    } else {  // the last group overlaps the one before, whose events it leaves out
      if (done + kWideGroup > size) at = size - kWideGroup;
      mask = wide_event_mask<kAhead>(x + at) >> (done - at) << (done - at);
    }
    const int count = __builtin_popcountll(mask);
    int written = 0;
    do {
#pragma GCC unroll 4
      for (int e = 0; e < kRound; ++e, mask &= mask - 1) {
        const int64_t i = at + __builtin_ctzll(mask | last);
        index[packed + written + e] = int32_t(first + i);
        if constexpr (kValues) value[packed + written + e] = load(x[i]);
      }
      written += kRound;
    } while (written < count);
    packed += count;
  }
  return packed;
}
#if defined(__AVX512F__)
KS_HD __m512 load_group(const float* x, __mmask16 inside) { return _mm512_maskz_loadu_ps(inside, x); }
KS_HD __m512 load_group(const uint8_t* x, __mmask16 inside) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(inside, x)));
}
// Packs kGroup elements at once, however many of them are events.
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

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EVENTS_FIND_H_
