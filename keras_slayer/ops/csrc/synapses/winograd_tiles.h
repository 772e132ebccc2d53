// The transforms A, B and G of Winograd's minimal filtering, for kernels of r = 3 and 5 taps.
//
// Four outputs y need r + 3 inputs d and r + 3 multiplications instead of 4 r:
// y = A^T ((G w) * (B^T d)), with * per element. A, B and G depend on r alone (Lavin and Gray,
// "Fast algorithms for convolutional neural networks", 2016). winograd.h uses them.
#ifndef KERAS_SLAYER_SYNAPSES_WINOGRAD_TILES_H_
#define KERAS_SLAYER_SYNAPSES_WINOGRAD_TILES_H_

#include "synapses/geometry.h"

namespace keras_slayer {
namespace KS_ISA {

constexpr int kMaxPoints = 8;

// Inputs of four outputs.
KS_HD int64_t points_of(int64_t taps) { return taps + kTileSide - 1; }

// Whether the transposed convolution takes less time so, in numbers of this size: compares the
// products of a tile, here and with windows.
KS_HD bool winograd_fits(const ConvGeometry& g, int64_t element_bytes) {
  constexpr int64_t kOverhead = 2;  // products of windows for one here, with the transforms
  const bool plain = g.groups == 1 && g.stride_y == 1 && g.stride_x == 1 &&
                     g.dilation_y == 1 && g.dilation_x == 1;
  const bool known = (g.kernel_height == 3 || g.kernel_height == 5) &&
                     (g.kernel_width == 3 || g.kernel_width == 5);
  if (!plain || !known) return false;
  const int64_t line = 64 / element_bytes;
  const int64_t here = points_of(g.kernel_height) * points_of(g.kernel_width) *
                       block_count(g.channels, line) * line;
  return kOverhead * here <= kTileSide * kTileSide * TransposedOrder(g, element_bytes).window;
}

// The points where the polynomials are evaluated, except infinity, and the factors of G's rows.
struct WinogradPoints {
  int count;
  double at[7], factor[7];
};
constexpr WinogradPoints kPointsOf3 = {
    5, {0, 1, -1, 2, -2}, {1. / 4, -1. / 6, -1. / 6, 1. / 24, 1. / 24}};
constexpr WinogradPoints kPointsOf5 = {
    7, {0, 1, -1, 2, -2, 0.5, -0.5},
    {1, -2. / 9, -2. / 9, 1. / 90, 1. / 90, 32. / 45, 32. / 45}};

// The matrix G [points, taps]. Its taps are reversed, because a transposed convolution flips the
// kernel.
struct TapFactors {
  int64_t points;
  double of[kMaxPoints][5];
  explicit TapFactors(int64_t taps) : points(taps + kTileSide - 1) {
    const WinogradPoints& finite = taps == 3 ? kPointsOf3 : kPointsOf5;
    for (int64_t point = 0; point < points; ++point) {
      double power = 1;
      for (int64_t tap = taps - 1; tap >= 0; --tap) {
        const bool infinity = point == finite.count;
        of[point][tap] = infinity ? double(tap == 0) : power * finite.factor[point];
        power *= infinity ? 1 : finite.at[point];
      }
    }
  }
};

// out = B^T d, per lane.
template <class V>
KS_HD void transform_inputs(const V (&d)[6], V (&out)[6]) {
  const V even1 = d[4] - d[2] * 4, odd1 = d[3] - d[1] * 4;
  const V even2 = d[4] - d[2], odd2 = (d[3] - d[1]) * 2;
  out[0] = d[0] * 4 - d[2] * 5 + d[4];
  out[1] = even1 + odd1;
  out[2] = even1 - odd1;
  out[3] = even2 + odd2;
  out[4] = even2 - odd2;
  out[5] = d[1] * 4 - d[3] * 5 + d[5];
}
template <class V>
KS_HD void transform_inputs(const V (&d)[8], V (&out)[8]) {
  const V even1 = d[2] + d[6] - d[4] * 4.25f, odd1 = d[1] + d[5] - d[3] * 4.25f;
  const V even2 = d[2] * 0.25f - d[4] * 1.25f + d[6], odd2 = d[1] * 0.5f - d[3] * 2.5f + d[5] * 2;
  const V even3 = d[2] * 4 - d[4] * 5 + d[6], odd3 = d[1] * 2 - d[3] * 2.5f + d[5] * 0.5f;
  out[0] = d[0] - d[6] + (d[4] - d[2]) * 5.25f;
  out[1] = even1 + odd1;
  out[2] = even1 - odd1;
  out[3] = even2 + odd2;
  out[4] = even2 - odd2;
  out[5] = even3 + odd3;
  out[6] = even3 - odd3;
  out[7] = d[7] - d[1] + (d[3] - d[5]) * 5.25f;
}

// out = A^T m, per lane.
template <class V>
KS_HD void transform_sums(const V (&m)[6], V (&out)[kTileSide]) {
  const V sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const V sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  out[0] = m[0] + sum1 + sum2;
  out[1] = difference1 + difference2 * 2;
  out[2] = sum1 + sum2 * 4;
  out[3] = difference1 + difference2 * 8 + m[5];
}
template <class V>
KS_HD void transform_sums(const V (&m)[8], V (&out)[kTileSide]) {
  const V sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const V sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  const V sum3 = m[5] + m[6], difference3 = m[5] - m[6];
  out[0] = m[0] + sum1 + sum2 + sum3;
  out[1] = difference1 + difference2 * 2 + difference3 * 0.5f;
  out[2] = sum1 + sum2 * 4 + sum3 * 0.25f;
  out[3] = difference1 + difference2 * 8 + difference3 * 0.125f + m[7];
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_WINOGRAD_TILES_H_
