// A population of the simulator, and its run over the steps of one sample. network.h calls it.
#ifndef KERAS_SLAYER_EXPORT_POPULATION_H_
#define KERAS_SLAYER_EXPORT_POPULATION_H_

#include <memory>

#include "neuron.h"
#include "synapses.h"

namespace keras_slayer {

// Spikes of an input or a population in one sample: events of step t are
// index[start[t] .. start[t + 1]).
struct Raster {
  std::vector<int64_t> start = {0};
  std::vector<int32_t> index;
  int64_t steps() const { return static_cast<int64_t>(start.size()) - 1; }
  void clear() {
    start.assign(1, 0);
    index.clear();
  }
  void end_step() { start.push_back(static_cast<int64_t>(index.size())); }
};

// Where to write the series [steps, neurons] of one population and sample; null if not asked for.
struct Probes {
  uint8_t* spikes = nullptr;
  int64_t* current = nullptr;
  int64_t* voltage = nullptr;
};

struct Connection {
  int64_t source;  // the number of a raster: the inputs come first, then the populations
  std::unique_ptr<Synapses> synapses;
};

struct Population {
  int64_t number;  // of its raster
  NeuronParameters neuron;
  std::vector<int32_t> bias;  // one per neuron, already shifted by kStateShift
  std::vector<Connection> connections;
  int64_t largest_sum = 0;  // over all connections
  int64_t size() const { return static_cast<int64_t>(bias.size()); }
};

// A population in the middle of a sample.
class PopulationRun {
 public:
  virtual ~PopulationRun() = default;
  // Runs over the next steps, from the rasters of its sources to its own. Returns the number of
  // synaptic operations.
  virtual int64_t run(int64_t steps, std::vector<Raster>& rasters, const Probes& probes) = 0;
};

template <class State>
class PopulationRunOf final : public PopulationRun {
 public:
  explicit PopulationRunOf(const Population& population)
      : population_(population),
        u_(population.size()),
        v_(population.size()),
        sums_(delay_rows(population), population.size()),
        last_(population.connections.size()) {}

  int64_t run(int64_t steps, std::vector<Raster>& rasters, const Probes& probes) override {
    const int64_t count = population_.size();
    const NeuronParameters& neuron = population_.neuron;
    Raster& out = rasters[population_.number];
    int64_t operations = 0;
    out.clear();
    for (int64_t t = 0; t < steps; ++t, ++step_) {
      // Spikes take one step from population to population.
      for (size_t c = 0; c < last_.size(); ++c) {
        const Synapses& synapses = *population_.connections[c].synapses;
        for (const int32_t input : last_[c]) operations += synapses.deliver(input, step_, sums_);
      }
      if (advance(neuron, sums_.at(step_), population_.bias.data(), u_.data(), v_.data(), count)) {
        for (int64_t j = 0; j < count; ++j) {
          if (v_[j] > neuron.threshold) {
            out.index.push_back(static_cast<int32_t>(j));
            v_[j] = 0;
            if (probes.spikes) probes.spikes[t * count + j] = 1;
          }
        }
      }
      out.end_step();
      if (probes.current) std::copy(u_.begin(), u_.end(), probes.current + t * count);
      if (probes.voltage) std::copy(v_.begin(), v_.end(), probes.voltage + t * count);
      sums_.clear(step_);
      for (size_t c = 0; c < last_.size(); ++c) {
        const Raster& in = rasters[population_.connections[c].source];
        last_[c].assign(in.index.begin() + in.start[t], in.index.begin() + in.start[t + 1]);
      }
    }
    return operations;
  }

 private:
  static int64_t delay_rows(const Population& population) {
    int64_t rows = 1;
    for (const Connection& c : population.connections) {
      rows = std::max(rows, c.synapses->delay_rows());
    }
    return rows;
  }

  const Population& population_;
  std::vector<State> u_, v_;
  PendingSums sums_;
  std::vector<std::vector<int32_t>> last_;  // spikes of the step before, for each connection
  int64_t step_ = 0;
};

inline std::unique_ptr<PopulationRun> start(const Population& population) {
  if (population.largest_sum <= kMaxSumIn32Bits) {
    return std::make_unique<PopulationRunOf<int32_t>>(population);
  }
  return std::make_unique<PopulationRunOf<int64_t>>(population);
}

inline void find_events(const uint8_t* spikes, int64_t steps, int64_t count, Raster& raster) {
  raster.clear();
  for (int64_t t = 0; t < steps; ++t, spikes += count) {
    const uint8_t* at = spikes;
    while ((at = std::find_if(at, spikes + count, [](uint8_t s) { return s != 0; })) !=
           spikes + count) {
      raster.index.push_back(static_cast<int32_t>(at - spikes));
      ++at;
    }
    raster.end_step();
  }
}

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_POPULATION_H_
