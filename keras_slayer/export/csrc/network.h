// A network of populations, and its run over the whole of one sample. simulator.cc binds it for
// Python; C++ programs use it as it is, with live.h and network_file.h.
#ifndef KERAS_SLAYER_EXPORT_NETWORK_H_
#define KERAS_SLAYER_EXPORT_NETWORK_H_

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "population.h"

namespace keras_slayer {

class Network {
 public:
  explicit Network(std::vector<int64_t> inputs) : inputs_(std::move(inputs)) {
    if (inputs_.empty()) throw std::invalid_argument("the network has no input");
    for (const int64_t size : inputs_) {
      if (size <= 0) throw std::invalid_argument("the input must not be empty");
    }
    last_reader_.resize(inputs_.size(), 0);
  }

  // The next population, with one bias per neuron. The next connections lead to it.
  void add_population(const std::string& name, std::vector<int32_t> bias,
                      NeuronParameters neuron) {
    if (bias.empty() || bias.size() > INT32_MAX) {
      throw std::invalid_argument(name + ": a population has 1 to 2^31 - 1 neurons");
    }
    for (int32_t& b : bias) b *= 1 << kStateShift;
    last_reader_.push_back(depth());
    populations_.push_back({rasters(), neuron, std::move(bias), {}});
    names_.push_back(name);
    is_output_.push_back(false);
  }

  // Sources are numbers: the inputs from 0 on, then the populations.
  void connect(int64_t source, std::unique_ptr<Synapses> synapses) {
    if (populations_.empty() || source < 0 || source >= rasters()) {
      throw std::invalid_argument("a connection from what is not there");
    }
    Population& population = populations_.back();
    const std::string& name = names_.back();
    if (synapses->inputs != size_of(source)) {
      throw std::invalid_argument(name + " takes " + std::to_string(synapses->inputs) +
                                  " inputs, not " + std::to_string(size_of(source)));
    }
    if (synapses->outputs != population.size()) {
      throw std::invalid_argument(name + " has " + std::to_string(population.size()) +
                                  " neurons, not " + std::to_string(synapses->outputs));
    }
    population.largest_sum += synapses->largest_sum();
    if (population.largest_sum > kMaxSum) {
      throw std::invalid_argument(name + ": the weights of one neuron add up to " +
                                  std::to_string(population.largest_sum) + ", more than 2^25");
    }
    population.connections.push_back({source, std::move(synapses)});
    last_reader_[size_t(source)] = depth() - 1;
  }

  void add_output(int64_t population) { is_output_.at(size_t(population)) = true; }

  const std::vector<int64_t>& inputs() const { return inputs_; }
  const std::vector<Population>& populations() const { return populations_; }
  bool is_output(int64_t population) const { return is_output_.at(size_t(population)); }
  int64_t depth() const { return static_cast<int64_t>(populations_.size()); }
  int64_t rasters() const { return static_cast<int64_t>(inputs_.size() + populations_.size()); }

  // One sample from rest. `sent` has a raster for each input and population, filled for the inputs,
  // `probes` one for each population. Writes spikes and synaptic operations of each population.
  void run(int64_t steps, std::vector<Raster>& sent, const std::vector<Probes>& probes,
           int64_t* spikes, int64_t* operations) const {
    for (int64_t p = 0; p < depth(); ++p) {
      const Population& population = populations_[size_t(p)];
      operations[p] = start(population)->run(steps, sent, probes[size_t(p)]);
      spikes[p] = static_cast<int64_t>(sent[size_t(population.number)].index.size());
      for (size_t r = 0; r < sent.size(); ++r) {
        if (last_reader_[r] == p) sent[r] = Raster();  // its memory is free from here on
      }
    }
  }

 private:
  int64_t size_of(int64_t raster) const {
    const int64_t inputs = static_cast<int64_t>(inputs_.size());
    return raster < inputs ? inputs_[size_t(raster)]
                           : populations_[size_t(raster - inputs)].size();
  }

  const std::vector<int64_t> inputs_;
  std::vector<Population> populations_;
  std::vector<std::string> names_;
  std::vector<bool> is_output_;
  std::vector<int64_t> last_reader_;  // the last population that reads a raster
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_NETWORK_H_
