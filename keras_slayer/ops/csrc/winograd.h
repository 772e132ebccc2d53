// The input gradient of a convolution with fewer products: Winograd's minimal filtering.
//
// Along a row, four sums over r taps need r + 3 inputs d and as many products instead
// of 4 r: y = A^T ((G w) * (B^T d)), where A, B and G depend on r alone (Lavin and Gray,
// "Fast algorithms for convolutional neural networks", 2016). Sums over filters and
// kernel rows are taken before A^T, as dense products of few rows.
#ifndef KERAS_SLAYER_WINOGRAD_H_
#define KERAS_SLAYER_WINOGRAD_H_

#include "product.h"

namespace keras_slayer {
namespace KS_ISA {

constexpr int kTileOutputs = 4;

// Where the polynomials are evaluated, infinity apart, and the factors of G's rows.
struct WinogradPoints {
  int count;
  double at[7], factor[7];
};
constexpr WinogradPoints kPointsOf3 = {
    5, {0, 1, -1, 2, -2}, {1. / 4, -1. / 6, -1. / 6, 1. / 24, 1. / 24}};
constexpr WinogradPoints kPointsOf5 = {
    7, {0, 1, -1, 2, -2, 0.5, -0.5},
    {1, -2. / 9, -2. / 9, 1. / 90, 1. / 90, 32. / 45, 32. / 45}};

// out = B^T d, of vectors.
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

// out = A^T m, of vectors.
template <class V>
KS_HD void transform_sums(const V (&m)[6], V (&out)[kTileOutputs]) {
  const V sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const V sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  out[0] = m[0] + sum1 + sum2;
  out[1] = difference1 + difference2 * 2;
  out[2] = sum1 + sum2 * 4;
  out[3] = difference1 + difference2 * 8 + m[5];
}
template <class V>
KS_HD void transform_sums(const V (&m)[8], V (&out)[kTileOutputs]) {
  const V sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const V sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  const V sum3 = m[5] + m[6], difference3 = m[5] - m[6];
  out[0] = m[0] + sum1 + sum2 + sum3;
  out[1] = difference1 + difference2 * 2 + difference3 * 0.5f;
  out[2] = sum1 + sum2 * 4 + sum3 * 0.25f;
  out[3] = difference1 + difference2 * 8 + difference3 * 0.125f + m[7];
}

// For each frame: start, take the rows of gradients that are worth it, add_to the band.
// A row that is not taken counts as zeros. What a row is added to, and in which order,
// does not depend on the band.
template <class A>
class WinogradSpread {
 public:
  static bool fits(const ConvGeometry& g) {
    const bool plain = g.groups == 1 && g.stride_y == 1 && g.stride_x == 1 &&
                       g.dilation_y == 1 && g.dilation_x == 1;
    if (!plain || (g.kernel_width != 3 && g.kernel_width != 5)) return false;
    // Columns of products for four pixels, here and with windows; the transforms come on top.
    const int64_t here = (g.kernel_width + kTileOutputs - 1) * padded(g.channels);
    return 5 * here <= 4 * kTileOutputs * SpreadOrder(g, sizeof(A)).run;
  }

  WinogradSpread(const ConvGeometry& geometry, const A* weights)
      : g_(geometry),
        fits_(fits(geometry)),
        weights_(weights),
        points_(geometry.kernel_width == 3 ? kPointsOf3 : kPointsOf5),
        tiles_((geometry.width + kTileOutputs - 1) / kTileOutputs),
        depth_(padded_depth(geometry.filters)),
        columns_(padded(geometry.channels)),
        rows_(fits_ ? geometry.height + geometry.kernel_height - 1 : 0),
        taken_(1, rows_),
        inputs_(points_.count + 1, rows_ * tiles_ * depth_),
        sums_(points_.count + 1, fits_ ? geometry.height * tiles_ * columns_ : 0),
        kernels_(points_.count + 1,
                 fits_ ? geometry.kernel_height * geometry.filters * columns_ : 0),
        active_(1, geometry.kernel_height) {}

  bool usable() const { return fits_; }

  void aim(int64_t top, int64_t bottom) {
    size_ = bottom - top;
    first_ = top + g_.padding_top - (g_.kernel_height - 1);
  }

  void start() {
    any_ = false;
    for (int64_t row = 0; row < rows_; ++row) taken_.row(0)[row] = 0;
  }

  // Gradients of the row oy of output pixels.
  void take(int64_t oy, const A* grad) {
    if (!prepared_) transform_kernels();
    prepared_ = any_ = true;
    const int64_t row = oy - first_;
    taken_.row(0)[row] = 1;
    g_.kernel_width == 3 ? take<6>(row, grad) : take<8>(row, grad);
  }

  void add_to(A* band) {
    if (!any_) return;
    for (int64_t row = 0; row < size_ + g_.kernel_height - 1; ++row) {
      if (!taken_.row(0)[row]) clear_row(row);
    }
    const int64_t rows = size_ * tiles_, groups = (rows + kRows - 1) / kRows;
    for (int point = 0; point <= points_.count; ++point) {
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t begin = group * rows / groups, end = (group + 1) * rows / groups;
        multiply_rows(point, begin, end - begin);
      }
    }
    g_.kernel_width == 3 ? finish<6>(band) : finish<8>(band);
  }

 private:
  static constexpr int64_t kLine = 64 / int64_t(sizeof(A));
  static constexpr int64_t kRows = product_rows(1);

  static int64_t padded(int64_t count) { return (count + kLine - 1) / kLine * kLine; }
  // Rows a power of two apart would share the sets of the first-level cache.
  static int64_t padded_depth(int64_t filters) {
    return padded(filters) + (padded(filters) % (16 * kLine) == 0 ? kLine : 0);
  }

  // G w of all kernel rows, filters and channels, from the order of SpreadOrder.
  void transform_kernels() {
    double factor[8][5];  // G, its columns in the order of the taps: the first input meets the last
    for (int point = 0; point <= points_.count; ++point) {
      double power = 1;
      for (int64_t kx = g_.kernel_width - 1; kx >= 0; --kx) {
        const bool infinity = point == points_.count;
        factor[point][kx] = infinity ? double(kx == 0) : power * points_.factor[point];
        power *= infinity ? 1 : points_.at[point];
      }
    }
    const SpreadOrder order(g_, sizeof(A));
    for (int point = 0; point <= points_.count; ++point) {
      clear(kernels_.row(point), g_.kernel_height * g_.filters * columns_);
    }
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
      const int64_t first = (g_.kernel_height - 1 - ky) * g_.filters * columns_;
      for (int64_t c = 0; c < g_.channels; ++c) {
        const A* taps[5];  // of the first filter
        for (int64_t kx = 0; kx < g_.kernel_width; ++kx) {
          const int64_t at = ky * order.run + kx * g_.channels + c;
          taps[kx] = weights_ + at / order.slice * g_.filters * order.slice + at % order.slice;
        }
        for (int64_t f = 0; f < g_.filters; ++f) {
          for (int point = 0; point <= points_.count; ++point) {
            double sum = 0;
            for (int64_t kx = 0; kx < g_.kernel_width; ++kx) {
              sum += factor[point][kx] * double(taps[kx][f * order.slice]);
            }
            kernels_.row(point)[first + f * columns_ + c] = A(sum);
          }
        }
      }
    }
  }

  template <int kPoints>
  void take(int64_t row, const A* grad) {
    for (int64_t tile = 0; tile < tiles_; ++tile) {
      const int64_t from = tile * kTileOutputs + g_.padding_left - (g_.kernel_width - 1);
      const int64_t at = (row * tiles_ + tile) * depth_;
      int64_t f = 0;
      for (; f + kLanes <= g_.filters; f += kLanes) {
        take_vector<kPoints, kVectorBytes>(grad + f, from, at + f);
      }
      for (; f < g_.filters; ++f) take_vector<kPoints, sizeof(A)>(grad + f, from, at + f);
    }
  }
  template <int kPoints, int kBytes>
  KS_HD void take_vector(const A* grad, int64_t from, int64_t at) const {
    typedef A Vector __attribute__((vector_size(kBytes)));
    Vector d[kPoints], out[kPoints];
#pragma GCC unroll 8
    for (int i = 0; i < kPoints; ++i) {
      d[i] = Vector{};
      if (from + i >= 0 && from + i < g_.out_width) {
        __builtin_memcpy(&d[i], grad + (from + i) * g_.filters, kBytes);
      }
    }
    transform_inputs(d, out);
#pragma GCC unroll 8
    for (int i = 0; i < kPoints; ++i) __builtin_memcpy(inputs_.row(i) + at, &out[i], kBytes);
  }

  void clear_row(int64_t row) {
    for (int point = 0; point <= points_.count; ++point) {
      clear(inputs_.row(point) + row * tiles_ * depth_, tiles_ * depth_);
    }
  }

  // Of `count` tiles: the sums over those kernel rows that meet a row that was taken.
  void multiply_rows(int point, int64_t first, int64_t count) {
    int64_t parts = 0;
    for (int64_t part = 0; part < g_.kernel_height; ++part) {
      bool any = false;
      for (int64_t y = first / tiles_; y <= (first + count - 1) / tiles_; ++y) {
        any = any || taken_.row(0)[y + part];
      }
      if (any) active_.row(0)[parts++] = int32_t(part);
    }
    Product<A> product = {inputs_.row(point) + first * depth_, depth_, g_.filters,
                          kernels_.row(point), columns_};
    product.parts = {active_.row(0), parts, tiles_ * depth_, g_.filters * columns_};
    KS_ISA::multiply(product, count, columns_, sums_.row(point) + first * columns_, columns_);
  }

  template <int kPoints>
  void finish(A* band) {
    for (int64_t y = 0; y < size_; ++y) {
      for (int64_t tile = 0; tile < tiles_; ++tile) {
        const int64_t x = tile * kTileOutputs, at = (y * tiles_ + tile) * columns_;
        const int64_t pixels = g_.width - x < kTileOutputs ? g_.width - x : kTileOutputs;
        A* to = band + (y * g_.width + x) * g_.channels;
        int64_t c = 0;
        for (; c + kLanes <= g_.channels; c += kLanes) {
          finish_vector<kPoints, kVectorBytes>(at + c, pixels, to + c);
        }
        for (; c < g_.channels; ++c) finish_vector<kPoints, sizeof(A)>(at + c, pixels, to + c);
      }
    }
  }
  template <int kPoints, int kBytes>
  KS_HD void finish_vector(int64_t at, int64_t pixels, A* to) const {
    typedef A Vector __attribute__((vector_size(kBytes)));
    Vector m[kPoints], out[kTileOutputs];
#pragma GCC unroll 8
    for (int i = 0; i < kPoints; ++i) __builtin_memcpy(&m[i], sums_.row(i) + at, kBytes);
    transform_sums(m, out);
#pragma GCC unroll 4
    for (int k = 0; k < kTileOutputs; ++k) {
      if (k >= pixels) break;
      Vector before;
      __builtin_memcpy(&before, to + k * g_.channels, kBytes);
      before = before + out[k];
      __builtin_memcpy(to + k * g_.channels, &before, kBytes);
    }
  }

  static constexpr int64_t kLanes = kVectorBytes / int64_t(sizeof(A));

  ConvGeometry g_;
  bool fits_;
  const A* weights_;
  WinogradPoints points_;
  int64_t tiles_, depth_, columns_;
  int64_t rows_;          // of gradients that a band may need, padding included
  Rows<uint8_t> taken_;   // of each row
  Rows<A> inputs_;        // [point][row, tile, filter]
  Rows<A> sums_;          // [point][row, tile, channel]
  Rows<A> kernels_;       // [point][kernel row from the last, filter, channel]
  Rows<int32_t> active_;  // kernel rows of one product
  int64_t size_ = 0, first_ = 0;
  bool prepared_ = false, any_ = false;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_WINOGRAD_H_
