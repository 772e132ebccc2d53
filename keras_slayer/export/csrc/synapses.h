// Event-driven synapses of the simulator: each input spike adds integer weights to the sums of a
// population. Images are (height, width, channels), flattened in C order.
#ifndef KERAS_SLAYER_EXPORT_SYNAPSES_H_
#define KERAS_SLAYER_EXPORT_SYNAPSES_H_

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace keras_slayer {

// The synaptic sums of this step and of later ones, a ring buffer: step t has row (t % rows).
class PendingSums {
 public:
  PendingSums(int64_t rows, int64_t outputs)
      : rows_(rows), outputs_(outputs), sums_(rows * outputs) {}
  int32_t* at(int64_t step) { return sums_.data() + (step % rows_) * outputs_; }
  void clear(int64_t step) { std::fill_n(at(step), outputs_, 0); }

 private:
  int64_t rows_, outputs_;
  std::vector<int32_t> sums_;
};

class Synapses {
 public:
  Synapses(int64_t inputs, int64_t outputs) : inputs(inputs), outputs(outputs) {}
  virtual ~Synapses() = default;
  // Adds the weights of a spike of `input` to the sums of `step`, or later with delays. Returns
  // the number of nonzero weights.
  virtual int64_t deliver(int64_t input, int64_t step, PendingSums& sums) const = 0;
  // The largest sum of weights of one sign that a neuron can get in one step.
  virtual int64_t largest_sum() const = 0;
  virtual int64_t delay_rows() const { return 1; }

  const int64_t inputs, outputs;
};

inline int64_t larger_sum(int64_t positive, int64_t negative) {
  return std::max(positive, negative);
}

// weight is (inputs, outputs); delay has the same shape, or is empty.
class DenseSynapses : public Synapses {
 public:
  DenseSynapses(int64_t inputs, int64_t outputs, std::vector<int16_t> weight,
                std::vector<uint8_t> delay)
      : Synapses(inputs, outputs),
        weight_(std::move(weight)),
        delay_(std::move(delay)),
        fan_out_(inputs) {
    if (static_cast<int64_t>(weight_.size()) != inputs * outputs ||
        (!delay_.empty() && delay_.size() != weight_.size())) {
      throw std::invalid_argument("dense: weight and delay must be (inputs, outputs)");
    }
    for (int64_t i = 0; i < inputs; ++i) {
      const int16_t* row = &weight_[i * outputs];
      fan_out_[i] = outputs - std::count(row, row + outputs, int16_t(0));
    }
    if (!delay_.empty()) rows_ = 1 + *std::max_element(delay_.begin(), delay_.end());
  }

  int64_t deliver(int64_t input, int64_t step, PendingSums& sums) const override {
    const int16_t* __restrict row = &weight_[input * outputs];
    if (delay_.empty()) {
      int32_t* __restrict z = sums.at(step);
      for (int64_t j = 0; j < outputs; ++j) z[j] += row[j];
    } else {
      const uint8_t* delay = &delay_[input * outputs];
      for (int64_t j = 0; j < outputs; ++j) sums.at(step + delay[j])[j] += row[j];
    }
    return fan_out_[input];
  }

  int64_t largest_sum() const override {
    std::vector<int64_t> positive(outputs), negative(outputs);
    for (int64_t i = 0; i < inputs; ++i) {
      for (int64_t j = 0; j < outputs; ++j) {
        const int64_t w = weight_[i * outputs + j];
        (w > 0 ? positive : negative)[j] += w > 0 ? w : -w;
      }
    }
    int64_t largest = 0;
    for (int64_t j = 0; j < outputs; ++j) {
      largest = std::max(largest, larger_sum(positive[j], negative[j]));
    }
    return largest;
  }

  int64_t delay_rows() const override { return rows_; }

 private:
  std::vector<int16_t> weight_;
  std::vector<uint8_t> delay_;
  std::vector<int64_t> fan_out_;
  int64_t rows_ = 1;
};

struct ConvGeometry {
  int64_t height, width, channels;  // of the input
  int64_t kernel_height, kernel_width, filters, groups;
  int64_t stride[2], padding[2], dilation[2];

  int64_t out_height() const { return out_size(height, kernel_height, 0); }
  int64_t out_width() const { return out_size(width, kernel_width, 1); }

 private:
  int64_t out_size(int64_t size, int64_t kernel, int axis) const {
    const int64_t room = size + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride[axis] + 1;
  }
};

// Returns `g`; throws where it is no geometry.
inline const ConvGeometry& checked(const ConvGeometry& g) {
  for (const int64_t n : {g.height, g.width, g.channels, g.groups, g.stride[0], g.stride[1],
                          g.dilation[0], g.dilation[1], g.padding[0] + 1, g.padding[1] + 1}) {
    if (n < 1) {
      throw std::invalid_argument("conv: shape, groups, strides, dilation must be > 0");
    }
  }
  return g;
}

// Cross-correlation; weight is (kernel_height, kernel_width, channels / groups, filters). All
// synapses have the same delay.
class ConvSynapses : public Synapses {
 public:
  ConvSynapses(const ConvGeometry& g, std::vector<int16_t> weight, int64_t delay = 0)
      : Synapses(g.height * g.width * g.channels,
                 checked(g).out_height() * g.out_width() * g.filters),
        geometry_(g),
        group_inputs_(g.channels / g.groups),
        group_outputs_(g.filters / g.groups),
        delay_(delay),
        weight_(std::move(weight)) {
    if (delay < 0) throw std::invalid_argument("conv: delay must be >= 0");
    if (group_inputs_ * g.groups != g.channels || group_outputs_ * g.groups != g.filters) {
      throw std::invalid_argument("conv: groups must divide channels and filters");
    }
    const int64_t taps = g.kernel_height * g.kernel_width;
    if (outputs == 0 ||
        static_cast<int64_t>(weight_.size()) != taps * group_inputs_ * g.filters) {
      throw std::invalid_argument(
          "conv: weight must be (kernel_height, kernel_width, channels / groups, filters) and "
          "the output not empty");
    }
    rows_ = meetings(g.height, g.kernel_height, g.out_height(), 0);
    columns_ = meetings(g.width, g.kernel_width, g.out_width(), 1);
    nonzero_.resize(taps * g.channels);
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < g.channels; ++c) {
        const int16_t* w = weights_of(tap, c);
        nonzero_[tap * g.channels + c] =
            group_outputs_ - std::count(w, w + group_outputs_, int16_t(0));
      }
    }
  }

  int64_t deliver(int64_t input, int64_t step, PendingSums& sums) const override {
    const ConvGeometry& g = geometry_;
    const int64_t c = input % g.channels;
    const int64_t pixel = input / g.channels;
    int32_t* target = sums.at(step + delay_) + c / group_inputs_ * group_outputs_;
    int64_t met = 0;
    for (const Meeting& row : rows_[pixel / g.width]) {
      for (const Meeting& column : columns_[pixel % g.width]) {
        const int64_t tap = row.tap * g.kernel_width + column.tap;
        const int64_t count = nonzero_[tap * g.channels + c];
        if (count == 0) continue;
        const int16_t* __restrict w = weights_of(tap, c);
        int32_t* __restrict z = target + (row.out * g.out_width() + column.out) * g.filters;
        for (int64_t j = 0; j < group_outputs_; ++j) z[j] += w[j];
        met += count;
      }
    }
    return met;
  }

  int64_t delay_rows() const override { return 1 + delay_; }

  // An upper bound, because neurons at the border have fewer taps.
  int64_t largest_sum() const override {
    std::vector<int64_t> positive(geometry_.filters), negative(geometry_.filters);
    for (size_t i = 0; i < weight_.size(); ++i) {
      const int64_t w = weight_[i];
      (w > 0 ? positive : negative)[i % geometry_.filters] += w > 0 ? w : -w;
    }
    int64_t largest = 0;
    for (int64_t f = 0; f < geometry_.filters; ++f) {
      largest = std::max(largest, larger_sum(positive[f], negative[f]));
    }
    return largest;
  }

 private:
  struct Meeting {
    int64_t tap, out;  // an input position adds to output position `out` through kernel tap `tap`
  };

  std::vector<std::vector<Meeting>> meetings(int64_t size, int64_t kernel, int64_t out_size,
                                             int axis) const {
    std::vector<std::vector<Meeting>> result(size);
    for (int64_t out = 0; out < out_size; ++out) {
      for (int64_t tap = 0; tap < kernel; ++tap) {
        const int64_t in =
            out * geometry_.stride[axis] - geometry_.padding[axis] + tap * geometry_.dilation[axis];
        if (in >= 0 && in < size) result[in].push_back({tap, out});
      }
    }
    return result;
  }

  const int16_t* weights_of(int64_t tap, int64_t channel) const {
    const int64_t group = channel / group_inputs_;
    return &weight_[(tap * group_inputs_ + channel % group_inputs_) * geometry_.filters +
                    group * group_outputs_];
  }

  const ConvGeometry geometry_;
  const int64_t group_inputs_, group_outputs_, delay_;
  const std::vector<int16_t> weight_;
  std::vector<std::vector<Meeting>> rows_, columns_;
  std::vector<int64_t> nonzero_;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_SYNAPSES_H_
