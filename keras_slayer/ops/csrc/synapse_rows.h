// What the input of one time step sends to a block of neurons, a row of sums at
// a time: each event adds the weights that it selects.
#ifndef KERAS_SLAYER_SYNAPSE_ROWS_H_
#define KERAS_SLAYER_SYNAPSE_ROWS_H_

#include "gather.h"

namespace keras_slayer {
namespace KS_ISA {

template <class T>
class SynapseRows {
 public:
  using A = ArithmeticOf<T>;
  virtual ~SynapseRows() {}
  // Chooses the block: neurons [first, first + count).
  virtual void aim(int64_t first, int64_t count) = 0;
  // z[0 .. count) = what the frame (sample and step) sends to the block.
  virtual void sum(int64_t frame, A* z) = 0;
};

template <class T>
KS_HD Selection<T> events_of(const Events& events, int64_t row) {
  const int64_t first = events.offsets[row];
  return {events.index + first, static_cast<const T*>(events.value) + first,
          events.offsets[row + 1] - first};
}

template <class T>
class MatmulRows final : public SynapseRows<T> {
 public:
  using A = ArithmeticOf<T>;
  explicit MatmulRows(const SynapseArgs& args)
      : events_(args.events),
        weights_(static_cast<const T*>(args.weights)),
        width_(args.outputs) {}
  void aim(int64_t first, int64_t count) override {
    first_ = first;
    count_ = count;
  }
  void sum(int64_t frame, A* z) override {
    const Selection<T> events = events_of<T>(events_, frame);
    for (int64_t column = 0; column < count_; column += kGatherColumns<A>) {
      const int64_t rest = count_ - column;
      gather(events, weights_ + first_ + column, width_, z + column,
             rest < kGatherColumns<A> ? rest : kGatherColumns<A>);
    }
  }

 private:
  Events events_;
  const T* weights_;
  int64_t width_, first_ = 0, count_ = 0;
};

// 2-D convolution. A block is a band of output rows.
template <class T>
class ConvRows final : public SynapseRows<T> {
 public:
  using A = ArithmeticOf<T>;
  ConvRows(const Events& events, const ConvGeometry& geometry, const void* weights)
      : events_(events), g_(geometry), weights_(static_cast<const A*>(weights)) {}
  void aim(int64_t first, int64_t count) override {
    const int64_t row = g_.out_width * g_.filters;
    top_ = first / row;
    bottom_ = (first + count) / row;
    count_ = count;
    // The input rows that any tap leads from here.
    int64_t begin = g_.height, end = 0;
    for (int64_t y = 0; y < g_.height; ++y) {
      for (int64_t k = 0; k < g_.kernel_height; ++k) {
        const int64_t target = g_.row_target[y * g_.kernel_height + k];
        if (target < top_ || target >= bottom_) continue;
        begin = y < begin ? y : begin;
        end = y + 1;
      }
    }
    first_index_ = int32_t(begin * g_.width * g_.channels);
    last_index_ = int32_t(end * g_.width * g_.channels);
  }
  void sum(int64_t frame, A* z) override {
    clear(z, count_);
    visit(frame, [&](A value, int64_t weight, int64_t target, int count) {
      const A* __restrict w = weights_ + weight;
      A* __restrict o = z + target;
      KS_VECTOR_LOOP(j, count) o[j] = o[j] + value * w[j];
    });
  }
  // The other way: adds value * dz to the gradient of each weight that was used.
  void collect(int64_t frame, const A* dz, A* grad) {
    visit(frame, [&](A value, int64_t weight, int64_t target, int count) {
      const A* __restrict d = dz + target;
      A* __restrict w = grad + weight;
      KS_VECTOR_LOOP(j, count) w[j] = w[j] + value * d[j];
    });
  }

 private:
  // Calls add(value, weight offset, offset in the block, length) for each run of
  // consecutive weights and sums under each event of a frame.
  template <class Add>
  KS_HD void visit(int64_t frame, Add add) const {
    const Selection<T> events = events_of<T>(events_, frame);
    const int64_t begin = lower_bound(events, first_index_);
    const int64_t end = lower_bound(events, last_index_);
    for (int64_t e = begin; e < end; ++e) {
      const uint32_t at = uint32_t(events.index[e]), pixel = at / uint32_t(g_.channels);
      const int64_t channel = at % uint32_t(g_.channels);
      const int64_t y = pixel / uint32_t(g_.width), x = pixel % uint32_t(g_.width);
      const A value = load(events.value[e]);
      g_.runs ? add_runs(value, y, x, channel, add) : add_taps(value, y, x, channel, add);
    }
  }

  static int64_t lower_bound(const Selection<T>& events, int32_t index) {
    int64_t low = 0, high = events.size;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (events.index[middle] < index) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  // All horizontal taps of a kernel row at once: with kernels stored as
  // [channels, kernel_height, kernel_width reversed, filters], they and the
  // sums that they meet are two runs of consecutive numbers.
  template <class Add>
  KS_HD void add_runs(A value, int64_t y, int64_t x, int64_t channel, Add add) const {
    // The reversed tap 0 meets output column `left`.
    const int64_t left = x + g_.padding_left - (g_.kernel_width - 1);
    const int64_t first = left < 0 ? -left : 0;
    const int64_t room = g_.out_width - left;
    const int64_t past = room < g_.kernel_width ? room : g_.kernel_width;
    if (first >= past) return;
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
      const int64_t oy = g_.row_target[y * g_.kernel_height + ky];
      if (oy < top_ || oy >= bottom_) continue;
      add(value, ((channel * g_.kernel_height + ky) * g_.kernel_width + first) * g_.filters,
          ((oy - top_) * g_.out_width + left + first) * g_.filters,
          int((past - first) * g_.filters));
    }
  }

  template <class Add>
  KS_HD void add_taps(A value, int64_t y, int64_t x, int64_t channel, Add add) const {
    const int64_t group_channels = g_.channels / g_.groups, filters = g_.filters / g_.groups;
    const int64_t group = channel / group_channels, within = channel % group_channels;
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
      const int64_t oy = g_.row_target[y * g_.kernel_height + ky];
      if (oy < top_ || oy >= bottom_) continue;
      for (int64_t kx = 0; kx < g_.kernel_width; ++kx) {
        const int64_t ox = g_.column_target[x * g_.kernel_width + kx];
        if (ox < 0) continue;
        add(value,
            ((ky * g_.kernel_width + kx) * group_channels + within) * g_.filters + group * filters,
            ((oy - top_) * g_.out_width + ox) * g_.filters + group * filters, int(filters));
      }
    }
  }

  Events events_;
  ConvGeometry g_;
  const A* weights_;
  int64_t top_ = 0, bottom_ = 0, count_ = 0;
  int32_t first_index_ = 0, last_index_ = 0;
};

// Sums of windows, channel by channel, times one weight. A block is a band of
// output rows. The input is read as it is: it is read once whatever it holds.
template <class T, class S>
class PoolRows final : public SynapseRows<T> {
 public:
  using A = ArithmeticOf<T>;
  PoolRows(const void* frames, const PoolGeometry& geometry)
      : frames_(static_cast<const S*>(frames)),
        g_(geometry),
        // Where windows do not overlap, each column adds to one output or to none: for few
        // channels, which fill no vector, event by event is faster.
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
  void aim(int64_t first, int64_t count) override {
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
        prefetch_row(from + g_.height * row, row);  // of the next frame
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
  // From sums over columns to those over windows.
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

template <class T>
SynapseRows<T>* new_synapse_rows(const SynapseArgs& args) {
  switch (args.kind) {
    case SynapseKind::kMatmul:
      return new MatmulRows<T>(args);
    case SynapseKind::kConv:
      return new ConvRows<T>(args.events, args.conv, args.weights);
    default:
      return args.frames_type == Dtype::kByte
                 ? static_cast<SynapseRows<T>*>(new PoolRows<T, uint8_t>(args.frames, args.pool))
                 : new PoolRows<T, T>(args.frames, args.pool);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSE_ROWS_H_
