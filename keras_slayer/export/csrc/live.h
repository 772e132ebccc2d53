// A network that runs chunk by chunk. simulator.cc binds it.
#ifndef KERAS_SLAYER_EXPORT_LIVE_H_
#define KERAS_SLAYER_EXPORT_LIVE_H_

#include "network.h"

namespace keras_slayer {

// For some samples side by side.
class Live {
 public:
  Live(const Network& network, int64_t batch) : network_(network), samples_(size_t(batch)) {
    if (batch < 1) throw std::invalid_argument("a stream has one sample or more");
    if (network.populations_.empty()) {
      throw std::invalid_argument("the network has no populations");
    }
    for (const Population& population : network.populations_) {
      limited_ = limited_ || population.largest_sum > kMaxSumIn32Bits;
    }
    for (int64_t sample = 0; sample < batch; ++sample) reset(sample);
  }

  void reset(int64_t sample) {
    Sample& it = samples_.at(size_t(sample));
    it.runs.clear();
    it.steps = 0;
    it.rasters.resize(size_t(network_.rasters()));
    for (const Population& population : network_.populations_) {
      it.runs.push_back(start(population));
    }
  }

  // Spikes of the outputs by population, empty for the others.
  std::vector<Array<uint8_t>> run(const std::vector<Array<uint8_t>>& spikes, int64_t threads) {
    const auto [batch, steps] = network_.check(spikes);
    if (batch != static_cast<int64_t>(samples_.size())) {
      throw std::invalid_argument("the stream has " + std::to_string(samples_.size()) +
                                  " samples");
    }
    check(steps);
    std::vector<Array<uint8_t>> out;
    std::vector<Probes> bases(network_.populations_.size());
    for (size_t p = 0; p < bases.size(); ++p) {
      const int64_t size = network_.populations_[p].size();
      const std::vector<int64_t> shape = {batch, steps, size}, empty = {0, 0, 0};
      out.emplace_back(network_.is_output_[p] ? shape : empty);
      if (!network_.is_output_[p]) continue;
      bases[p].spikes = out[p].mutable_data();
      std::fill_n(bases[p].spikes, out[p].size(), uint8_t(0));
    }
    const std::vector<const uint8_t*> in = Network::data(spikes);
    {
      const pybind11::gil_scoped_release release;
      parallel_for(batch, threads, [&, steps = steps](int64_t sample) {
        network_.find_inputs(in, sample, steps, samples_[size_t(sample)].rasters);
        advance(sample, steps, bases);
      });
    }
    return out;
  }

  // One step of the only sample of a network with one input, from the numbers of the inputs that
  // spike, ascending, to those of the neurons of one population.
  std::vector<int32_t> step(const Array<int32_t>& index, int64_t population) {
    if (samples_.size() != 1) throw std::invalid_argument("step() takes a stream of one sample");
    check(1);
    const Population& output = network_.populations_.at(size_t(population));
    std::vector<Raster>& rasters = samples_[0].rasters;
    Raster& raster = rasters[0];
    raster.clear();
    raster.index.assign(index.data(), index.data() + index.size());
    raster.end_step();
    for (size_t e = 0; e < raster.index.size(); ++e) {
      const bool ascends = e == 0 || raster.index[e - 1] < raster.index[e];
      if (!ascends || raster.index[e] < 0 || raster.index[e] >= network_.inputs_[0]) {
        throw std::invalid_argument("places must ascend within 0.." +
                                    std::to_string(network_.inputs_[0] - 1));
      }
    }
    advance(0, 1, {});
    return rasters[size_t(output.number)].index;
  }

 private:
  struct Sample {
    std::vector<std::unique_ptr<PopulationRun>> runs;
    std::vector<Raster> rasters;  // of the chunk
    int64_t steps;
  };

  // States of 64 bits hold the sums of so many steps.
  void check(int64_t steps) const {
    for (const Sample& sample : samples_) {
      if (limited_ && sample.steps + steps > kMaxSteps) {
        throw std::invalid_argument("a network with so large weights runs for 2^20 steps at most");
      }
    }
  }

  // `bases` by population, for the whole batch; empty: nothing is written.
  void advance(int64_t sample, int64_t steps, const std::vector<Probes>& bases) {
    Sample& it = samples_[size_t(sample)];
    it.steps += steps;
    for (size_t p = 0; p < it.runs.size(); ++p) {
      Probes probes = bases.empty() ? Probes() : bases[p];
      if (probes.spikes) probes.spikes += sample * steps * network_.populations_[p].size();
      it.runs[p]->run(steps, it.rasters, probes);
    }
  }

  const Network& network_;
  std::vector<Sample> samples_;
  bool limited_ = false;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_LIVE_H_
