// The transposed pool: each input pixel of a band gets the sum of the gradients of the windows
// that contain it, times the weight. layer_grad_cpu.cc and layers/grad_rows.h call it.
#ifndef KERAS_SLAYER_SYNAPSES_TRANSPOSED_POOL_H_
#define KERAS_SLAYER_SYNAPSES_TRANSPOSED_POOL_H_

#include "synapses/transposed.h"

namespace keras_slayer {
namespace KS_ISA {

template <class A>
class TransposedPool final : public TransposedRows<A> {
 public:
  explicit TransposedPool(const PoolGeometry& geometry)
      : g_(geometry), wide_(1, geometry.width * geometry.channels) {}
  void set_range(int64_t top, int64_t bottom) override {
    this->set_range_of(top, bottom, g_.out_height, [&](int64_t oy) {
      const int64_t y = oy * g_.stride_y - g_.padding_top;
      return y < bottom && y + g_.window_height > top;
    });
  }
  void apply(const A* grad, A* band) override {
    g_.window_width <= g_.stride_x && g_.window_height <= g_.stride_y ? copy(grad, band)
                                                                      : add(grad, band);
  }

 private:
  // For windows that do not overlap: each pixel gets the gradient of at most one window.
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
        const int64_t covered = without_gaps();
        clear(band + covered, row - covered);
        with_lanes<A>(g_.channels, [&](auto lanes) {
          widen<lanes.value>(grad + (oy - this->first_) * out_row, band);
        });
        before = oy;
      }
    }
  }
  // The length of the start of a row that windows cover without gaps.
  int64_t without_gaps() const {
    const int64_t end = g_.out_width * g_.stride_x - g_.padding_left;
    if (g_.window_width < g_.stride_x || end < 0) return 0;
    return smaller(end, g_.width) * g_.channels;
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

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_TRANSPOSED_POOL_H_
