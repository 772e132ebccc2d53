// The transposed convolution: from gradients of outputs [rows, out_width, filters] to gradients
// of a band of input rows [rows, width, channels]. The kernels of layer_grad_cpu.cc call it.
#ifndef KERAS_SLAYER_SYNAPSES_TRANSPOSED_CONV_H_
#define KERAS_SLAYER_SYNAPSES_TRANSPOSED_CONV_H_

#include "synapses/transposed.h"
#include "synapses/winograd.h"

namespace keras_slayer {
namespace KS_ISA {

// For each output pixel, sums the weights of all filters whose gradient is not zero, times that
// gradient, in registers, then adds this window to the input pixels under it. Where many gradients
// are not zero, a dense product of several pixels is faster, because each weight is loaded once
// for all of them. With the right geometry, winograd.h needs even fewer multiplications.
template <class A>
class TransposedConv final : public TransposedRows<A> {
 public:
  TransposedConv(const ConvGeometry& geometry, const A* weights)
      : g_(geometry),
        weights_(weights),
        order_(geometry, sizeof(A)),
        winograd_(geometry, weights),
        left_(1, geometry.out_height),
        windows_(kPixels, order_.window),
        index_(kPixels, geometry.filters + kGroup),
        value_(kPixels, geometry.filters + kGroup) {}
  void set_range(int64_t top, int64_t bottom) override {
    this->set_range_of(top, bottom, g_.out_height, [&](int64_t oy) {
      for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
        const int64_t y = input_row(oy, ky);
        if (y >= top && y < bottom) return true;
      }
      return false;
    });
    winograd_.set_range(top, bottom);
  }
  void apply(const A* grad, A* band) override {
    const int64_t row = g_.out_width * g_.filters;
    int64_t left = 0;
    winograd_.start();
    for (int64_t oy = this->first_; oy < this->last_; ++oy) {
      const A* from = grad + (oy - this->first_) * row;
      if (winograd_.usable() && more_events(from, row, row / kWinogradShare)) {
        winograd_.take(oy, from);
      } else if (more_events(from, row, 0)) {
        left_.row(0)[left++] = int32_t(oy);
      }
    }
    if (left == 0 && winograd_.fill(band)) return;
    clear(band, (this->bottom_ - this->top_) * g_.width * g_.channels);
    for (int64_t i = 0; i < left; ++i) {
      const int64_t oy = left_.row(0)[i];
      transpose_row(oy, grad + (oy - this->first_) * row, band);
    }
    winograd_.add_to(band);
  }

 private:
  static constexpr int64_t kPixels = kTransposedPixels;  // output pixels of a tile
  // Break-even point: the dense product is as fast as events where one gradient in so many is not
  // zero.
  static constexpr int64_t kDenseShare = 3;

  // Adds the gradients of output row oy to the band, window by window.
  void transpose_row(int64_t oy, const A* grad, A* band) {
    const int64_t filters = g_.filters / g_.groups;
    choose_runs(oy);
    for (int64_t group = 0; group < g_.groups; ++group) {
      for (int64_t ox = 0; ox < g_.out_width; ox += kPixels) {
        const int64_t pixels = g_.out_width - ox < kPixels ? g_.out_width - ox : kPixels;
        const A* from = grad + ox * g_.filters + group * filters;
        int64_t events = 0;
        for (int64_t i = 0; i < pixels; ++i) {
          size_[i] = count_events(from + i * g_.filters, filters);
          events += size_[i];
        }
        if (events * kDenseShare > pixels * filters) {
          multiply(from, filters, group * filters, pixels);
        } else {
          for (int64_t i = 0; i < pixels; ++i) {
            pack_events(from + i * g_.filters, filters, group * filters, index_.row(i),
                        value_.row(i));
          }
          sum_windows(pixels);
        }
        for (int64_t first = 0; first < g_.kernel_width; ++first) {
          for (int64_t i = first; i < pixels; i += g_.kernel_width) {
            if (size_[i] > 0) add_window(windows_.row(i), oy, ox + i, group, band);
          }
        }
      }
    }
  }

  int64_t input_row(int64_t oy, int64_t ky) const {
    return oy * g_.stride_y + ky * g_.dilation_y - g_.padding_top;
  }

  // Selects the kernel rows [first_run_, past_run_) through which output row oy reaches the band.
  void choose_runs(int64_t oy) {
    first_run_ = g_.kernel_height;
    past_run_ = 0;
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
      const int64_t y = input_row(oy, ky);
      if (y < this->top_ || y >= this->bottom_) continue;
      if (ky < first_run_) first_run_ = ky;
      past_run_ = ky + 1;
    }
  }

  // The outer loop is over slices, so that a slice of the weights stays in the cache.
  KS_HD void sum_windows(int64_t pixels) {
    for_each_slice([&](const A* weights, int64_t at, int64_t count) {
      for (int64_t i = 0; i < pixels; ++i) {
        const Selection<A> chosen = {index_.row(i), value_.row(i), size_[i]};
        if (chosen.size > 0) gather(chosen, weights, order_.slice, windows_.row(i) + at, count);
      }
    });
  }

  // The same sums as a dense product, zeros included.
  KS_HD void multiply(const A* grad, int64_t filters, int64_t first_filter, int64_t pixels) {
    for_each_slice([&](const A* weights, int64_t at, int64_t count) {
      const Product<A> product = {grad, g_.filters, filters, weights + first_filter * order_.slice,
                                  order_.slice};
      KS_ISA::multiply(product, pixels, count, windows_.row(0) + at, windows_.stride());
    });
  }

  // Calls visit(weights, first column, columns) for each slice of the selected kernel rows.
  template <class Visit>
  KS_HD void for_each_slice(Visit visit) const {
    for (int64_t at = first_run_ * order_.run; at < past_run_ * order_.run;) {
      const int64_t slice = at / order_.slice, within = at % order_.slice;
      const int64_t room = order_.slice - within, left = past_run_ * order_.run - at;
      const int64_t count = left < room ? left : room;
      visit(weights_ + slice * g_.filters * order_.slice + within, at, count);
      at += count;
    }
  }

  KS_HD void add_window(const A* window, int64_t oy, int64_t ox, int64_t group, A* band) const {
    const int64_t channels = g_.channels / g_.groups;
    const int64_t left = ox * g_.stride_x - g_.padding_left;
    const bool whole = g_.groups == 1 && g_.dilation_x == 1;
    const int64_t first = left < 0 ? -left : 0;
    const int64_t room = g_.width - left;
    const int64_t past = room < g_.kernel_width ? room : g_.kernel_width;
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
      const int64_t y = input_row(oy, ky);
      if (y < this->top_ || y >= this->bottom_) continue;
      A* to = band + (y - this->top_) * g_.width * g_.channels;
      const A* from = window + ky * order_.run;
      if (whole && past - first == g_.kernel_width) {
        add_vectors(from, to + left * channels);
      } else if (whole && first < past) {
        add(from + first * channels, to + (left + first) * channels, (past - first) * channels);
      }
      if (whole) continue;
      for (int64_t kx = 0; kx < g_.kernel_width; ++kx) {
        const int64_t x = left + kx * g_.dilation_x;
        if (x < 0 || x >= g_.width) continue;
        add(from + kx * channels, to + x * g_.channels + group * channels, channels);
      }
    }
  }

  KS_HD static void add(const A* __restrict from, A* __restrict to, int64_t count) {
    KS_VECTOR_LOOP(j, count) to[j] = to[j] + from[j];
  }

  // Adds a whole run in vectors. Its padding adds zeros to the numbers that follow.
  KS_HD void add_vectors(const A* from, A* to) const {
    typedef A Vector __attribute__((vector_size(kVectorBytes)));
    for (int64_t j = 0; j < order_.run; j += int64_t(kVectorBytes / sizeof(A))) {
      Vector sum, term;
      __builtin_memcpy(&sum, to + j, sizeof(sum));
      __builtin_memcpy(&term, from + j, sizeof(term));
      sum = sum + term;
      __builtin_memcpy(to + j, &sum, sizeof(sum));
    }
  }

  ConvGeometry g_;
  const A* weights_;
  TransposedOrder order_;
  TransposedWinograd<A> winograd_;
  Rows<int32_t> left_;  // output rows that winograd_ does not take
  Rows<A> windows_;
  Rows<int32_t> index_;
  Rows<A> value_;
  int64_t size_[kPixels];
  int64_t first_run_ = 0, past_run_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_TRANSPOSED_CONV_H_
