// A layer of the simulator, and its run over the steps of one sample. simulator.cc calls it.
#ifndef KERAS_SLAYER_EXPORT_LAYER_H_
#define KERAS_SLAYER_EXPORT_LAYER_H_

#include <memory>

#include "neuron.h"
#include "synapses.h"

namespace keras_slayer {

// Spikes of one layer and sample: events of step t are index[start[t] .. start[t + 1]).
struct Raster {
  std::vector<int64_t> start = {0};
  std::vector<int32_t> index;
  int64_t steps() const { return static_cast<int64_t>(start.size()) - 1; }
};

// Where to write the series [steps, neurons] of one layer and sample; null if not asked for.
struct Probes {
  uint8_t* spikes = nullptr;
  int64_t* current = nullptr;
  int64_t* voltage = nullptr;
};

struct Layer {
  std::unique_ptr<Synapses> synapses;
  NeuronParameters neuron;
  std::vector<int32_t> bias;  // one per neuron, already shifted by kStateShift
  int64_t largest_sum;
};

// A layer in the middle of a sample.
class LayerRun {
 public:
  virtual ~LayerRun() = default;
  // Runs over the next steps. Returns the number of synaptic operations.
  virtual int64_t run(const Raster& in, Raster& out, const Probes& probes) = 0;
};

template <class State>
class LayerRunOf final : public LayerRun {
 public:
  explicit LayerRunOf(const Layer& layer)
      : layer_(layer),
        u_(layer.synapses->outputs),
        v_(layer.synapses->outputs),
        sums_(layer.synapses->delay_rows(), layer.synapses->outputs) {}

  int64_t run(const Raster& in, Raster& out, const Probes& probes) override {
    const int64_t count = layer_.synapses->outputs;
    int64_t operations = 0;
    out.start.assign(1, 0);
    out.index.clear();
    for (int64_t t = 0; t < in.steps(); ++t, ++step_) {
      // Spikes take one step from layer to layer.
      for (const int32_t input : last_) operations += layer_.synapses->deliver(input, step_, sums_);
      if (advance(layer_.neuron, sums_.at(step_), layer_.bias.data(), u_.data(), v_.data(), count)) {
        for (int64_t j = 0; j < count; ++j) {
          if (v_[j] > layer_.neuron.threshold) {
            out.index.push_back(static_cast<int32_t>(j));
            v_[j] = 0;
            if (probes.spikes) probes.spikes[t * count + j] = 1;
          }
        }
      }
      out.start.push_back(static_cast<int64_t>(out.index.size()));
      if (probes.current) std::copy(u_.begin(), u_.end(), probes.current + t * count);
      if (probes.voltage) std::copy(v_.begin(), v_.end(), probes.voltage + t * count);
      sums_.clear(step_);
      last_.assign(in.index.begin() + in.start[t], in.index.begin() + in.start[t + 1]);
    }
    return operations;
  }

 private:
  const Layer& layer_;
  std::vector<State> u_, v_;
  PendingSums sums_;
  std::vector<int32_t> last_;  // input spikes of the step before
  int64_t step_ = 0;
};

inline std::unique_ptr<LayerRun> start(const Layer& layer) {
  if (layer.largest_sum <= kMaxSumIn32Bits) return std::make_unique<LayerRunOf<int32_t>>(layer);
  return std::make_unique<LayerRunOf<int64_t>>(layer);
}

inline Raster find_events(const uint8_t* spikes, int64_t steps, int64_t count) {
  Raster raster;
  for (int64_t t = 0; t < steps; ++t, spikes += count) {
    const uint8_t* at = spikes;
    while ((at = std::find_if(at, spikes + count, [](uint8_t s) { return s != 0; })) !=
           spikes + count) {
      raster.index.push_back(static_cast<int32_t>(at - spikes));
      ++at;
    }
    raster.start.push_back(static_cast<int64_t>(raster.index.size()));
  }
  return raster;
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_LAYER_H_
