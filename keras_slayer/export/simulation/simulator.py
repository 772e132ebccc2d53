"""Runs an exported network with the chip's integer arithmetic, spike for spike."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from keras_slayer.export.arguments import positive_integer
from keras_slayer.export.formats import netx_reader, nir_integers_reader
from keras_slayer.export.graph import DenseSynapses, IntegerGraph, Population, graph_of
from keras_slayer.export.network import IntegerFlatten, IntegerNetwork
from keras_slayer.export.simulation import reference
from keras_slayer.export.simulation.live import SimulatorStream
from keras_slayer.export.simulation.native import PROBES, NativeNetwork, import_extension
from keras_slayer.export.simulation.records import LayerRecord, SimulationRecord
from keras_slayer.export.simulation.signals import Spikes, checked, single

READERS = {"net": netx_reader.read_network, "nir": nir_integers_reader.read_network}
"""The formats by name, which is the suffix of their files."""


class LoihiSimulator:
    """Bit-exact simulator of an exported network.

    Spikes come and go as the Keras model takes and gives them: (batch, time, features) or (batch,
    time, height, width, channels), and step t of the output is step t of the model's output. A
    network of several inputs takes a list of arrays or a dict by name, one of several outputs gives
    a list.

    Args:
        path: a ``.net`` file, from ``model.export_loihi(path)`` or from lava-dl, or a ``.nir`` file
            from ``model.export_loihi``, which holds networks of any wiring. Networks of other tools
            in ``.nir`` have no integers of the chip: ``from_nir`` reads them.
        input_shape: (inputs,) or (height, width, channels), where a ``.net`` file does not say it:
            lava-dl writes such files if the network has no input block.
        format: "net" or "nir", as for ``model.export_loihi``; default: the suffix of ``path``.
        engine: "native" (C++, event-driven, threads) or "numpy" (slow, needs no compiler). The same
            spikes from both.
        threads: threads of the native engine; default: the CPUs this process may use.

    Attributes:
        network: what the file says: a chain (``IntegerNetwork``) of a ``.net`` file, an
            ``IntegerGraph`` of a ``.nir`` file or of a ``.net`` file with recurrent layers.

    Raises:
        FileNotFoundError, ValueError: no such file, or not a network the chip runs as written.
        ImportError: the native engine is not built.

    Example:

    >>> model.export_loihi("nmnist.net")
    >>> simulator = keras_slayer.export.LoihiSimulator("nmnist.net")
    >>> assert (simulator.run(spikes) == model.predict(spikes)).all()
    """

    def __init__(
        self,
        path: str | os.PathLike,
        input_shape: Sequence[int] | None = None,
        *,
        format: str | None = None,
        engine: str = "native",
        threads: int | None = None,
    ):
        self._choose(engine, threads)
        self.path = Path(path)
        self._load(read_file(self.path, input_shape, format), f"{self.path}: ")

    @classmethod
    def from_network(
        cls,
        network: IntegerNetwork | IntegerGraph,
        *,
        engine: str = "native",
        threads: int | None = None,
    ) -> "LoihiSimulator":
        """Simulator of a network that is in no file; its ``path`` is None.

        Args:
            network: a chain, or a graph of populations and connections.
            engine, threads: as above.
        """
        simulator = cls.__new__(cls)
        simulator._choose(engine, threads)
        simulator.path = None
        simulator._load(network, "")
        return simulator

    def __getstate__(self) -> dict:
        """What a copy or another process is made of; the engine is not among it."""
        return {name: getattr(self, name) for name in ("path", "network", "engine", "threads")}

    def __setstate__(self, state: dict) -> None:
        self._choose(state["engine"], state["threads"])
        self.path = state["path"]
        self._load(state["network"], f"{self.path}: " if self.path else "")

    def _choose(self, engine: str, threads: int | None) -> None:
        if engine not in ("native", "numpy"):
            raise ValueError(f"engine must be 'native' or 'numpy'. Received: engine={engine!r}")
        if threads is not None:
            threads = positive_integer(threads, "threads")
        self._extension = import_extension() if engine == "native" else None
        self.engine = engine
        self.threads = threads or len(os.sched_getaffinity(0))

    def _load(self, network: IntegerNetwork | IntegerGraph, where: str) -> None:
        self.network = network
        self._graph = graph = network if isinstance(network, IntegerGraph) else graph_of(network)
        if not graph.inputs:
            raise ValueError(f"{where}the network has no input, which gives the number of steps")
        if isinstance(network, IntegerNetwork):
            layers = enumerate(network.layers)
            self._indices = [i for i, layer in layers if not isinstance(layer, IntegerFlatten)]
            self._output_shapes = [network.output_shape]  # also after a flatten at the end
        else:
            self._indices = list(range(len(graph.populations)))
            self._output_shapes = [graph.shape(name) for name in graph.outputs]
        self._native = None
        if self._extension is not None:
            try:
                self._native = NativeNetwork(self._extension, graph)
            except ValueError as error:  # limits of the engine itself
                raise ValueError(f"{where}{error}") from error

    @property
    def input_shape(self) -> tuple[int, ...] | list[tuple[int, ...]]:
        """Shape of the input without batch and time; a list for several inputs."""
        return single(map(tuple, self._graph.inputs.values()))

    @property
    def output_shape(self) -> tuple[int, ...] | list[tuple[int, ...]]:
        """Shape of the output without batch and time; a list for several outputs."""
        return single(self._output_shapes)

    def run(self, spikes: Spikes) -> np.ndarray | list[np.ndarray]:
        """Spikes of the output.

        Args:
            spikes: 0 or 1, (batch, time, *input_shape), any dtype. For several inputs a list of
                these in the order of ``network.inputs``, or a dict by name.

        Returns:
            float32 (batch, time, *output_shape); a list of these for several outputs.
        """
        return self.record(spikes).spikes

    def record(self, spikes: Spikes, probe: str | Iterable[str] = ()) -> SimulationRecord:
        """Runs the network and records what each layer did.

        Args:
            spikes: as for ``run``.
            probe: what to record of every neuron and step: any of "spikes", "current", "voltage".
                Spike and synaptic-operation counts are always there.
        """
        probe = {probe} if isinstance(probe, str) else set(probe)
        if not probe <= set(PROBES):
            raise ValueError(f"probe must be of {PROBES}. Received: probe={sorted(probe)}")
        given = self.checked(spikes)
        steps = next(iter(given.values())).shape[1]
        runs = self._native.run(given, self.threads, probe) if self._native else self._numpy(given)
        records, outputs = [], {}
        populations = self._graph.populations.items()
        for (name, population), index, run in zip(populations, self._indices, runs, strict=True):
            if name in self._graph.outputs or "spikes" in probe:
                run["spikes"] = run["spikes"].astype(np.float32)
            if name in self._graph.outputs:
                outputs[name] = run["spikes"]
            kept = {what: value for what, value in run.items() if what in probe - set(COUNTS)}
            records.append(
                LayerRecord(
                    name,
                    index,
                    _type(population),
                    population.size,
                    steps,
                    *(run[count] for count in COUNTS),
                    **kept,
                )
            )
        return SimulationRecord(
            single(self.shaped([outputs[name] for name in self._graph.outputs])), tuple(records)
        )

    def stream(self, batch: int = 1) -> SimulatorStream:
        """The network from rest, to be run on chunks of time; it keeps its state between them.

        Args:
            batch: samples side by side.

        Raises:
            ValueError: the numpy engine, which runs whole recordings only.
        """
        if self._native is None:
            raise ValueError("stream() needs engine='native'. Received: engine='numpy'")
        batch = positive_integer(batch, "batch")
        return SimulatorStream(self, self._native.live(batch), batch)

    def checked(self, spikes: Spikes) -> dict[str, np.ndarray]:
        """``spikes`` as uint8 by the names of the inputs; ValueError if they do not fit."""
        return checked(spikes, self._graph.inputs)

    def shaped(self, outputs: list[np.ndarray]) -> list[np.ndarray]:
        """Spikes (batch, time, ...) of the output populations in the shapes of the network."""
        return [
            spikes.reshape(*spikes.shape[:2], *shape)
            for spikes, shape in zip(outputs, self._output_shapes, strict=True)
        ]

    def _numpy(self, spikes: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        for _, run in reference.simulate(self._graph, spikes):
            yield {
                "spike_counts": run.spikes.sum(
                    axis=tuple(range(1, run.spikes.ndim)), dtype=np.int64
                ),
                "synaptic_operations": run.synaptic_operations,
                "spikes": run.spikes,
                "current": run.current,
                "voltage": run.voltage,
            }


COUNTS = ("spike_counts", "synaptic_operations")


def read_file(
    path: Path, input_shape: Sequence[int] | None = None, format: str | None = None
) -> IntegerNetwork | IntegerGraph:
    """The network in a ``.net`` or ``.nir`` file."""
    if format is not None and format not in READERS:
        raise ValueError(f"format must be one of {tuple(READERS)}. Received: format={format!r}")
    format = format or path.suffix.lstrip(".")
    if format not in READERS:
        raise ValueError(
            f"LoihiSimulator takes {' and '.join('.' + name for name in READERS)} files, as "
            "model.export_loihi writes them; files of another suffix need their format. "
            f"Received: path={str(path)!r}"
        )
    if format == "net":
        return netx_reader.read_network(path, input_shape)
    if input_shape is not None:
        raise ValueError(
            f"input_shape is for .net files: a .{format} file says it. Received: "
            f"input_shape={input_shape!r}"
        )
    return READERS[format](path)


def _type(population: Population) -> str:
    """What kind of synapses leads to a population."""
    kinds = {isinstance(c.synapses, DenseSynapses) for c in population.connections}
    if not kinds:
        return "source"
    return "mixed" if len(kinds) == 2 else ("dense" if kinds == {True} else "conv")
