// Fused multiply-adds: one rounding and one instruction instead of two.
//
// All products of synapses use them, also on processors without the instruction, so that results
// are the same everywhere. Neurons do not use them, because their references in Python do not.
#ifndef KERAS_SLAYER_BASE_FUSED_H_
#define KERAS_SLAYER_BASE_FUSED_H_

#include "base/cpu.h"

namespace keras_slayer {
namespace KS_ISA {

#if defined(__FMA__) || !defined(__x86_64__)

KS_HD float fused(float x, float y, float sum) { return __builtin_fmaf(x, y, sum); }

#else  // emulated in double, where the product of two floats is exact

// Rounds the sum to odd (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums",
// 2008): if the sum is not exact, its last bit is set. Then the rounding to float cannot mistake
// it for a tie.
KS_HD float fused(float x, float y, float sum) {
  const double product = double(x) * double(y), total = product + double(sum);
  const double back = total - product;
  const double lost = (product - (total - back)) + (double(sum) - back);
  union {
    double value;
    int64_t bits;
  } odd = {total};
  const bool exact = !(lost < 0 || lost > 0);
  if (!exact && odd.bits % 2 == 0) odd.bits += (lost > 0) == (total > 0) ? 1 : -1;
  return float(odd.value);
}

#endif

KS_HD double fused(double x, double y, double sum) { return __builtin_fma(x, y, sum); }

// x * y + sum in each lane.
template <class A, class Vector>
KS_HD Vector fused(Vector x, A y, Vector sum) {
  constexpr int kBytes = int(sizeof(Vector));
  constexpr bool kSingle = sizeof(A) == sizeof(float);
  static_assert(kSingle || sizeof(A) == sizeof(double));
#if defined(__AVX512F__)
  if constexpr (kBytes == 64 && kSingle) {
    return (Vector)_mm512_fmadd_ps((__m512)x, _mm512_set1_ps(y), (__m512)sum);
  } else if constexpr (kBytes == 64) {
    return (Vector)_mm512_fmadd_pd((__m512d)x, _mm512_set1_pd(y), (__m512d)sum);
  }
#endif
#if defined(__FMA__)
  if constexpr (kBytes == 32 && kSingle) {
    return (Vector)_mm256_fmadd_ps((__m256)x, _mm256_set1_ps(y), (__m256)sum);
  } else if constexpr (kBytes == 32) {
    return (Vector)_mm256_fmadd_pd((__m256d)x, _mm256_set1_pd(y), (__m256d)sum);
  } else if constexpr (kBytes == 16 && kSingle) {
    return (Vector)_mm_fmadd_ps((__m128)x, _mm_set1_ps(y), (__m128)sum);
  } else if constexpr (kBytes == 16) {
    return (Vector)_mm_fmadd_pd((__m128d)x, _mm_set1_pd(y), (__m128d)sum);
  }
#endif
  Vector out;
  for (int j = 0; j < kBytes / int(sizeof(A)); ++j) out[j] = fused(A(x[j]), y, A(sum[j]));
  return out;
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_BASE_FUSED_H_
