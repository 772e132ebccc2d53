// The steps of layers: see step_network.h. Compiled with the ops, whose helpers it uses.
#include "stream/step_network.h"

#include <algorithm>
#include <cstring>

#include "synapses/conv_op.h"

namespace keras_slayer {

void StepEvents::clear() {
  index.clear();
  value.clear();
}

void StepEvents::add(int32_t place, float number) {
  index.push_back(place);
  value.push_back(number);
}

namespace {

// Synapses and neurons: the kernel of fused layers, on a series of one step.
class FiringLayer : public StepLayer {
 public:
  explicit FiringLayer(Population neurons)
      : neurons_(std::move(neurons)),
        spikes_(size_t(neurons_.outputs + kWord)),
        membrane_(size_t(neurons_.outputs)) {
    if (!neurons_.rows.empty()) neurons_.neuron.rows = neurons_.rows.data();
  }
  int64_t outputs() const override { return neurons_.outputs; }

 protected:
  std::string fire(const SynapseArgs& synapse, int64_t block, StepEvents* out) {
    int not_finite = 0;
    LayerArgs args = {};
    args.shape = {1, 1, neurons_.outputs};
    args.block = block;
    args.synapse = synapse;
    args.bias_size = int64_t(neurons_.bias.size());
    args.bias = neurons_.bias.data();
    args.neuron = neurons_.neuron;
    args.spikes = spikes_.data();
    args.membrane = membrane_.data();
    args.state = {states_of(neurons_.neuron.kind), neurons_.state, neurons_.state};
    args.not_finite = &not_finite;
    kernels::layer(Dtype::kFloat, args, 0, block_count(neurons_.outputs, block));
    if (not_finite != 0) return "the synaptic input of a Loihi neuron is not finite";
    collect(out);
    return "";
  }
  static Events events_of(const StepEvents& in, int64_t columns, int64_t* offsets) {
    offsets[0] = 0;
    offsets[1] = int64_t(in.index.size());
    return {1, columns, offsets, in.index.data(), in.value.data()};
  }
  // Whole rows of pixels.
  static int64_t rows_block(int64_t height, int64_t row) {
    return std::max<int64_t>(1, std::min(height, kLayerBlock / row)) * row;
  }

 private:
  static constexpr int64_t kWord = 8;
  void collect(StepEvents* out) const {
    out->clear();
    for (int64_t first = 0; first < neurons_.outputs; first += kWord) {
      uint64_t word;  // most are silent
      std::memcpy(&word, spikes_.data() + first, kWord);
      for (int64_t i = first; word != 0 && i < first + kWord && i < neurons_.outputs; ++i) {
        if (spikes_[size_t(i)] != 0) out->add(int32_t(i), 1.0f);
      }
    }
  }
  Population neurons_;
  std::vector<uint8_t> spikes_;
  std::vector<float> membrane_;
};

class MatmulStep final : public FiringLayer {
 public:
  MatmulStep(int64_t inputs, const float* weights, Population neurons)
      : FiringLayer(std::move(neurons)),
        inputs_(inputs),
        matrix_{inputs, outputs(), kSlice, false, weights} {}
  std::string step(const StepEvents& in, StepEvents* out) override {
    int64_t offsets[2];
    SynapseArgs synapse = {};
    synapse.kind = SynapseKind::kMatmul;
    synapse.outputs = outputs();
    synapse.events = events_of(in, inputs_, offsets);
    synapse.matrix = matrix_;
    return fire(synapse, kSlice, out);
  }

 private:
  static constexpr int64_t kSlice = 1024;  // one block for most layers
  int64_t inputs_;
  Slices matrix_;
};

class ConvStep final : public FiringLayer {
 public:
  ConvStep(const ConvGeometry& geometry, const float* weights, Population neurons)
      : FiringLayer(std::move(neurons)),
        g_(geometry),
        rows_(targets(g_.height, g_.kernel_height, g_.out_height, g_.stride_y, g_.dilation_y,
                      g_.padding_top)),
        columns_(targets(g_.width, g_.kernel_width, g_.out_width, g_.stride_x, g_.dilation_x,
                         g_.padding_left)),
        weights_(size_t(g_.kernel_height * g_.kernel_width * (g_.channels / g_.groups) *
                        g_.filters)) {
    g_.row_target = rows_.data();
    g_.column_target = columns_.data();
    g_.runs = g_.groups == 1 && g_.stride_x == 1 && g_.dilation_x == 1;
    for_each_weight(g_, [&](int64_t from, int64_t to) { weights_[size_t(to)] = weights[from]; });
  }
  std::string step(const StepEvents& in, StepEvents* out) override {
    int64_t offsets[2];
    SynapseArgs synapse = {};
    synapse.kind = SynapseKind::kConv;
    synapse.outputs = outputs();
    synapse.events = events_of(in, g_.height * g_.width * g_.channels, offsets);
    synapse.conv = g_;
    synapse.weights = weights_.data();
    return fire(synapse, rows_block(g_.out_height, g_.out_width * g_.filters), out);
  }

 private:
  ConvGeometry g_;
  std::vector<int32_t> rows_, columns_;
  std::vector<float> weights_;
};

class PoolStep final : public FiringLayer {
 public:
  PoolStep(const PoolGeometry& geometry, Population neurons)
      : FiringLayer(std::move(neurons)),
        g_(geometry),
        frame_(size_t(g_.height * g_.width * g_.channels)) {}
  std::string step(const StepEvents& in, StepEvents* out) override {
    for (size_t e = 0; e < in.index.size(); ++e) frame_[size_t(in.index[e])] = in.value[e];
    SynapseArgs synapse = {};
    synapse.kind = SynapseKind::kPool;
    synapse.outputs = outputs();
    synapse.pool = g_;
    synapse.frames_type = Dtype::kFloat;
    synapse.frames = frame_.data();
    std::string error = fire(synapse, rows_block(g_.out_height, g_.out_width * g_.channels), out);
    for (const int32_t place : in.index) frame_[size_t(place)] = 0;
    return error;
  }

 private:
  PoolGeometry g_;
  std::vector<float> frame_;  // zeros between two steps
};

}  // namespace

std::unique_ptr<StepLayer> step_matmul(int64_t inputs, const float* weights, Population neurons) {
  return std::make_unique<MatmulStep>(inputs, weights, std::move(neurons));
}
std::unique_ptr<StepLayer> step_conv(const ConvGeometry& geometry, const float* weights,
                                     Population neurons) {
  return std::make_unique<ConvStep>(geometry, weights, std::move(neurons));
}
std::unique_ptr<StepLayer> step_pool(const PoolGeometry& geometry, Population neurons) {
  return std::make_unique<PoolStep>(geometry, std::move(neurons));
}

StepDelay::StepDelay(int64_t places, std::vector<int64_t> steps)
    : places_(places),
      longest_(*std::max_element(steps.begin(), steps.end())),
      steps_(std::move(steps)),
      waiting_(size_t(longest_ + 1)) {}

// The list of the events that come out `ahead` steps from now.
std::vector<StepEvents>::size_type StepDelay::slot(int64_t ahead) const {
  return size_t((now_ + ahead) % (longest_ + 1));
}

std::string StepDelay::step(const StepEvents& in, StepEvents* out) {
  for (size_t e = 0; e < in.index.size(); ++e) {
    const int64_t ahead = steps_[size_t(in.index[e]) % steps_.size()];
    waiting_[slot(ahead)].add(in.index[e], in.value[e]);
  }
  StepEvents& due = waiting_[slot(0)];
  std::vector<std::pair<int32_t, float>> sorted;
  for (size_t e = 0; e < due.index.size(); ++e) sorted.push_back({due.index[e], due.value[e]});
  std::sort(sorted.begin(), sorted.end());
  out->clear();
  for (const auto& [place, number] : sorted) out->add(place, number);
  due.clear();
  now_ = (now_ + 1) % (longest_ + 1);
  return "";
}

void StepDelay::read(float* history) const {
  std::fill(history, history + longest_ * places_, 0.0f);
  for (int64_t ahead = 0; ahead < longest_; ++ahead) {
    const StepEvents& events = waiting_[slot(ahead)];
    for (size_t e = 0; e < events.index.size(); ++e) {
      const int64_t ago = steps_[size_t(events.index[e]) % steps_.size()] - ahead;  // 1 is the last
      history[(longest_ - ago) * places_ + events.index[e]] = events.value[e];
    }
  }
}

void StepDelay::write(const float* history) {
  for (StepEvents& events : waiting_) events.clear();
  for (int64_t row = 0; row < longest_; ++row) {
    for (int64_t place = 0; place < places_; ++place) {
      const float number = history[row * places_ + place];
      const int64_t ahead = steps_[size_t(place) % steps_.size()] - (longest_ - row);
      if (number != 0 && ahead >= 0) waiting_[slot(ahead)].add(int32_t(place), number);
    }
  }
}

std::string StepNetwork::take(const int32_t* index, const float* value, int64_t count) {
  events_.clear();
  bool ordered = true;
  for (int64_t e = 0; e < count; ++e) {
    if (index[e] < 0 || index[e] >= inputs_) {
      return "an index must lie in [0, " + std::to_string(inputs_ - 1) +
             "]. Received: " + std::to_string(index[e]);
    }
    ordered = ordered && (e == 0 || index[e - 1] < index[e]);
  }
  if (ordered) {
    for (int64_t e = 0; e < count; ++e) events_.add(index[e], value == nullptr ? 1.0f : value[e]);
    return "";
  }
  order_.clear();
  for (int64_t e = 0; e < count; ++e) {
    order_.push_back({index[e], value == nullptr ? 1.0f : value[e]});
  }
  std::sort(order_.begin(), order_.end());
  for (size_t e = 0; e < order_.size(); ++e) {
    const bool again = e > 0 && order_[e].first == order_[e - 1].first;
    if (again && value != nullptr) {
      return "a place has one value in a step. Received: index " + std::to_string(order_[e].first) +
             " twice";
    }
    if (!again) events_.add(order_[e].first, order_[e].second);
  }
  return "";
}

std::string StepNetwork::step(const int32_t* index, const float* value, int64_t count) {
  std::string error = take(index, value, count);
  for (size_t i = 0; error.empty() && i < layers_.size(); ++i) {
    error = layers_[i]->step(events_, &next_);
    std::swap(events_, next_);
  }
  return error;
}

}  // namespace keras_slayer
