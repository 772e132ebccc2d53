// The extension keras_slayer.export._simulator, which LoihiSimulator calls: an event-driven
// simulator of networks of Loihi's CUBA neurons, equal to the chip to the bit (arithmetic in
// neuron.h). Spikes are [batch, time, neurons].
//
// A sample runs population by population, each over all steps, so that the weights of a population
// stay in the cache. Only a population itself may be among its sources, so this is right for any
// wiring. Threads take whole samples and write separate results, so the results do not depend on
// the number of threads.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.h"

namespace py = pybind11;

PYBIND11_MODULE(_simulator, module) {
  using keras_slayer::LiveBatch;
  using keras_slayer::Network;
  using keras_slayer::NeuronParameters;
  module.doc() = "Event-driven simulator of Loihi networks; use keras_slayer.export.LoihiSimulator.";
  py::class_<NeuronParameters>(module, "Neuron")
      .def(py::init([](int32_t current_decay, int32_t voltage_decay, int32_t threshold_mantissa) {
             return NeuronParameters{current_decay, voltage_decay,
                                     threshold_mantissa * (1 << keras_slayer::kStateShift)};
           }),
           py::arg("current_decay"), py::arg("voltage_decay"), py::arg("threshold_mantissa"));
  py::class_<Network>(module, "Network",
                      "Sources are numbers: inputs from 0 on, then the populations in the order in "
                      "which they are added.")
      .def(py::init<std::vector<int64_t>>(), py::arg("inputs"))
      .def(
          "add_population",
          [](Network& network, const std::string& name, const keras_slayer::Array<int32_t>& bias,
             NeuronParameters neuron) {
            network.add_population(name, keras_slayer::values(bias), neuron);
          },
          py::arg("name"), py::arg("bias"), py::arg("neuron"),
          "With one bias per neuron. What is connected next leads to it.")
      .def("add_dense", &keras_slayer::add_dense, py::arg("source"), py::arg("weight"),
           py::arg("delay"))
      .def("add_conv", &keras_slayer::add_conv, py::arg("source"), py::arg("weight"),
           py::arg("shape"), py::arg("groups"), py::arg("strides"), py::arg("padding"),
           py::arg("dilation"), py::arg("delay"))
      .def("add_output", &Network::add_output, py::arg("population"))
      .def("run", &keras_slayer::run, py::arg("spikes"), py::arg("threads"), py::arg("keep_spikes"),
           py::arg("keep_current"), py::arg("keep_voltage"),
           "-> (spike counts, synaptic operations), each (batch, population), and lists by "
           "population of spikes, currents and voltages, each (batch, time, neurons) or empty. "
           "The spikes of outputs are always there.");
  py::class_<LiveBatch>(module, "Live")
      .def(py::init<const Network&, int64_t>(), py::arg("network"), py::arg("batch"),
           py::keep_alive<1, 2>())
      .def("reset", &LiveBatch::reset, py::arg("sample"))
      .def("run", &LiveBatch::run, py::arg("spikes"), py::arg("threads"))
      .def("step", &LiveBatch::step, py::arg("index"), py::arg("population"));
}
