// The extension keras_slayer.export._simulator, which LoihiSimulator calls: an event-driven
// simulator of feed-forward networks of Loihi's CUBA neurons, equal to the chip to the bit
// (arithmetic in neuron.h). Spikes are [batch, time, inputs].
//
// A sample runs layer by layer, each over all steps, so that the weights of a layer stay in the
// cache. Threads take whole samples and write separate results, so the results do not depend on
// the number of threads.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "layer.h"

namespace py = pybind11;

namespace keras_slayer {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

// Runs work(0) .. work(count - 1) on `threads` threads. Rethrows the first exception.
template <class Work>
void parallel_for(int64_t count, int64_t threads, const Work& work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto loop = [&] {
    try {
      for (int64_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> pool;
  for (int64_t k = 1; k < std::min(threads, count); ++k) {
    try {
      pool.emplace_back(loop);
    } catch (const std::system_error&) {
      break;  // no more threads available: the others do the work
    }
  }
  loop();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

class Network {
 public:
  explicit Network(int64_t inputs) : inputs_(inputs) {
    if (inputs <= 0) throw std::invalid_argument("the input must not be empty");
  }

  void add_dense(const Array<int16_t>& weight, const std::optional<Array<uint8_t>>& delay,
                 const Array<int32_t>& bias, NeuronParameters neuron) {
    if (weight.ndim() != 2) throw std::invalid_argument("dense: weight must be 2-D");
    add(std::make_unique<DenseSynapses>(weight.shape(0), weight.shape(1), values(weight),
                                        delay ? values(*delay) : std::vector<uint8_t>()),
        values(bias), neuron);
  }

  void add_conv(const Array<int16_t>& weight, std::array<int64_t, 3> shape, int64_t groups,
                std::array<int64_t, 2> strides, std::array<int64_t, 2> padding,
                std::array<int64_t, 2> dilation, const Array<int32_t>& bias,
                NeuronParameters neuron) {
    if (weight.ndim() != 4) throw std::invalid_argument("conv: weight must be 4-D");
    for (const int64_t n : {shape[0], shape[1], shape[2], groups, strides[0], strides[1],
                            dilation[0], dilation[1], padding[0] + 1, padding[1] + 1}) {
      if (n < 1) throw std::invalid_argument("conv: shape, groups, strides, dilation must be > 0");
    }
    const ConvGeometry geometry = {
        shape[0], shape[1], shape[2], weight.shape(0), weight.shape(1), weight.shape(3), groups,
        {strides[0], strides[1]}, {padding[0], padding[1]}, {dilation[0], dilation[1]}};
    add(std::make_unique<ConvSynapses>(geometry, values(weight)), values(bias), neuron);
  }

  py::tuple run(const Array<uint8_t>& spikes, int64_t threads, bool keep_spikes, bool keep_current,
                bool keep_voltage) const {
    if (layers_.empty()) throw std::invalid_argument("the network has no layers");
    if (spikes.ndim() != 3 || spikes.shape(2) != inputs_) {
      throw std::invalid_argument("spikes must be (batch, time, " + std::to_string(inputs_) + ")");
    }
    const int64_t batch = spikes.shape(0), steps = spikes.shape(1);
    if (steps > kMaxSteps) throw std::invalid_argument("at most 2^20 time steps at once");
    const int64_t depth = static_cast<int64_t>(layers_.size());
    Array<int64_t> counts({batch, depth}), operations({batch, depth});
    std::vector<Array<uint8_t>> rasters;
    std::vector<Array<int64_t>> currents, voltages;
    for (int64_t l = 0; l < depth; ++l) {
      const std::vector<int64_t> shape = {batch, steps, layers_[l].synapses->outputs};
      const std::vector<int64_t> empty = {0, 0, 0};
      // The spikes of the last layer are always kept: they are the result.
      rasters.emplace_back(keep_spikes || l + 1 == depth ? shape : empty);
      std::fill_n(rasters.back().mutable_data(), rasters.back().size(), uint8_t(0));
      currents.emplace_back(keep_current ? shape : empty);
      voltages.emplace_back(keep_voltage ? shape : empty);
    }
    std::vector<Probes> bases(depth);
    for (int64_t l = 0; l < depth; ++l) {
      if (rasters[l].ndim() && rasters[l].shape(2)) bases[l].spikes = rasters[l].mutable_data();
      if (keep_current) bases[l].current = currents[l].mutable_data();
      if (keep_voltage) bases[l].voltage = voltages[l].mutable_data();
    }
    const uint8_t* in = spikes.data();
    int64_t* count_at = counts.mutable_data();
    int64_t* operations_at = operations.mutable_data();
    {
      const py::gil_scoped_release release;
      parallel_for(batch, threads, [&](int64_t sample) {
        Raster raster = find_events(in + sample * steps * inputs_, steps, inputs_), next;
        for (int64_t l = 0; l < depth; ++l) {
          const Layer& layer = layers_[l];
          const int64_t skip = sample * steps * layer.synapses->outputs;
          Probes probes = bases[l];
          if (probes.spikes) probes.spikes += skip;
          if (probes.current) probes.current += skip;
          if (probes.voltage) probes.voltage += skip;
          operations_at[sample * depth + l] = start(layer)->run(raster, next, probes);
          count_at[sample * depth + l] = static_cast<int64_t>(next.index.size());
          std::swap(raster, next);
        }
      });
    }
    return py::make_tuple(counts, operations, rasters, currents, voltages);
  }

 private:
  template <class T>
  static std::vector<T> values(const Array<T>& array) {
    return std::vector<T>(array.data(), array.data() + array.size());
  }

  void add(std::unique_ptr<Synapses> synapses, std::vector<int32_t> bias,
           const NeuronParameters& neuron) {
    const int64_t expected = layers_.empty() ? inputs_ : layers_.back().synapses->outputs;
    if (synapses->inputs != expected) {
      throw std::invalid_argument("layer " + std::to_string(layers_.size()) + " takes " +
                                  std::to_string(synapses->inputs) + " inputs, not " +
                                  std::to_string(expected));
    }
    if (static_cast<int64_t>(bias.size()) != synapses->outputs) {
      throw std::invalid_argument("bias must have one value per neuron");
    }
    for (int32_t& b : bias) b *= 1 << kStateShift;
    const int64_t largest = synapses->largest_sum();
    if (largest > kMaxSum || synapses->outputs > INT32_MAX) {
      throw std::invalid_argument("layer " + std::to_string(layers_.size()) +
                                  ": the weights of one neuron add up to " +
                                  std::to_string(largest) + ", more than 2^25");
    }
    layers_.push_back({std::move(synapses), neuron, std::move(bias), largest});
  }

  friend class Live;
  int64_t inputs_;
  std::vector<Layer> layers_;
};

// A network that runs chunk by chunk, for some samples side by side.
class Live {
 public:
  Live(const Network& network, int64_t batch) : network_(network), samples_(size_t(batch)) {
    if (batch < 1) throw std::invalid_argument("a stream has one sample or more");
    if (network.layers_.empty()) throw std::invalid_argument("the network has no layers");
    for (const Layer& layer : network.layers_) {
      limited_ = limited_ || layer.largest_sum > kMaxSumIn32Bits;
    }
    for (int64_t sample = 0; sample < batch; ++sample) reset(sample);
  }
  void reset(int64_t sample) {
    Sample& it = samples_.at(size_t(sample));
    it.runs.clear();
    it.steps = 0;
    for (const Layer& layer : network_.layers_) it.runs.push_back(start(layer));
  }
  Array<uint8_t> run(const Array<uint8_t>& spikes, int64_t threads) {
    const int64_t batch = static_cast<int64_t>(samples_.size()), inputs = network_.inputs_;
    if (spikes.ndim() != 3 || spikes.shape(0) != batch || spikes.shape(2) != inputs) {
      throw std::invalid_argument("spikes must be (" + std::to_string(batch) + ", time, " +
                                  std::to_string(inputs) + ")");
    }
    const int64_t steps = spikes.shape(1), outputs = network_.layers_.back().synapses->outputs;
    check(steps);
    Array<uint8_t> out({batch, steps, outputs});
    uint8_t* to = out.mutable_data();
    std::fill_n(to, out.size(), uint8_t(0));
    const uint8_t* from = spikes.data();
    {
      const py::gil_scoped_release release;
      parallel_for(batch, threads, [&](int64_t sample) {
        Probes last;
        last.spikes = to + sample * steps * outputs;
        advance(sample, find_events(from + sample * steps * inputs, steps, inputs), last);
      });
    }
    return out;
  }
  // One step of the only sample, from the numbers of the inputs that spike, ascending, to those of
  // the outputs.
  std::vector<int32_t> step(const Array<int32_t>& index) {
    if (samples_.size() != 1) throw std::invalid_argument("step() takes a stream of one sample");
    check(1);
    Raster raster;
    raster.index.assign(index.data(), index.data() + index.size());
    raster.start.push_back(index.size());
    for (size_t e = 0; e < raster.index.size(); ++e) {
      const bool ascends = e == 0 || raster.index[e - 1] < raster.index[e];
      if (!ascends || raster.index[e] < 0 || raster.index[e] >= network_.inputs_) {
        throw std::invalid_argument("places must ascend within 0.." +
                                    std::to_string(network_.inputs_ - 1));
      }
    }
    return advance(0, std::move(raster), {}).index;
  }

 private:
  struct Sample {
    std::vector<std::unique_ptr<LayerRun>> runs;
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
  Raster advance(int64_t sample, Raster raster, const Probes& last) {
    Sample& it = samples_[size_t(sample)];
    it.steps += raster.steps();
    Raster next;
    for (size_t l = 0; l < it.runs.size(); ++l) {
      it.runs[l]->run(raster, next, l + 1 == it.runs.size() ? last : Probes());
      std::swap(raster, next);
    }
    return raster;
  }
  const Network& network_;
  std::vector<Sample> samples_;
  bool limited_ = false;
};

}  // namespace
}  // namespace keras_slayer

PYBIND11_MODULE(_simulator, module) {
  using keras_slayer::Live;
  using keras_slayer::Network;
  using keras_slayer::NeuronParameters;
  module.doc() = "Event-driven simulator of Loihi networks; use keras_slayer.export.LoihiSimulator.";
  py::class_<NeuronParameters>(module, "Neuron")
      .def(py::init([](int32_t current_decay, int32_t voltage_decay, int32_t threshold_mantissa) {
             return NeuronParameters{current_decay, voltage_decay,
                                     threshold_mantissa * (1 << keras_slayer::kStateShift)};
           }),
           py::arg("current_decay"), py::arg("voltage_decay"), py::arg("threshold_mantissa"));
  py::class_<Network>(module, "Network")
      .def(py::init<int64_t>(), py::arg("inputs"))
      .def("add_dense", &Network::add_dense, py::arg("weight"), py::arg("delay"), py::arg("bias"),
           py::arg("neuron"))
      .def("add_conv", &Network::add_conv, py::arg("weight"), py::arg("shape"), py::arg("groups"),
           py::arg("strides"), py::arg("padding"), py::arg("dilation"), py::arg("bias"),
           py::arg("neuron"))
      .def("run", &Network::run, py::arg("spikes"), py::arg("threads"), py::arg("keep_spikes"),
           py::arg("keep_current"), py::arg("keep_voltage"),
           "-> (spike counts, synaptic operations), each (batch, layer), and lists by layer of "
           "spikes, currents and voltages, each (batch, time, neurons) or empty.");
  py::class_<Live>(module, "Live")
      .def(py::init<const Network&, int64_t>(), py::arg("network"), py::arg("batch"),
           py::keep_alive<1, 2>())
      .def("reset", &Live::reset, py::arg("sample"))
      .def("run", &Live::run, py::arg("spikes"), py::arg("threads"))
      .def("step", &Live::step, py::arg("index"));
}
