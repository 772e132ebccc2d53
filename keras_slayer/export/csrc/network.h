// A network of populations, and its run over whole recordings. simulator.cc binds it.
#ifndef KERAS_SLAYER_EXPORT_NETWORK_H_
#define KERAS_SLAYER_EXPORT_NETWORK_H_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <optional>
#include <string>

#include "population.h"
#include "threads.h"

namespace keras_slayer {

template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style | pybind11::array::forcecast>;

class Network {
 public:
  explicit Network(std::vector<int64_t> inputs) : inputs_(std::move(inputs)) {
    if (inputs_.empty()) throw std::invalid_argument("the network has no input");
    for (const int64_t size : inputs_) {
      if (size <= 0) throw std::invalid_argument("the input must not be empty");
    }
    last_reader_.resize(inputs_.size(), 0);
  }

  // The next population, which the next connections lead to.
  void add_population(const std::string& name, const Array<int32_t>& bias,
                      NeuronParameters neuron) {
    if (bias.size() == 0 || bias.size() > INT32_MAX) {
      throw std::invalid_argument(name + ": a population has 1 to 2^31 - 1 neurons");
    }
    Population population = {rasters(), neuron, values(bias), {}};
    for (int32_t& b : population.bias) b *= 1 << kStateShift;
    last_reader_.push_back(static_cast<int64_t>(populations_.size()));
    populations_.push_back(std::move(population));
    names_.push_back(name);
    is_output_.push_back(false);
  }

  void add_dense(int64_t source, const Array<int16_t>& weight,
                 const std::optional<Array<uint8_t>>& delay) {
    if (weight.ndim() != 2) throw std::invalid_argument("dense: weight must be 2-D");
    connect(source,
            std::make_unique<DenseSynapses>(weight.shape(0), weight.shape(1), values(weight),
                                            delay ? values(*delay) : std::vector<uint8_t>()));
  }

  void add_conv(int64_t source, const Array<int16_t>& weight, std::array<int64_t, 3> shape,
                int64_t groups, std::array<int64_t, 2> strides, std::array<int64_t, 2> padding,
                std::array<int64_t, 2> dilation) {
    if (weight.ndim() != 4) throw std::invalid_argument("conv: weight must be 4-D");
    for (const int64_t n : {shape[0], shape[1], shape[2], groups, strides[0], strides[1],
                            dilation[0], dilation[1], padding[0] + 1, padding[1] + 1}) {
      if (n < 1) throw std::invalid_argument("conv: shape, groups, strides, dilation must be > 0");
    }
    const ConvGeometry geometry = {
        shape[0], shape[1], shape[2], weight.shape(0), weight.shape(1), weight.shape(3), groups,
        {strides[0], strides[1]}, {padding[0], padding[1]}, {dilation[0], dilation[1]}};
    connect(source, std::make_unique<ConvSynapses>(geometry, values(weight)));
  }

  void add_output(int64_t population) { is_output_.at(size_t(population)) = true; }

  pybind11::tuple run(const std::vector<Array<uint8_t>>& spikes, int64_t threads, bool keep_spikes,
                      bool keep_current, bool keep_voltage) const {
    const auto [batch, steps] = check(spikes);
    if (steps > kMaxSteps) throw std::invalid_argument("at most 2^20 time steps at once");
    const int64_t depth = static_cast<int64_t>(populations_.size());
    Array<int64_t> counts({batch, depth}), operations({batch, depth});
    std::vector<Array<uint8_t>> kept;
    std::vector<Array<int64_t>> currents, voltages;
    std::vector<Probes> bases(depth);
    for (int64_t p = 0; p < depth; ++p) {
      const std::vector<int64_t> shape = {batch, steps, populations_[p].size()};
      const std::vector<int64_t> empty = {0, 0, 0};
      // The spikes of the outputs are always kept: they are the result.
      const bool keep = keep_spikes || is_output_[p];
      kept.emplace_back(keep ? shape : empty);
      std::fill_n(kept.back().mutable_data(), kept.back().size(), uint8_t(0));
      currents.emplace_back(keep_current ? shape : empty);
      voltages.emplace_back(keep_voltage ? shape : empty);
      if (keep) bases[p].spikes = kept[p].mutable_data();
      if (keep_current) bases[p].current = currents[p].mutable_data();
      if (keep_voltage) bases[p].voltage = voltages[p].mutable_data();
    }
    const std::vector<const uint8_t*> in = data(spikes);
    int64_t* count_at = counts.mutable_data();
    int64_t* operations_at = operations.mutable_data();
    {
      const pybind11::gil_scoped_release release;
      parallel_for(batch, threads, [&](int64_t sample) {
        std::vector<Raster> sent(rasters());
        find_inputs(in, sample, steps, sent);
        for (int64_t p = 0; p < depth; ++p) {
          const Population& population = populations_[p];
          const int64_t skip = sample * steps * population.size();
          Probes probes = bases[p];
          if (probes.spikes) probes.spikes += skip;
          if (probes.current) probes.current += skip;
          if (probes.voltage) probes.voltage += skip;
          operations_at[sample * depth + p] = start(population)->run(steps, sent, probes);
          count_at[sample * depth + p] =
              static_cast<int64_t>(sent[population.number].index.size());
          for (size_t r = 0; r < sent.size(); ++r) {
            if (last_reader_[r] == p) sent[r] = Raster();  // its memory is free from here on
          }
        }
      });
    }
    return pybind11::make_tuple(counts, operations, kept, currents, voltages);
  }

 private:
  friend class Live;

  template <class T>
  static std::vector<T> values(const Array<T>& array) {
    return std::vector<T>(array.data(), array.data() + array.size());
  }

  static std::vector<const uint8_t*> data(const std::vector<Array<uint8_t>>& arrays) {
    std::vector<const uint8_t*> result;
    for (const Array<uint8_t>& array : arrays) result.push_back(array.data());
    return result;
  }

  int64_t rasters() const { return static_cast<int64_t>(inputs_.size() + populations_.size()); }
  int64_t size_of(int64_t raster) const {
    const int64_t inputs = static_cast<int64_t>(inputs_.size());
    return raster < inputs ? inputs_[raster] : populations_[raster - inputs].size();
  }

  // (batch, steps) of the spikes of all inputs.
  std::pair<int64_t, int64_t> check(const std::vector<Array<uint8_t>>& spikes) const {
    if (populations_.empty()) throw std::invalid_argument("the network has no populations");
    if (spikes.size() != inputs_.size()) {
      throw std::invalid_argument("the network has " + std::to_string(inputs_.size()) + " inputs");
    }
    for (size_t i = 0; i < spikes.size(); ++i) {
      if (spikes[i].ndim() != 3 || spikes[i].shape(2) != inputs_[i] ||
          spikes[i].shape(0) != spikes[0].shape(0) || spikes[i].shape(1) != spikes[0].shape(1)) {
        throw std::invalid_argument("spikes must be (batch, time, " + std::to_string(inputs_[i]) +
                                    ")");
      }
    }
    return {spikes[0].shape(0), spikes[0].shape(1)};
  }

  void find_inputs(const std::vector<const uint8_t*>& in, int64_t sample, int64_t steps,
                   std::vector<Raster>& rasters) const {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      find_events(in[i] + sample * steps * inputs_[i], steps, inputs_[i], rasters[i]);
    }
  }

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
    last_reader_[source] = static_cast<int64_t>(populations_.size()) - 1;
  }

  const std::vector<int64_t> inputs_;
  std::vector<Population> populations_;
  std::vector<std::string> names_;
  std::vector<bool> is_output_;
  std::vector<int64_t> last_reader_;  // the last population that reads a raster
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_NETWORK_H_
