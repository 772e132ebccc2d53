// The transposed convolution with fewer multiplications: Winograd's minimal filtering
// (winograd_tiles.h) across rows and down columns, in tiles of 4 x 4 input pixels. The sums over
// filters are dense products, taken before the transform A^T. transposed_conv.h calls it.
#ifndef KERAS_SLAYER_SYNAPSES_WINOGRAD_H_
#define KERAS_SLAYER_SYNAPSES_WINOGRAD_H_

#include "products/product.h"
#include "synapses/winograd_tiles.h"

namespace keras_slayer {
namespace KS_ISA {

// Call for each frame: start(); take() for rows of gradients; fill() or add_to(). Rows that are
// not taken count as zeros. A band consists of whole tiles, so the result for a pixel does not
// depend on the band.
template <class A>
class TransposedWinograd {
 public:
  static bool fits(const ConvGeometry& g) { return winograd_fits(g, sizeof(A)); }

  TransposedWinograd(const ConvGeometry& geometry, const A* weights)
      : g_(geometry),
        fits_(fits(geometry)),
        weights_(weights),
        down_(fits_ ? block_count(geometry.height, kTileSide) : 0),
        across_(fits_ ? block_count(geometry.width, kTileSide) : 0),
        depth_(apart(padded(geometry.filters))),
        columns_(padded(geometry.channels)),
        rows_(fits_ ? down_ * kTileSide + geometry.kernel_height - 1 : 0),
        taken_(1, rows_),
        active_(1, down_),
        partly_(kMaxPoints, apart(rows_ * across_ * depth_)),
        inputs_(kMaxPoints, apart(down_ * across_ * depth_)),
        products_(kMaxPoints, apart(down_ * across_ * columns_)),
        sums_(kMaxPoints, apart(down_ * kTileSide * across_ * columns_)),
        kernels_(fits_ ? points(geometry.kernel_width) : 0,
                 points(geometry.kernel_height) * geometry.filters * columns_) {
    partly_.clear(rows_ * across_ * depth_);  // the padding between rows is read too
  }

  bool usable() const { return fits_; }

  void set_range(int64_t top, int64_t bottom) {
    size_ = bottom - top;
    first_ = top + g_.padding_top - (g_.kernel_height - 1);
  }

  void start() {
    any_ = false;
    for (int64_t row = 0; row < rows_; ++row) taken_.row(0)[row] = 0;
  }

  // Takes the gradients of output row oy, [out_width, filters].
  void take(int64_t oy, const A* grad) {
    if (!prepared_) transform_kernels();
    prepared_ = any_ = true;
    const int64_t row = oy - first_;
    taken_.row(0)[row] = 1;
    g_.kernel_width == 3 ? take<6>(row, grad) : take<8>(row, grad);
  }

  void add_to(A* band) {
    if (!any_) return;
    choose_tiles();
    finish<true>(band);
  }

  // Overwrites the band, if every row of tiles has gradients. Otherwise does nothing: false.
  bool fill(A* band) {
    if (!any_) return false;
    choose_tiles();
    if (active_count_ < block_count(size_, kTileSide)) return false;
    finish<false>(band);
    return true;
  }

 private:
  static constexpr int64_t kLine = 64 / int64_t(sizeof(A));
  static constexpr int64_t kLanes = kVectorBytes / int64_t(sizeof(A));

  static int64_t points(int64_t taps) { return points_of(taps); }
  static int64_t padded(int64_t count) { return block_count(count, kLine) * kLine; }
  // Padded, because rows a power of two apart would compete for few sets of the cache.
  static int64_t apart(int64_t size) { return size + (size % (16 * kLine) == 0 ? kLine : 0); }

  // kernels_ = G w G^T for all filters and channels; the weights w are in TransposedOrder.
  void transform_kernels() {
    const int64_t height = g_.kernel_height, width = g_.kernel_width, channels = g_.channels;
    const TransposedOrder order(g_, sizeof(A));
    const TapFactors down(height), across(width);
    // Of one filter: its weights, and G applied to each row of them.
    Rows<double> taps(height * width, columns_), partly(height, columns_);
    taps.clear(columns_);
    for (int64_t f = 0; f < g_.filters; ++f) {
      for (int64_t tap = 0; tap < height * width; ++tap) {
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t at = tap / width * order.run + tap % width * channels + c;
          const int64_t row = at / order.slice * g_.filters + f;
          taps.row(tap)[c] = double(weights_[row * order.slice + at % order.slice]);
        }
      }
      for (int64_t px = 0; px < across.points; ++px) {
        for (int64_t ky = 0; ky < height; ++ky) {
          weighted_sum(taps.row(ky * width), taps.stride(), across.of[px], width,
                       partly.row(ky));
        }
        for (int64_t py = 0; py < down.points; ++py) {
          A* to = kernels_.row(px) + (py * g_.filters + f) * columns_;
          weighted_sum(partly.row(0), partly.stride(), down.of[py], height, to);
        }
      }
    }
  }
  template <class To>
  KS_HD void weighted_sum(const double* terms, int64_t stride, const double* factors, int64_t taps,
                          To* sum) const {
    taps == 3 ? weighted_sum<3>(terms, stride, factors, sum)
              : weighted_sum<5>(terms, stride, factors, sum);
  }
  template <int kTaps, class To>
  KS_HD void weighted_sum(const double* __restrict terms, int64_t stride, const double* factors,
                          To* __restrict sum) const {
    KS_VECTOR_LOOP(c, columns_) {
      double value = 0;
#pragma GCC unroll 5
      for (int k = 0; k < kTaps; ++k) value += factors[k] * terms[k * stride + c];
      sum[c] = To(value);
    }
  }

  // Applies B^T along a row of gradients.
  template <int kPoints>
  void take(int64_t row, const A* grad) {
    const int64_t filters = g_.filters, width = g_.out_width, stride = partly_.stride();
    A* to = partly_.row(0) + row * across_ * depth_;
    for (int64_t tile = 0; tile < across_; ++tile, to += depth_) {
      const int64_t from = tile * kTileSide + g_.padding_left - (g_.kernel_width - 1);
      for_each_part<A>(filters, [&](int64_t f, auto lanes) {
        take_vector<kPoints, lanes.value * sizeof(A)>(grad + f, from, width, filters, to + f,
                                                      stride);
      });
    }
  }
  template <int kPoints, int kBytes>
  KS_HD static void take_vector(const A* grad, int64_t from, int64_t width, int64_t filters, A* to,
                                int64_t stride) {
    typedef A Vector __attribute__((vector_size(kBytes)));
    Vector d[kPoints], out[kPoints];
#pragma GCC unroll 8
    for (int i = 0; i < kPoints; ++i) {
      d[i] = Vector{};
      if (from + i >= 0 && from + i < width) {
        __builtin_memcpy(&d[i], grad + (from + i) * filters, kBytes);
      }
    }
    transform_inputs(d, out);
    store_rows(out, to, stride);
  }

  // Lists the rows of tiles that a taken row of gradients reaches.
  void choose_tiles() {
    const int64_t points_down = points(g_.kernel_height), row = across_ * depth_;
    active_count_ = 0;
    for (int64_t y = 0; y < block_count(size_, kTileSide); ++y) {
      const uint8_t* taken = taken_.row(0) + y * kTileSide;
      bool any = false;
      for (int64_t i = 0; i < points_down; ++i) any = any || taken[i];
      if (any) active_.row(0)[active_count_++] = int32_t(y);
    }
    for (int64_t y = 0; y < rows_; ++y) {
      if (taken_.row(0)[y]) continue;
      for (int64_t point = 0; point < points(g_.kernel_width); ++point) {
        clear(partly_.row(point) + y * row, row);
      }
    }
  }

  // For one point across: B^T down the columns, the products, A^T down the columns.
  template <int kPoints>
  void sum_point(int64_t point) {
    typedef A Vector __attribute__((vector_size(kVectorBytes)));
    const int64_t in_row = across_ * depth_, out_row = across_ * columns_;
    Vector from[kPoints], to[kPoints];
    for (int64_t i = 0; i < active_count_; ++i) {
      const A* in = partly_.row(point) + active_.row(0)[i] * kTileSide * in_row;
      A* out = inputs_.row(0) + i * in_row;
      const int64_t stride = inputs_.stride();
      for (int64_t j = 0; j < in_row; j += kLanes) {
        load_rows(in + j, in_row, from);
        transform_inputs(from, to);
        store_rows(to, out + j, stride);
      }
    }
    for (int k = 0; k < kPoints; ++k) {
      const Product<A> product = {inputs_.row(k), depth_, g_.filters,
                                  kernels_.row(point) + k * g_.filters * columns_, columns_};
      KS_ISA::multiply(product, active_count_ * across_, columns_, products_.row(k), columns_);
    }
    Vector sum[kTileSide];
    for (int64_t i = 0; i < active_count_; ++i) {
      const A* in = products_.row(0) + i * out_row;
      A* out = sums_.row(point) + i * kTileSide * out_row;
      const int64_t stride = products_.stride();
      for (int64_t j = 0; j < out_row; j += kLanes) {
        load_rows(in + j, stride, from);
        transform_sums(from, sum);
        store_rows(sum, out + j, out_row);
      }
    }
  }

  template <bool kAdd>
  void finish(A* band) {  // kAdd: adds to the band; otherwise overwrites it
    for (int64_t point = 0; point < points(g_.kernel_width); ++point) {
      g_.kernel_height == 3 ? sum_point<6>(point) : sum_point<8>(point);
    }
    g_.kernel_width == 3 ? finish_rows<6, kAdd>(band) : finish_rows<8, kAdd>(band);
  }

  // Applies A^T along the rows and writes the band.
  template <int kPoints, bool kAdd>
  void finish_rows(A* band) {
    const int64_t channels = g_.channels, stride = sums_.stride();
    for (int64_t i = 0; i < active_count_ * kTileSide; ++i) {
      const int64_t y = active_.row(0)[i / kTileSide] * kTileSide + i % kTileSide;
      if (y >= size_) continue;
      for (int64_t tile = 0; tile < across_; ++tile) {
        const int64_t x = tile * kTileSide;
        const int64_t pixels = g_.width - x < kTileSide ? g_.width - x : kTileSide;
        const A* from = sums_.row(0) + (i * across_ + tile) * columns_;
        A* to = band + (y * g_.width + x) * channels;
        for_each_part<A>(channels, [&](int64_t c, auto lanes) {
          finish_vector<kPoints, lanes.value * sizeof(A), kAdd>(from + c, stride, pixels, to + c,
                                                                channels);
        });
      }
    }
  }
  template <int kPoints, int kBytes, bool kAdd>
  KS_HD static void finish_vector(const A* from, int64_t stride, int64_t pixels, A* to,
                                  int64_t channels) {
    typedef A Vector __attribute__((vector_size(kBytes)));
    Vector m[kPoints], out[kTileSide];
    load_rows(from, stride, m);
    transform_sums(m, out);
#pragma GCC unroll 4
    for (int k = 0; k < kTileSide; ++k) {
      if (k >= pixels) break;
      Vector before = {};  // added even when zero: turns -0 into 0, as with kAdd
      if constexpr (kAdd) __builtin_memcpy(&before, to + k * channels, kBytes);
      before = before + out[k];
      __builtin_memcpy(to + k * channels, &before, kBytes);
    }
  }

  // Loads, or stores, a vector of each row. The stride is an argument, because the compiler would
  // reload a member after each store.
  template <class Vector, int kRows>
  KS_HD static void load_rows(const A* from, int64_t stride, Vector (&rows)[kRows]) {
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) __builtin_memcpy(&rows[k], from + k * stride, sizeof(Vector));
  }
  template <class Vector, int kRows>
  KS_HD static void store_rows(const Vector (&rows)[kRows], A* to, int64_t stride) {
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) __builtin_memcpy(to + k * stride, &rows[k], sizeof(Vector));
  }

  ConvGeometry g_;
  bool fits_;
  const A* weights_;
  int64_t down_, across_;  // numbers of tiles of a frame
  int64_t depth_, columns_;
  int64_t rows_;           // rows of gradients that a band may need, padding included
  Rows<uint8_t> taken_;    // [row]: whether take() got it
  Rows<int32_t> active_;   // indices of the rows of tiles that have gradients
  Rows<A> partly_;         // [point across][row, tile, filter]
  Rows<A> inputs_;         // [point down][active row of tiles, tile, filter]
  Rows<A> products_;       // [point down][active row of tiles, tile, channel]
  Rows<A> sums_;           // [point across][active row of tiles, row, tile, channel]
  Rows<A> kernels_;        // [point across][point down, filter, channel]
  int64_t size_ = 0, first_ = 0, active_count_ = 0;
  bool prepared_ = false, any_ = false;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_WINOGRAD_H_
