// Networks with NumPy arrays, many samples at once. simulator.cc binds it.
#ifndef KERAS_SLAYER_EXPORT_ARRAYS_H_
#define KERAS_SLAYER_EXPORT_ARRAYS_H_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <optional>

#include "live.h"
#include "threads.h"

namespace keras_slayer {

template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style | pybind11::array::forcecast>;
using Spikes = std::vector<Array<uint8_t>>;  // (batch, time, neurons) for each input or population

template <class T>
std::vector<T> values(const Array<T>& array) {
  return std::vector<T>(array.data(), array.data() + array.size());
}

inline void add_dense(Network& network, int64_t source, const Array<int16_t>& weight,
                      const std::optional<Array<uint8_t>>& delay) {
  if (weight.ndim() != 2) throw std::invalid_argument("dense: weight must be 2-D");
  network.connect(source, std::make_unique<DenseSynapses>(
                              weight.shape(0), weight.shape(1), values(weight),
                              delay ? values(*delay) : std::vector<uint8_t>()));
}

inline void add_conv(Network& network, int64_t source, const Array<int16_t>& weight,
                     std::array<int64_t, 3> shape, int64_t groups, std::array<int64_t, 2> strides,
                     std::array<int64_t, 2> padding, std::array<int64_t, 2> dilation,
                     int64_t delay) {
  if (weight.ndim() != 4) throw std::invalid_argument("conv: weight must be 4-D");
  const ConvGeometry geometry = {
      shape[0], shape[1], shape[2], weight.shape(0), weight.shape(1), weight.shape(3), groups,
      {strides[0], strides[1]}, {padding[0], padding[1]}, {dilation[0], dilation[1]}};
  network.connect(source, std::make_unique<ConvSynapses>(geometry, values(weight), delay));
}

// The spikes of all inputs, checked.
class Given {
 public:
  Given(const Network& network, const Spikes& spikes) : sizes_(network.inputs()) {
    if (network.populations().empty()) {
      throw std::invalid_argument("the network has no populations");
    }
    if (spikes.size() != sizes_.size()) {
      throw std::invalid_argument("the network has " + std::to_string(sizes_.size()) + " inputs");
    }
    for (size_t i = 0; i < spikes.size(); ++i) {
      if (spikes[i].ndim() != 3 || spikes[i].shape(2) != sizes_[i] ||
          spikes[i].shape(0) != spikes[0].shape(0) || spikes[i].shape(1) != spikes[0].shape(1)) {
        throw std::invalid_argument("spikes must be (batch, time, " + std::to_string(sizes_[i]) +
                                    ")");
      }
      data_.push_back(spikes[i].data());
    }
    batch = spikes[0].shape(0);
    steps = spikes[0].shape(1);
  }

  void find_events(int64_t sample, std::vector<Raster>& rasters) const {
    for (size_t i = 0; i < sizes_.size(); ++i) {
      keras_slayer::find_events(data_[i] + sample * steps * sizes_[i], steps, sizes_[i],
                                rasters[i]);
    }
  }

  int64_t batch, steps;

 private:
  const std::vector<int64_t>& sizes_;
  std::vector<const uint8_t*> data_;
};

inline Array<uint8_t> no_spikes(const std::vector<int64_t>& shape) {
  Array<uint8_t> array(shape);
  std::fill_n(array.mutable_data(), array.size(), uint8_t(0));
  return array;
}

// Where the series of one sample begin in those of a batch.
inline Probes of_sample(Probes probes, int64_t skip) {
  if (probes.spikes) probes.spikes += skip;
  if (probes.current) probes.current += skip;
  if (probes.voltage) probes.voltage += skip;
  return probes;
}

inline std::vector<Probes> of_sample(const std::vector<Probes>& bases, const Network& network,
                                     int64_t sample, int64_t steps) {
  std::vector<Probes> probes;
  for (size_t p = 0; p < bases.size(); ++p) {
    probes.push_back(of_sample(bases[p], sample * steps * network.populations()[p].size()));
  }
  return probes;
}

inline pybind11::tuple run(const Network& network, const Spikes& spikes, int64_t threads,
                           bool keep_spikes, bool keep_current, bool keep_voltage) {
  const Given given(network, spikes);
  const int64_t batch = given.batch, steps = given.steps, depth = network.depth();
  if (steps > kMaxSteps) throw std::invalid_argument("at most 2^20 time steps at once");
  Array<int64_t> counts({batch, depth}), operations({batch, depth});
  Spikes kept;
  std::vector<Array<int64_t>> currents, voltages;
  std::vector<Probes> bases(static_cast<size_t>(depth));
  const std::vector<int64_t> empty = {0, 0, 0};
  for (int64_t p = 0; p < depth; ++p) {
    const std::vector<int64_t> shape = {batch, steps, network.populations()[p].size()};
    // The spikes of the outputs are always kept: they are the result.
    const bool keep = keep_spikes || network.is_output(p);
    kept.push_back(no_spikes(keep ? shape : empty));
    currents.emplace_back(keep_current ? shape : empty);
    voltages.emplace_back(keep_voltage ? shape : empty);
    if (keep) bases[p].spikes = kept[p].mutable_data();
    if (keep_current) bases[p].current = currents[p].mutable_data();
    if (keep_voltage) bases[p].voltage = voltages[p].mutable_data();
  }
  int64_t* count_at = counts.mutable_data();
  int64_t* operations_at = operations.mutable_data();
  {
    const pybind11::gil_scoped_release release;
    parallel_for(batch, threads, [&](int64_t sample) {
      std::vector<Raster> sent(network.rasters());
      given.find_events(sample, sent);
      network.run(steps, sent, of_sample(bases, network, sample, steps),
                  count_at + sample * depth, operations_at + sample * depth);
    });
  }
  return pybind11::make_tuple(counts, operations, kept, currents, voltages);
}

// Samples side by side, each a Live.
class LiveBatch {
 public:
  LiveBatch(const Network& network, int64_t batch) : network_(network) {
    if (batch < 1) throw std::invalid_argument("a stream has one sample or more");
    for (int64_t sample = 0; sample < batch; ++sample) samples_.emplace_back(network);
  }

  void reset(int64_t sample) { samples_.at(size_t(sample)).reset(); }

  // Spikes of the outputs by population, empty for the others.
  Spikes run(const Spikes& spikes, int64_t threads) {
    const Given given(network_, spikes);
    const int64_t batch = given.batch, steps = given.steps;
    if (batch != static_cast<int64_t>(samples_.size())) {
      throw std::invalid_argument("the stream has " + std::to_string(samples_.size()) +
                                  " samples");
    }
    for (const Live& sample : samples_) sample.check(steps);
    Spikes out;
    std::vector<Probes> bases(network_.populations().size());
    for (size_t p = 0; p < bases.size(); ++p) {
      const bool keep = network_.is_output(int64_t(p));
      const std::vector<int64_t> shape = {batch, steps, network_.populations()[p].size()};
      out.push_back(no_spikes(keep ? shape : std::vector<int64_t>{0, 0, 0}));
      if (keep) bases[p].spikes = out[p].mutable_data();
    }
    {
      const pybind11::gil_scoped_release release;
      parallel_for(batch, threads, [&](int64_t sample) {
        Live& live = samples_[size_t(sample)];
        given.find_events(sample, live.rasters());
        live.run(steps, of_sample(bases, network_, sample, steps));
      });
    }
    return out;
  }

  // One step of the only sample, from the places of the only input that spike, ascending, to the
  // neurons of one population.
  std::vector<int32_t> step(const Array<int32_t>& index, int64_t population) {
    if (samples_.size() != 1) throw std::invalid_argument("step() takes a stream of one sample");
    spikes_[0].assign(index.data(), index.data() + index.size());
    samples_[0].step(spikes_);
    return samples_[0].spikes(population);
  }

 private:
  const Network& network_;
  std::vector<Live> samples_;
  // Kept, so that a step allocates nothing.
  std::vector<std::vector<int32_t>> spikes_ = std::vector<std::vector<int32_t>>(1);
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_EXPORT_ARRAYS_H_
