"""Runs a ``.net`` file with the chip's integer arithmetic, spike for spike."""

import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_slayer.export.formats.netx_reader import read_network
from keras_slayer.export.network import IntegerConv, IntegerDense, IntegerFlatten, IntegerNetwork
from keras_slayer.export.simulation import reference
from keras_slayer.export.simulation.energy import Energy, estimate
from keras_slayer.export.simulation.live import SimulatorStream

PROBES = ("spikes", "current", "voltage")


@dataclass(frozen=True, eq=False)
class LayerRecord:
    """What one layer with neurons did during a run.

    Attributes:
        index: position in ``simulator.network.layers``.
        type: "dense" or "conv".
        neurons, steps: how many, and for how long.
        spike_counts: int64 (batch,), spikes of the layer.
        synaptic_operations: int64 (batch,), synapses with a weight other than zero that input
            spikes met, within the run (spikes of the last step would arrive after it).
        spikes: float32 (batch, time, *shape) if probed.
        current, voltage: int64, same shape, if probed: the chip's u and v at the end of each step
            (v after its reset).
    """

    index: int
    type: str
    neurons: int
    steps: int
    spike_counts: np.ndarray
    synaptic_operations: np.ndarray
    spikes: np.ndarray | None = None
    current: np.ndarray | None = None
    voltage: np.ndarray | None = None

    @property
    def energy(self) -> Energy:
        """Estimated joules, arrays (batch,); equation and source in ``simulation.energy``."""
        return estimate(self.neurons, self.steps, self.spike_counts, self.synaptic_operations)


@dataclass(frozen=True, eq=False)
class SimulationRecord:
    """Output spikes, float32 (batch, time, *output_shape), and a record for each layer."""

    spikes: np.ndarray
    layers: tuple[LayerRecord, ...]

    @property
    def energy(self) -> np.ndarray:
        """Estimated joules of all layers, (batch,)."""
        return np.sum([layer.energy.total for layer in self.layers], axis=0)


class LoihiSimulator:
    """Bit-exact simulator of the network in a ``.net`` file.

    Spikes come and go as the Keras model takes and gives them: (batch, time, features) or (batch,
    time, height, width, channels), and step t of the output is step t of the model's output.

    Args:
        path: the file, from ``model.export_loihi(path)`` or from lava-dl.
        input_shape: (inputs,) or (height, width, channels), where the file does not say it: lava-dl
            writes such files if the network has no input block.
        engine: "native" (C++, event-driven, threads) or "numpy" (slow, needs no compiler). The same
            spikes from both.
        threads: threads of the native engine; default: the CPUs this process may use.

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
        engine: str = "native",
        threads: int | None = None,
    ):
        self._choose(engine, threads)
        self.path = Path(path)
        self._load(read_network(self.path, input_shape), f"{self.path}: ")

    @classmethod
    def from_network(
        cls, network: IntegerNetwork, *, engine: str = "native", threads: int | None = None
    ) -> "LoihiSimulator":
        """Simulator of a network that is in no file; its ``path`` is None."""
        simulator = cls.__new__(cls)
        simulator._choose(engine, threads)
        simulator.path = None
        simulator._load(network, "")
        return simulator

    def _choose(self, engine: str, threads: int | None) -> None:
        if engine not in ("native", "numpy"):
            raise ValueError(f"engine must be 'native' or 'numpy'. Received: engine={engine!r}")
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise ValueError(f"threads must be a positive integer. Received: threads={threads!r}")
        self._extension = _import_extension() if engine == "native" else None
        self.engine = engine
        self.threads = threads or len(os.sched_getaffinity(0))

    def _load(self, network: IntegerNetwork, where: str) -> None:
        self.network = network
        self._native = None
        if self._extension is not None:
            try:
                self._native = _native_network(self._extension, network)
            except ValueError as error:  # limits of the engine itself
                raise ValueError(f"{where}{error}") from error

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input without batch and time."""
        return self.network.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output without batch and time."""
        return self.network.output_shape

    def run(self, spikes: np.ndarray) -> np.ndarray:
        """Spikes of the last layer.

        Args:
            spikes: 0 or 1, (batch, time, *input_shape), any dtype.

        Returns:
            float32 (batch, time, *output_shape).
        """
        return self.record(spikes).spikes

    def record(self, spikes: np.ndarray, probe: str | Iterable[str] = ()) -> SimulationRecord:
        """Runs the network and records what each layer did.

        Args:
            spikes: 0 or 1, (batch, time, *input_shape), any dtype.
            probe: what to record of every neuron and step: any of "spikes", "current", "voltage".
                Spike and synaptic-operation counts are always there.
        """
        probe = {probe} if isinstance(probe, str) else set(probe)
        if not probe <= set(PROBES):
            raise ValueError(f"probe must be of {PROBES}. Received: probe={sorted(probe)}")
        spikes = self.checked(spikes)
        records = self._record_native if self._native else self._record_numpy
        return records(spikes, probe)

    def stream(self, batch: int = 1) -> SimulatorStream:
        """The network from rest, to be run on chunks of time; it keeps its state between them.

        Args:
            batch: samples side by side.

        Raises:
            ValueError: the numpy engine, which runs whole recordings only.
        """
        if self._native is None:
            raise ValueError("stream() needs engine='native'. Received: engine='numpy'")
        if not isinstance(batch, int) or batch < 1:
            raise ValueError(f"batch must be a positive integer. Received: batch={batch!r}")
        return SimulatorStream(self, self._extension.Live(self._native, batch), batch)

    def checked(self, spikes: np.ndarray) -> np.ndarray:
        """``spikes`` as uint8; ValueError if they do not fit the network."""
        spikes = np.asarray(spikes)
        if spikes.ndim < 3 or spikes.shape[2:] != self.input_shape:
            raise ValueError(
                f"spikes must be (batch, time, {', '.join(map(str, self.input_shape))}). "
                f"Received: spikes of shape {spikes.shape}"
            )
        on = spikes == 1
        if not np.array_equal(on, spikes.astype(bool)):
            raise ValueError("spikes must be 0 or 1. Received: spikes with other values")
        return on.view(np.uint8)

    def _neuron_layers(self) -> list[tuple[int, IntegerDense | IntegerConv, tuple[int, ...]]]:
        """(index, layer, output shape) of each layer with neurons."""
        layers = self.network.layers
        rows = zip(range(len(layers)), layers, list(self.network.shapes())[1:], strict=True)
        return [row for row in rows if not isinstance(row[1], IntegerFlatten)]

    def _record_native(self, spikes: np.ndarray, probe: set[str]) -> SimulationRecord:
        batch_time = spikes.shape[:2]
        counts, operations, *probed = self._native.run(
            spikes.reshape(*batch_time, int(np.prod(self.input_shape))),
            self.threads,
            *(name in probe for name in PROBES),
        )
        records = []
        for i, (index, layer, shape) in enumerate(self._neuron_layers()):
            kept = {
                name: arrays[i].reshape(*batch_time, *shape)
                for name, arrays in zip(PROBES, probed, strict=True)
                if name in probe
            }
            if "spikes" in kept:
                kept["spikes"] = kept["spikes"].astype(np.float32)
            size = int(np.prod(shape)), batch_time[1]
            records.append(
                LayerRecord(index, layer.type, *size, counts[:, i], operations[:, i], **kept)
            )
        output = probed[0][-1].astype(np.float32).reshape(*batch_time, *self.output_shape)
        return SimulationRecord(output, tuple(records))

    def _record_numpy(self, spikes: np.ndarray, probe: set[str]) -> SimulationRecord:
        runs = reference.simulate(self.network, spikes)
        records = []
        for (index, layer, shape), run in zip(self._neuron_layers(), runs, strict=True):
            output = run.spikes.astype(np.float32)
            counts = run.spikes.sum(axis=tuple(range(1, run.spikes.ndim)), dtype=np.int64)
            kept = {"spikes": output, "current": run.current, "voltage": run.voltage}
            records.append(
                LayerRecord(
                    index,
                    layer.type,
                    int(np.prod(shape)),
                    spikes.shape[1],
                    counts,
                    run.synaptic_operations,
                    **{name: kept[name] for name in probe},
                )
            )
        return SimulationRecord(
            output.reshape(*spikes.shape[:2], *self.output_shape), tuple(records)
        )


def _import_extension():
    try:
        return importlib.import_module("keras_slayer.export._simulator")
    except ImportError as error:
        raise ImportError(
            "The compiled Loihi simulator (keras_slayer.export._simulator) cannot be loaded: "
            f"{error}. Install the package with a C++ compiler at hand (`pip install .`, or "
            "`pip install -e .` in a checkout), or ask for the slow one: "
            'LoihiSimulator(path, engine="numpy").'
        ) from error


def _native_network(extension, network: IntegerNetwork):
    native = extension.Network(int(np.prod(network.input_shape)))
    shape = network.input_shape
    for layer in network.layers:
        before, shape = shape, layer.output_shape(shape)
        if isinstance(layer, IntegerFlatten):
            continue  # same order: channels last
        bias = np.zeros(shape, np.int32)
        if layer.bias is not None:
            bias += layer.bias  # one per neuron of a dense layer, per channel of a convolution
        neuron = extension.Neuron(
            layer.neuron.current_decay,
            layer.neuron.voltage_decay,
            layer.neuron.threshold_mantissa,
        )
        if isinstance(layer, IntegerDense):
            native.add_dense(layer.weight, layer.delay, bias, neuron)
        else:
            native.add_conv(
                layer.weight,
                before,
                layer.groups,
                layer.strides,
                layer.padding,
                layer.dilation,
                bias,
                neuron,
            )
    return native
