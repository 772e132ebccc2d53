"""The engine in C++: a graph for the compiled extension."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

import numpy as np

from keras_slayer.export.graph import DenseSynapses, IntegerGraph

PROBES = ("spikes", "current", "voltage")


def import_extension():
    """keras_slayer.export._simulator; an ImportError that says what to do if it is not there."""
    try:
        return importlib.import_module("keras_slayer.export._simulator")
    except ImportError as error:
        raise ImportError(
            "The compiled Loihi simulator (keras_slayer.export._simulator) cannot be loaded: "
            f"{error}. Install the package with a C++ compiler at hand (`pip install .`, or "
            "`pip install -e .` in a checkout), or ask for the slow one: "
            'LoihiSimulator(path, engine="numpy").'
        ) from error


class NativeNetwork:
    """A graph in the compiled engine.

    Raises:
        ValueError: weights beyond the engine's numbers.
    """

    def __init__(self, extension, graph: IntegerGraph):
        self._graph = graph
        self._live = extension.Live
        self._network = extension.Network([int(np.prod(s)) for s in graph.inputs.values()])
        numbers = {name: i for i, name in enumerate((*graph.inputs, *graph.populations))}
        for name, population in graph.populations.items():
            bias = np.zeros(population.shape, np.int32)
            if population.bias is not None:
                bias += population.bias  # one for each place of the last axis
            neuron = population.neuron
            self._network.add_population(
                name,
                bias,
                extension.Neuron(
                    neuron.current_decay, neuron.voltage_decay, neuron.threshold_mantissa
                ),
            )
            for connection in population.connections:
                synapses, source = connection.synapses, numbers[connection.source]
                if isinstance(synapses, DenseSynapses):
                    self._network.add_dense(source, synapses.weight, synapses.delay)
                else:
                    self._network.add_conv(
                        source,
                        synapses.weight,
                        graph.shape(connection.source),
                        synapses.groups,
                        synapses.strides,
                        synapses.padding,
                        synapses.dilation,
                        synapses.delay,
                    )
        self._places = {name: i for i, name in enumerate(graph.populations)}
        for name in graph.outputs:
            self._network.add_output(self._places[name])

    def run(
        self, spikes: Mapping[str, np.ndarray], threads: int, probe: set[str]
    ) -> Iterator[dict[str, np.ndarray]]:
        """For each population its counts, operations and what was probed; spikes of outputs."""
        counts, operations, *probed = self._network.run(
            _flat(spikes), threads, *(name in probe for name in PROBES)
        )
        batch_time = next(iter(spikes.values())).shape[:2]
        for i, (name, population) in enumerate(self._graph.populations.items()):
            kept = {"spike_counts": counts[:, i], "synaptic_operations": operations[:, i]}
            for what, arrays in zip(PROBES, probed, strict=True):
                if what in probe or (what == "spikes" and name in self._graph.outputs):
                    kept[what] = arrays[i].reshape(*batch_time, *population.shape)
            yield kept

    def live(self, batch: int) -> LiveNetwork:
        """The network from rest, for ``batch`` samples side by side."""
        return LiveNetwork(self._live(self._network, batch), self._graph, self._places)


class LiveNetwork:
    """A network that keeps its state from call to call."""

    def __init__(self, native, graph: IntegerGraph, places: dict[str, int]):
        self._native, self._graph, self._places = native, graph, places
        self.reset = native.reset

    def run(self, spikes: Mapping[str, np.ndarray], threads: int) -> list[np.ndarray]:
        """Spikes of each output, uint8 (batch, steps, *shape)."""
        found = self._native.run(_flat(spikes), threads)
        batch_time = next(iter(spikes.values())).shape[:2]
        return [
            found[self._places[name]].reshape(*batch_time, *self._graph.shape(name))
            for name in self._graph.outputs
        ]

    def step(self, index: np.ndarray) -> list[int]:
        """From places in the input to places in the output."""
        return self._native.step(index, self._places[self._graph.outputs[0]])


def _flat(spikes: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return [
        array.reshape(*array.shape[:2], int(np.prod(array.shape[2:]))) for array in spikes.values()
    ]
