// The synapses of a 2-D convolution, event by event: `sum` adds weights to the sums
// [out_height, out_width, filters] of a frame, `collect` computes the gradient of the weights.
// A block is a band of output rows. The kernels of layers/ and event_conv_cpu.cc call it.
#ifndef KERAS_SLAYER_SYNAPSES_CONV_ROWS_H_
#define KERAS_SLAYER_SYNAPSES_CONV_ROWS_H_

#include "synapses/synapse.h"

namespace keras_slayer {
namespace KS_ISA {

// Rows of numbers; each starts `step` numbers after the row before.
template <class A>
struct Strided {
  A* first;
  int64_t step;
};

// to[j] += value * from[j] for kVectors vectors of kLanes numbers of each of `rows` rows.
template <int kLanes, int kVectors, class A>
KS_HD void add_scaled_vectors(A value, Strided<const A> from, Strided<A> to, int64_t rows) {
  typedef A Vector __attribute__((vector_size(kLanes * sizeof(A))));
  for (; rows > 0; --rows, from.first += from.step, to.first += to.step) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      Vector sum, term;
      __builtin_memcpy(&sum, to.first + v * kLanes, sizeof(sum));
      __builtin_memcpy(&term, from.first + v * kLanes, sizeof(term));
      sum = fused(term, value, sum);
      __builtin_memcpy(to.first + v * kLanes, &sum, sizeof(sum));
    }
  }
}

// to[j] += value * from[j] for `count` numbers of each of `rows` rows.
template <class A>
KS_HD void add_scaled(A value, Strided<const A> from, Strided<A> to, int64_t rows, int64_t count) {
  constexpr int kLanes = kVectorBytes / int(sizeof(A)), kTogether = 4;
  const auto add = [&](int64_t at, auto lanes, auto vectors) {
    add_scaled_vectors<lanes.value, vectors.value, A>(value, {from.first + at, from.step},
                                                      {to.first + at, to.step}, rows);
  };
  int64_t at = 0;
  for (; at + kTogether * kLanes <= count; at += kTogether * kLanes) {
    add(at, Lanes<kLanes>(), Lanes<kTogether>());
  }
  for_each_part<A>(count, [&](int64_t j, auto lanes) { add(j, lanes, Lanes<1>()); }, at);
}

template <class T>
class ConvRows final : public SynapseRows<T> {
 public:
  using A = ArithmeticOf<T>;
  ConvRows(const Events& events, const ConvGeometry& geometry, const void* weights)
      : events_(events),
        g_(geometry),
        weights_(static_cast<const A*>(weights)),
        row_(g_.out_width * g_.filters),
        kernel_row_(g_.kernel_width * g_.filters),
        consecutive_(g_.stride_y == 1 && g_.dilation_y == 1),
        by_kernel_row_(g_.runs && g_.channels * g_.kernel_height * kernel_row_ > kCached),
        runs_(1, by_kernel_row_ ? g_.height * g_.width * g_.channels *
                                      (consecutive_ ? 1 : g_.kernel_height)
                                : 0) {}
  void set_range(int64_t first, int64_t count) override {
    top_ = first / row_;
    bottom_ = (first + count) / row_;
    count_ = count;
    // The input rows [begin_, end_) that reach the block through some tap.
    begin_ = g_.height, end_ = 0;
    for (int64_t y = 0; y < g_.height; ++y) {
      for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
        if (target_row(y, ky) < 0) continue;
        begin_ = y < begin_ ? y : begin_;
        end_ = y + 1;
      }
    }
  }
  void sum(int64_t frame, A* z) override {
    clear(z, count_);
    visit_weights(frame, [&](const Runs& p) {
      add_scaled<A>(p.value, {weights_ + p.weight, kernel_row_}, {z + p.target, -row_}, p.rows,
                    p.count);
    });
  }
  // The gradient of the weights: adds value * dz to the gradient of each weight that an event
  // meets. dz is the gradient of the sums of the block.
  void collect(int64_t frame, const A* dz, A* grad) {
    if (!by_kernel_row_) {
      return visit_weights(frame, [&](const Runs& p) {
        add_scaled<A>(p.value, {dz + p.target, -row_}, {grad + p.weight, kernel_row_}, p.rows,
                      p.count);
      });
    }
    // One row of the kernel after the other, so that its gradients stay in the first-level cache.
    Runs* const begin = runs_.row(0);
    Runs* end = begin;
    visit_weights(frame, [&](const Runs& runs) { *end++ = runs; });
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
      for (const Runs* p = begin; p != end; ++p) {
        const int64_t r = ky - p->first_row;
        if (r < 0 || r >= p->rows) continue;
        add_scaled<A>(p->value, {dz + p->target - r * row_, 0},
                      {grad + p->weight + r * kernel_row_, 0}, 1, p->count);
      }
    }
  }

 private:
  // The weights that one event meets: a run of `count` weights in each of `rows` rows of the
  // kernel. `weight` and `target` are the indices of the first weight and of the sum it adds to.
  // With each further row of the kernel, the sums are one row higher.
  struct Runs {
    A value;
    int64_t weight, target, count, first_row, rows;
  };
  // Weights that fit into the first-level cache.
  static constexpr int64_t kCached = 32768 / int64_t(sizeof(A));

  // The row of the block that input row y adds to through kernel row ky, or -1.
  int64_t target_row(int64_t y, int64_t ky) const {
    const int64_t oy = g_.row_target[y * g_.kernel_height + ky];
    return oy >= top_ && oy < bottom_ ? oy - top_ : -1;
  }

  // Calls visit(value, y, x, channel) for each event that can reach the block, in order.
  template <class Visit>
  KS_HD void visit_events(int64_t frame, Visit visit) const {
    const Selection<T> events = events_of<T>(events_, frame);
    const int64_t row = g_.width * g_.channels;
    const int64_t begin = lower_bound(events, int32_t(begin_ * row));
    const int64_t end = lower_bound(events, int32_t(end_ * row));
    for (int64_t e = begin; e < end; ++e) {
      const uint32_t at = uint32_t(events.index[e]), pixel = at / uint32_t(g_.channels);
      const int64_t channel = at % uint32_t(g_.channels);
      visit(load(events.value[e]), pixel / uint32_t(g_.width), pixel % uint32_t(g_.width), channel);
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

  // Calls visit(runs) for the weights that the events of a frame meet, event by event.
  template <class Visit>
  KS_HD void visit_weights(int64_t frame, Visit visit) const {
    g_.runs ? visit_runs(frame, visit) : visit_taps(frame, visit);
  }

  // With weights stored as [channels, kernel_height, kernel_width reversed, filters], the weights
  // of all horizontal taps are consecutive, and so are the sums that they add to.
  template <class Visit>
  KS_HD void visit_runs(int64_t frame, Visit visit) const {
    visit_events(frame, [&](A value, int64_t y, int64_t x, int64_t channel) {
      // The reversed tap 0 meets output column `left`.
      const int64_t left = x + g_.padding_left - (g_.kernel_width - 1), tap = left < 0 ? -left : 0;
      const int64_t taps = smaller(g_.out_width - left, g_.kernel_width) - tap;
      if (taps <= 0) return;
      for (int64_t ky = 0, rows = 1; ky < g_.kernel_height; ky += rows) {
        const int64_t oy = target_row(y, ky);
        rows = consecutive_ && oy >= 0 ? smaller(oy + 1, g_.kernel_height - ky) : 1;
        if (oy < 0) continue;
        visit({value, (channel * g_.kernel_height + ky) * kernel_row_ + tap * g_.filters,
               oy * row_ + (left + tap) * g_.filters, taps * g_.filters, ky, rows});
      }
    });
  }
  template <class Visit>
  void visit_taps(int64_t frame, Visit visit) const {
    const int64_t group_channels = g_.channels / g_.groups, filters = g_.filters / g_.groups;
    visit_events(frame, [&](A value, int64_t y, int64_t x, int64_t channel) {
      const int64_t group = channel / group_channels, within = channel % group_channels;
      for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
        const int64_t oy = target_row(y, ky);
        if (oy < 0) continue;
        for (int64_t kx = 0; kx < g_.kernel_width; ++kx) {
          const int64_t ox = g_.column_target[x * g_.kernel_width + kx];
          if (ox < 0) continue;
          const int64_t tap = ky * g_.kernel_width + kx;
          visit({value, (tap * group_channels + within) * g_.filters + group * filters,
                 oy * row_ + ox * g_.filters + group * filters, filters, ky, 1});
        }
      }
    });
  }

  Events events_;
  ConvGeometry g_;
  const A* weights_;
  int64_t row_, kernel_row_;  // numbers in a row of sums; in a row of one channel's kernel
  bool consecutive_;  // consecutive rows of the kernel add to consecutive rows of sums
  bool by_kernel_row_;
  Rows<Runs> runs_;  // of one frame
  int64_t top_ = 0, bottom_ = 0, count_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_CONV_ROWS_H_
