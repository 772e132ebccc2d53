"""What the exporter needs to know of a chip."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keras_slayer.export.graph import IntegerGraph
from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.network import IntegerNetwork, IntegerNeuron
from keras_slayer.export.problems import Problem
from keras_slayer.export.simulation.simulator import LoihiSimulator
from keras_slayer.export.weight_grid import WeightGrid
from keras_slayer.neurons import Neuron


@dataclass(frozen=True)
class Format:
    """A file format. Its modules are imported on use: they may need packages of their own.

    Attributes:
        name: the suffix of its files, without the dot.
        writer: a module with ``problems(network) -> list[Problem]``, what keeps a network
            from this format, and ``to_bytes(network) -> bytes``.
        reader: a module with ``read_network(path) -> IntegerNetwork``; None where a file does not
            hold the chip's integers.
    """

    name: str
    writer: str
    reader: str | None = None

    def problems(self, network: IntegerGraph) -> list[Problem]:
        return importlib.import_module(self.writer).problems(network)

    def to_bytes(self, network: IntegerGraph) -> bytes:
        return importlib.import_module(self.writer).to_bytes(network)

    def read_back(self, network: IntegerGraph, data: bytes) -> IntegerNetwork | IntegerGraph:
        """What a file says: ``data`` where the format can be read, or else ``network``."""
        if self.reader is None:
            return network
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "network")
            path.write_bytes(data)
            return importlib.import_module(self.reader).read_network(path)


@dataclass(frozen=True, eq=False)
class Target:
    """A chip that models are exported to.

    Attributes:
        neuron: the class of its neuron: layers of these run on the chip as trained.
        to_integers: the parameters of such a neuron in the chip's integers.
        to_neuron: the neuron with these integers.
        to_float: the same neuron in floating point, without rounding.
        grid: the integers of its weights.
        max_delay: steps that a dense synapse can delay a spike, beyond the one of every layer.
        synaptic_sum_limit: largest sum of weights that a neuron can take in one step.
        chip: its cores.
        simulator: ``(network) -> simulator`` of a network in the chip's integers, with a method
            ``record`` as ``LoihiSimulator`` has it.
        formats: file formats by name, which is the suffix of their files.
    """

    neuron: type[Neuron]
    to_integers: Callable[[Neuron], IntegerNeuron]
    to_neuron: Callable[[IntegerNeuron], Neuron]
    to_float: Callable[[Neuron], Neuron]
    grid: WeightGrid
    max_delay: int
    synaptic_sum_limit: int
    chip: Chip
    simulator: Callable[[IntegerNetwork | IntegerGraph], LoihiSimulator]
    formats: dict[str, Format]

    @property
    def name(self) -> str:
        """As the reports print it."""
        return self.chip.name
