// The synapses of a 2-D convolution, event by event; a block is a band of output rows.
#ifndef KERAS_SLAYER_CONV_ROWS_H_
#define KERAS_SLAYER_CONV_ROWS_H_

#include "synapse.h"

namespace keras_slayer {
namespace KS_ISA {

// to[j] += value * from[j], in vectors of kLanes of `count` numbers.
template <int kLanes, class A>
KS_HD void add_scaled_vector(A value, const A* from, A* to) {
  typedef A Vector __attribute__((vector_size(kLanes * sizeof(A))));
  Vector sum, term;
  __builtin_memcpy(&sum, to, sizeof(sum));
  __builtin_memcpy(&term, from, sizeof(term));
  sum = fused(term, value, sum);
  __builtin_memcpy(to, &sum, sizeof(sum));
}
template <class A>
KS_HD void add_scaled(A value, const A* from, A* to, int64_t count) {
  constexpr int kLanes = kVectorBytes / int(sizeof(A)), kTogether = 4;
  int64_t at = 0;
  for (; at + kTogether * kLanes <= count; at += kTogether * kLanes) {
#pragma GCC unroll 4
    for (int v = 0; v < kTogether; ++v) {
      add_scaled_vector<kLanes>(value, from + at + v * kLanes, to + at + v * kLanes);
    }
  }
  const auto add = [&](int64_t j, auto lanes) {
    add_scaled_vector<lanes.value>(value, from + j, to + j);
  };
  for_each_part<A>(count, add, at);
}

template <class T>
class ConvRows final : public SynapseRows<T> {
 public:
  using A = ArithmeticOf<T>;
  ConvRows(const Events& events, const ConvGeometry& geometry, const void* weights)
      : events_(events),
        g_(geometry),
        weights_(static_cast<const A*>(weights)),
        runs_(1, g_.runs ? g_.height * g_.width * g_.channels : 0),
        first_run_(1, g_.height + 1),
        meetings_(1, g_.out_height * g_.kernel_height),
        first_meeting_(1, g_.out_height + 1) {}
  void aim(int64_t first, int64_t count) override {
    const int64_t row = g_.out_width * g_.filters;
    top_ = first / row;
    bottom_ = (first + count) / row;
    count_ = count;
    // The input rows that any tap leads from here.
    begin_ = g_.height, end_ = 0;
    for (int64_t y = 0; y < g_.height; ++y) {
      for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
        if (target_row(y, ky) < 0) continue;
        begin_ = y < begin_ ? y : begin_;
        end_ = y + 1;
      }
    }
    Meeting* meeting = meetings_.row(0);
    for (int64_t oy = 0; oy < bottom_ - top_; ++oy) {
      first_meeting_.row(0)[oy] = meeting;
      for (int64_t y = begin_; y < end_; ++y) {
        for (int64_t ky = 0; ky < g_.kernel_height; ++ky) {
          if (target_row(y, ky) == oy) *meeting++ = {int32_t(y), int32_t(ky)};
        }
      }
    }
    first_meeting_.row(0)[bottom_ - top_] = meeting;
  }
  void sum(int64_t frame, A* z) override {
    clear(z, count_);
    if (!g_.runs) {
      return visit_taps(frame, [&](A value, int64_t weight, int64_t target, int64_t count) {
        add_scaled(value, weights_ + weight, z + target, count);
      });
    }
    find_runs(frame);
    // Row by row of the sums, each of which stays in the first-level cache.
    for (int64_t oy = 0; oy < bottom_ - top_; ++oy, z += g_.out_width * g_.filters) {
      const Meeting* const end = first_meeting_.row(0)[oy + 1];
      for (const Meeting* meeting = first_meeting_.row(0)[oy]; meeting != end; ++meeting) {
        const A* weights = weights_ + meeting->ky * g_.kernel_width * g_.filters;
        for_each_run(meeting->y, [&](const Run& run) {
          add_scaled(run.value, weights + run.weight, z + run.target, run.count);
        });
      }
    }
  }
  // The other way: adds value * dz to the gradient of each weight that was used.
  void collect(int64_t frame, const A* dz, A* grad) {
    if (!g_.runs) {
      return visit_taps(frame, [&](A value, int64_t weight, int64_t target, int64_t count) {
        add_scaled(value, dz + target, grad + weight, count);
      });
    }
    find_runs(frame);
    // Row by row of the kernel, whose gradients stay in the first-level cache.
    for (int64_t ky = 0; ky < g_.kernel_height; ++ky, grad += g_.kernel_width * g_.filters) {
      for (int64_t y = begin_; y < end_; ++y) {
        const int64_t oy = target_row(y, ky);
        if (oy < 0) continue;
        const A* row = dz + oy * g_.out_width * g_.filters;
        for_each_run(y, [&](const Run& run) {
          add_scaled(run.value, row + run.target, grad + run.weight, run.count);
        });
      }
    }
  }

 private:
  // What an event meets in a row of the kernel. With kernels stored as [channels,
  // kernel_height, kernel_width reversed, filters], all horizontal taps and the sums that
  // they meet are two runs of consecutive numbers.
  struct Run {
    A value;
    int32_t weight, target, count;  // in the kernel's first row, in a row of sums, of both
  };
  // An input row that a kernel row leads to some output row.
  struct Meeting {
    int32_t y, ky;
  };

  // The row of the block that an input row and a kernel row lead to, or -1.
  int64_t target_row(int64_t y, int64_t ky) const {
    const int64_t oy = g_.row_target[y * g_.kernel_height + ky];
    return oy >= top_ && oy < bottom_ ? oy - top_ : -1;
  }

  // Calls visit(value, y, x, channel) for each event that may lead to the block, in order.
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

  // Runs of the events of a frame, input row by input row.
  KS_HD void find_runs(int64_t frame) {
    Run* run = runs_.row(0);
    Run** of_row = first_run_.row(0);
    int64_t row = begin_;
    of_row[row] = run;
    visit_events(frame, [&](A value, int64_t y, int64_t x, int64_t channel) {
      while (row < y) of_row[++row] = run;
      // The reversed tap 0 meets output column `left`.
      const int64_t left = x + g_.padding_left - (g_.kernel_width - 1);
      const int64_t first = left < 0 ? -left : 0, room = g_.out_width - left;
      const int64_t past = room < g_.kernel_width ? room : g_.kernel_width;
      if (first >= past) return;
      const int64_t slice = g_.kernel_height * g_.kernel_width;
      *run++ = {value, int32_t((channel * slice + first) * g_.filters),
                int32_t((left + first) * g_.filters), int32_t((past - first) * g_.filters)};
    });
    while (row < end_) of_row[++row] = run;
  }
  template <class Visit>
  KS_HD void for_each_run(int64_t y, Visit visit) const {
    const Run* const end = first_run_.row(0)[y + 1];
    for (const Run* run = first_run_.row(0)[y]; run != end; ++run) visit(*run);
  }

  // Calls add(value, weight offset, offset in the block, length) for each tap of each event.
  template <class Add>
  KS_HD void visit_taps(int64_t frame, Add add) const {
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
          add(value, (tap * group_channels + within) * g_.filters + group * filters,
              (oy * g_.out_width + ox) * g_.filters + group * filters, filters);
        }
      }
    });
  }

  Events events_;
  ConvGeometry g_;
  const A* weights_;
  Rows<Run> runs_;
  Rows<Run*> first_run_;  // of each input row, and past the last
  Rows<Meeting> meetings_;
  Rows<Meeting*> first_meeting_;  // of each row of the block, and past the last
  int64_t top_ = 0, bottom_ = 0, count_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_CONV_ROWS_H_
