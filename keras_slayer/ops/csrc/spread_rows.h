// Synapses the other way: what a row of gradients of the sums gives to a band of
// rows of the input frame.
#ifndef KERAS_SLAYER_SPREAD_ROWS_H_
#define KERAS_SLAYER_SPREAD_ROWS_H_

#include "winograd.h"

namespace keras_slayer {
namespace KS_ISA {

// A band of input rows [top, bottom) needs the gradients of the output rows
// [first_row(), last_row()).
template <class A>
class SpreadRows {
 public:
  virtual ~SpreadRows() {}
  virtual void aim(int64_t top, int64_t bottom) = 0;
  // From the gradients of those output rows to those of the band, which has room
  // for kSlack bytes more.
  static constexpr int64_t kSlack = 64;
  virtual void spread(const A* grad, A* band) = 0;
  int64_t first_row() const { return first_; }
  int64_t last_row() const { return last_; }

 protected:
  int64_t top_ = 0, bottom_ = 0, first_ = 0, last_ = 0;
};

template <class A>
class PoolSpread final : public SpreadRows<A> {
 public:
  explicit PoolSpread(const PoolGeometry& geometry)
      : g_(geometry), wide_(1, geometry.width * geometry.channels) {}
  void aim(int64_t top, int64_t bottom) override {
    this->top_ = top;
    this->bottom_ = bottom;
    this->first_ = g_.out_height;
    this->last_ = 0;
    for (int64_t oy = 0; oy < g_.out_height; ++oy) {
      const int64_t y = oy * g_.stride_y - g_.padding_top;
      if (y >= bottom || y + g_.window_height <= top) continue;
      if (oy < this->first_) this->first_ = oy;
      this->last_ = oy + 1;
    }
  }
  void spread(const A* grad, A* band) override {
    g_.window_width <= g_.stride_x && g_.window_height <= g_.stride_y ? copy(grad, band)
                                                                      : add(grad, band);
  }

 private:
  // Where windows do not overlap, each pixel has the gradient of one of them, or none.
  KS_HD void copy(const A* grad, A* band) const {
    const int64_t row = g_.width * g_.channels, out_row = g_.out_width * g_.channels;
    int64_t before = -1;
    for (int64_t y = this->top_; y < this->bottom_; ++y, band += row) {
      const int64_t at = y + g_.padding_top, oy = at / g_.stride_y;
      if (oy >= g_.out_height || at - oy * g_.stride_y >= g_.window_height) {
        clear(band, row);
      } else if (oy == before) {
        __builtin_memcpy(band, band - row, size_t(row) * sizeof(A));
      } else {
        clear(band, row);
        with_lanes<A>(g_.channels, [&](auto lanes) {
          widen<lanes.value>(grad + (oy - this->first_) * out_row, band);
        });
        before = oy;
      }
    }
  }
  template <int kLanes>
  KS_HD void widen(const A* grad, A* row) const {
    typedef A Vector __attribute__((vector_size(kLanes * sizeof(A))));
    const int64_t channels = g_.channels;
    for (int64_t ox = 0; ox < g_.out_width; ++ox, grad += channels) {
      const int64_t left = ox * g_.stride_x - g_.padding_left, begin = left < 0 ? 0 : left;
      const int64_t end = left + g_.window_width < g_.width ? left + g_.window_width : g_.width;
      for_each_vector<kLanes>(channels, [&](int64_t c) {
        Vector value;
        __builtin_memcpy(&value, grad + c, sizeof(value));
        value = value * A(g_.tap);
        for (int64_t x = begin; x < end; ++x) {
          __builtin_memcpy(row + x * channels + c, &value, sizeof(value));
        }
      });
    }
  }

  KS_HD void add(const A* grad, A* band) const {
    const int64_t row = g_.width * g_.channels, channels = g_.channels;
    clear(band, (this->bottom_ - this->top_) * row);
    for (int64_t oy = this->first_; oy < this->last_; ++oy) {
      A* __restrict wide = wide_.row(0);
      clear(wide, row);
      for (int64_t ox = 0; ox < g_.out_width; ++ox, grad += channels) {
        for (int64_t kx = 0; kx < g_.window_width; ++kx) {
          const int64_t x = ox * g_.stride_x + kx - g_.padding_left;
          if (x < 0 || x >= g_.width) continue;
          A* __restrict to = wide + x * channels;
          const A* __restrict from = grad;
          KS_VECTOR_LOOP(c, channels) to[c] = to[c] + from[c] * A(g_.tap);
        }
      }
      for (int64_t ky = 0; ky < g_.window_height; ++ky) {
        const int64_t y = oy * g_.stride_y + ky - g_.padding_top;
        if (y < this->top_ || y >= this->bottom_) continue;
        A* __restrict to = band + (y - this->top_) * row;
        KS_VECTOR_LOOP(j, row) to[j] = to[j] + wide[j];
      }
    }
  }

  PoolGeometry g_;
  Rows<A> wide_;
};

// The transposed convolution. For each output pixel, the weights of the filters
// whose gradient is not zero are summed in registers and added to the window: it
// costs what those filters cost. Where most are not zero, some pixels at once
// share each weight that is loaded: a dense product, which takes fewer products where
// the geometry allows it (winograd.h).
template <class A>
class ConvSpread final : public SpreadRows<A> {
 public:
  ConvSpread(const ConvGeometry& geometry, const A* weights)
      : g_(geometry),
        weights_(weights),
        order_(geometry, sizeof(A)),
        winograd_(geometry, weights),
        windows_(kPixels, order_.window),
        index_(kPixels, geometry.filters + kGroup),
        value_(kPixels, geometry.filters + kGroup) {}
  void aim(int64_t top, int64_t bottom) override {
    this->top_ = top;
    this->bottom_ = bottom;
    this->first_ = g_.out_height;
    this->last_ = 0;
    for (int64_t oy = 0; oy < g_.out_height; ++oy) {
      for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
        const int64_t y = input_row(oy, ky);
        if (y < top || y >= bottom) continue;
        if (oy < this->first_) this->first_ = oy;
        this->last_ = oy + 1;
      }
    }
    winograd_.aim(top, bottom);
  }
  void spread(const A* grad, A* band) override {
    const int64_t filters = g_.filters / g_.groups, row = g_.out_width * g_.filters;
    clear(band, (this->bottom_ - this->top_) * g_.width * g_.channels);
    winograd_.start();
    for (int64_t oy = this->first_; oy < this->last_; ++oy, grad += row) {
      if (winograd_.usable() && count_events(grad, row) * kWinogradShare > row) {
        winograd_.take(oy, grad);
        continue;
      }
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
    winograd_.add_to(band);
  }

 private:
  static constexpr int64_t kPixels = 16;  // treated together
  // One in so many gradients is not zero: the dense product, or Winograd's, is as fast.
  static constexpr int64_t kDenseShare = 3, kWinogradShare = 12;

  int64_t input_row(int64_t oy, int64_t ky) const {
    return oy * g_.stride_y + ky * g_.dilation_y - g_.padding_top;
  }

  // Those that lead into the band: a run for each kernel row.
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

  // Slices outside, pixels inside: a slice of the weights stays in cache.
  KS_HD void sum_windows(int64_t pixels) {
    for_each_slice([&](const A* weights, int64_t at, int64_t count) {
      for (int64_t i = 0; i < pixels; ++i) {
        const Selection<A> chosen = {index_.row(i), value_.row(i), size_[i]};
        if (chosen.size > 0) gather(chosen, weights, order_.slice, windows_.row(i) + at, count);
      }
    });
  }

  // The same with all gradients of the pixels, zero or not.
  KS_HD void multiply(const A* grad, int64_t filters, int64_t first_filter, int64_t pixels) {
    for_each_slice([&](const A* weights, int64_t at, int64_t count) {
      const Product<A> product = {grad, g_.filters, filters, weights + first_filter * order_.slice,
                                  order_.slice};
      KS_ISA::multiply(product, pixels, count, windows_.row(0) + at, windows_.stride());
    });
  }

  // Calls visit(weights, first column, columns) for the runs that are needed.
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

  // A whole run: its padding adds zeros to what follows.
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
  SpreadOrder order_;
  WinogradSpread<A> winograd_;
  Rows<A> windows_;
  Rows<int32_t> index_;
  Rows<A> value_;
  int64_t size_[kPixels];
  int64_t first_run_ = 0, past_run_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SPREAD_ROWS_H_
