// A network that runs on as its input comes: chunk by chunk or step by step. simulator.cc binds it
// for Python; C++ programs use it as it is.
#ifndef KERAS_SLAYER_EXPORT_LIVE_H_
#define KERAS_SLAYER_EXPORT_LIVE_H_

#include "network.h"

namespace keras_slayer {

// One sample. The network must outlive it.
class Live {
 public:
  explicit Live(const Network& network) : network_(network) {
    if (network.populations().empty()) {
      throw std::invalid_argument("the network has no populations");
    }
    for (const Population& population : network.populations()) {
      limited_ = limited_ || population.largest_sum > kMaxSumIn32Bits;
    }
    reset();
  }

  // Back to rest.
  void reset() {
    steps_ = 0;
    runs_.clear();
    rasters_.assign(size_t(network_.rasters()), Raster());
    for (const Population& population : network_.populations()) runs_.push_back(start(population));
  }

  // One step. `spikes` has for each input the places that spike, ascending.
  void step(const std::vector<std::vector<int32_t>>& spikes) {
    if (spikes.size() != network_.inputs().size()) {
      throw std::invalid_argument("the network has " + std::to_string(network_.inputs().size()) +
                                  " inputs");
    }
    for (size_t i = 0; i < spikes.size(); ++i) {
      const std::vector<int32_t>& index = spikes[i];
      for (size_t e = 0; e < index.size(); ++e) {
        const bool ascends = e == 0 || index[e - 1] < index[e];
        if (!ascends || index[e] < 0 || index[e] >= network_.inputs()[i]) {
          throw std::invalid_argument("places must ascend within 0.." +
                                      std::to_string(network_.inputs()[i] - 1));
        }
      }
    }
    check(1);
    for (size_t i = 0; i < spikes.size(); ++i) {
      rasters_[i].clear();
      rasters_[i].index.assign(spikes[i].begin(), spikes[i].end());
      rasters_[i].end_step();
    }
    run(1, {});
  }

  // The neurons of a population that spiked in the last step(), ascending.
  const std::vector<int32_t>& spikes(int64_t population) const {
    return rasters_[size_t(network_.populations().at(size_t(population)).number)].index;
  }

  // States of 64 bits hold the sums of so many steps.
  void check(int64_t steps) const {
    if (limited_ && steps_ + steps > kMaxSteps) {
      throw std::invalid_argument("a network with so large weights runs for 2^20 steps at most");
    }
  }

  // The chunk that run() reads: the inputs' rasters come first. The caller fills them.
  std::vector<Raster>& rasters() { return rasters_; }

  // The next steps. `probes` for each population, or empty: nothing is written.
  void run(int64_t steps, const std::vector<Probes>& probes) {
    steps_ += steps;
    for (size_t p = 0; p < runs_.size(); ++p) {
      runs_[p]->run(steps, rasters_, probes.empty() ? Probes() : probes[p]);
    }
  }

 private:
  const Network& network_;
  std::vector<std::unique_ptr<PopulationRun>> runs_;
  std::vector<Raster> rasters_;
  int64_t steps_ = 0;
  bool limited_ = false;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_LIVE_H_
