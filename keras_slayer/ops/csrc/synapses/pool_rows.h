// The synapses of a sum pool: the sum of each window, per channel, times one weight. From frames
// [height, width, channels] to [out_height, out_width, channels]; a block is a band of output
// rows. The input is dense, because finding events would read it as often as summing does.
#ifndef KERAS_SLAYER_SYNAPSES_POOL_ROWS_H_
#define KERAS_SLAYER_SYNAPSES_POOL_ROWS_H_

#include "synapses/synapse.h"

namespace keras_slayer {
namespace KS_ISA {

template <class T, class S>
class PoolRows final : public SynapseRows<T> {
 public:
  using A = ArithmeticOf<T>;
  PoolRows(const void* frames, const PoolGeometry& geometry)
      : frames_(static_cast<const S*>(frames)),
        g_(geometry),
        // If windows do not overlap, each column adds to at most one output. With so few
        // channels that they fill no vector, adding event by event is then faster.
        one_by_one_(geometry.window_width <= geometry.stride_x && geometry.channels < 4),
        column_(1, geometry.width * geometry.channels),
        target_(1, geometry.width * geometry.channels) {
    for (int64_t x = 0; x < g_.width; ++x) {
      const int64_t at = x + g_.padding_left, ox = at / g_.stride_x;
      const bool inside = ox < g_.out_width && at - ox * g_.stride_x < g_.window_width;
      for (int64_t c = 0; c < g_.channels; ++c) {
        target_.row(0)[x * g_.channels + c] = inside ? int32_t(ox * g_.channels + c) : -1;
      }
    }
  }
  void set_range(int64_t first, int64_t count) override {
    const int64_t row = g_.out_width * g_.channels;
    top_ = first / row;
    bottom_ = (first + count) / row;
  }
  void sum(int64_t frame, A* z) override {
    const int64_t row = g_.width * g_.channels;
    const S* in = frames_ + frame * g_.height * row;
    for (int64_t oy = top_; oy < bottom_; ++oy) {
      A* __restrict column = column_.row(0);
      const int64_t top = oy * g_.stride_y - g_.padding_top, begin = top < 0 ? 0 : top;
      const int64_t end = top + g_.window_height < g_.height ? top + g_.window_height : g_.height;
      if (begin >= end) clear(column, row);
      for (int64_t y = begin; y < end; ++y) {
        const S* __restrict from = in + y * row;
        if (y == begin) {
          KS_VECTOR_LOOP(j, row) column[j] = A(load(from[j]));
        } else {
          KS_VECTOR_LOOP(j, row) column[j] = column[j] + A(load(from[j]));
        }
      }
      A* out = z + (oy - top_) * g_.out_width * g_.channels;
      if (one_by_one_) {
        add_events(column, out);
      } else {
        with_lanes<A>(g_.channels, [&](auto lanes) { add_runs<lanes.value>(column, out); });
      }
    }
  }

 private:
  // From the sums down the columns to the sums of windows, event by event or in vectors.
  KS_HD void add_events(const A* column, A* out) const {
    const int64_t size = g_.out_width * g_.channels;
    const int32_t* target = target_.row(0);
    clear(out, size);
    for_each_event(column, g_.width * g_.channels, [&](int64_t j) {
      if (target[j] >= 0) out[target[j]] = out[target[j]] + column[j];
    });
    const A tap = A(g_.tap);
    KS_VECTOR_LOOP(j, size) out[j] = out[j] * tap;
  }
  template <int kLanes>
  KS_HD void add_runs(const A* column, A* out) const {
    typedef A Vector __attribute__((vector_size(kLanes * sizeof(A))));
    const int64_t channels = g_.channels;
    for (int64_t ox = 0; ox < g_.out_width; ++ox, out += channels) {
      const int64_t left = ox * g_.stride_x - g_.padding_left, begin = left < 0 ? 0 : left;
      const int64_t end = left + g_.window_width < g_.width ? left + g_.window_width : g_.width;
      for_each_vector<kLanes>(channels, [&](int64_t c) {
        Vector sum = {};
        for (int64_t x = begin; x < end; ++x) {
          Vector term;
          __builtin_memcpy(&term, column + x * channels + c, sizeof(term));
          sum = sum + term;
        }
        sum = sum * A(g_.tap);
        __builtin_memcpy(out + c, &sum, sizeof(sum));
      });
    }
  }

  const S* frames_;
  PoolGeometry g_;
  bool one_by_one_;
  Rows<A> column_;
  Rows<int32_t> target_;
  int64_t top_ = 0, bottom_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_POOL_ROWS_H_
