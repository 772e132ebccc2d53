"""The simulator in NumPy, its reference: the same integers without events, threads or C++.

Every synapse is computed in every step, so it is slow, and simple enough to be believed: the tests
hold the C++ engine against it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from keras_slayer.export.graph import (
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    Synapses,
)
from keras_slayer.export.network import IntegerNeuron
from keras_slayer.loihi import DECAY_BITS, DECAY_UNIT, STATE_RANGE, STATE_SHIFT


@dataclass(frozen=True, eq=False)
class PopulationRun:
    """What one population did.

    Attributes:
        spikes: uint8 (batch, time, *shape).
        current, voltage: int64, same shape, as a probe reads them at the end of a step (the voltage
            after its reset).
        synaptic_operations: int64 (batch,).
    """

    spikes: np.ndarray
    current: np.ndarray
    voltage: np.ndarray
    synaptic_operations: np.ndarray


def simulate(
    graph: IntegerGraph, spikes: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, PopulationRun]]:
    """Yields the name of each population and what it does.

    Args:
        graph: the chip's integers.
        spikes: 0 or 1, (batch, time, *shape), by the names of the inputs.
    """
    sent = dict(spikes)
    batch_time = next(iter(sent.values())).shape[:2]
    for name, population in graph.populations.items():
        run = run_population(name, population, sent, batch_time)
        sent[name] = run.spikes
        yield name, run


def run_population(
    name: str, population: Population, sent: Mapping[str, np.ndarray], batch_time: tuple[int, int]
) -> PopulationRun:
    """One population, for what all that it has connections from has sent."""
    batch, steps = batch_time
    z = np.zeros((*batch_time, *population.shape), np.int64)
    operations = np.zeros(batch, np.int64)
    recurrent = []
    for connection in population.connections:
        if connection.source == name:
            recurrent.append(connection.synapses)
        else:
            z += sums(connection.synapses, hop(sent[connection.source]), population.shape)
    neurons = Neurons(population.neuron, (batch, *population.shape), population.bias)
    spikes = np.zeros(z.shape, np.uint8)
    currents, voltages = np.zeros_like(z), np.zeros_like(z)
    for t in range(steps):
        spikes[:, t], currents[:, t], voltages[:, t] = neurons.step(z[:, t])
        for synapses in recurrent:
            # What the spikes of this step alone bring to the next ones.
            reach = min(steps - t, 2 + synapses.longest_delay)
            alone = np.zeros((batch, reach, *population.shape))
            alone[:, 0] = spikes[:, t]
            z[:, t : t + reach] += sums(synapses, hop(alone), population.shape)
    for connection in population.connections:
        arriving = hop(spikes if connection.source == name else sent[connection.source])
        met = sums(one_for_each(connection.synapses), arriving, population.shape)
        operations += met.sum(axis=tuple(range(1, met.ndim)))
    return PopulationRun(spikes, currents, voltages, operations)


def hop(spikes: np.ndarray) -> np.ndarray:
    """What is sent in step t arrives in step t + 1."""
    arriving = np.zeros(spikes.shape)
    arriving[:, 1:] = spikes[:, :-1]
    return arriving


def one_for_each(synapses: Synapses) -> Synapses:
    """With weight 1 for each synapse, without delays: the sums count synaptic operations."""
    ones = (synapses.weight != 0).astype(np.int16)
    if isinstance(synapses, DenseSynapses):
        return DenseSynapses(ones)
    return replace(synapses, weight=ones, delay=0)


def sums(synapses: Synapses, arriving: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What synapses bring to neurons of ``shape`` in each step, int64 (batch, time, *shape)."""
    if isinstance(synapses, ConvSynapses):
        late = np.zeros_like(arriving)
        late[:, synapses.delay :] = arriving[:, : max(arriving.shape[1] - synapses.delay, 0)]
        return conv_sums(synapses, late)
    flat = arriving.reshape(*arriving.shape[:2], synapses.weight.shape[0])
    return dense_sums(synapses, flat).reshape(*arriving.shape[:2], *shape)


def dense_sums(synapses: DenseSynapses, arriving: np.ndarray) -> np.ndarray:
    """z[t] = sum_i W[i] s_i[t - delay_i], exact in float64."""
    if synapses.delay is None:
        return np.rint(arriving @ synapses.weight.astype(np.float64)).astype(np.int64)
    z = np.zeros((*arriving.shape[:2], synapses.weight.shape[1]), np.int64)
    steps = arriving.shape[1]
    for delay in np.unique(synapses.delay):
        part = np.where(synapses.delay == delay, synapses.weight, 0).astype(np.float64)
        shift = min(int(delay), steps)
        z[:, shift:] += np.rint(arriving[:, : steps - shift] @ part).astype(np.int64)
    return z


def conv_sums(synapses: ConvSynapses, arriving: np.ndarray) -> np.ndarray:
    """Cross-correlation of each step's image, tap by tap."""
    (sy, sx), (py, px), (dy, dx) = synapses.strides, synapses.padding, synapses.dilation
    kernel_height, kernel_width, share, filters = synapses.weight.shape
    height, width, _ = synapses.output_shape(arriving.shape[2:])
    padded = np.pad(arriving, [(0, 0), (0, 0), (py, py), (px, px), (0, 0)])
    z = np.zeros((*arriving.shape[:2], height, width, filters), np.int64)
    per_group = filters // synapses.groups
    for ky in range(kernel_height):
        for kx in range(kernel_width):
            rows = slice(ky * dy, ky * dy + (height - 1) * sy + 1, sy)
            columns = slice(kx * dx, kx * dx + (width - 1) * sx + 1, sx)
            tap = padded[:, :, rows, columns]
            for g in range(synapses.groups):
                out = slice(g * per_group, (g + 1) * per_group)
                weight = synapses.weight[ky, kx, :, out].astype(np.float64)
                z[..., out] += np.rint(tap[..., g * share : (g + 1) * share] @ weight).astype(
                    np.int64
                )
    return z


def shift_toward_zero(x: np.ndarray, bits: int) -> np.ndarray:
    """sign(x) * (abs(x) >> bits)."""
    return np.sign(x) * (np.abs(x) >> bits)


class Neurons:
    """CUBA neurons of ``shape`` from rest; ``bias`` for each place of the last axis, or None."""

    def __init__(self, neuron: IntegerNeuron, shape: tuple[int, ...], bias: np.ndarray | None):
        self.u, self.v = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.keep_u = DECAY_UNIT - neuron.current_decay
        self.keep_v = DECAY_UNIT - neuron.voltage_decay
        self.threshold = neuron.threshold_mantissa << STATE_SHIFT
        self.bias = np.int64(0) if bias is None else bias.astype(np.int64) << STATE_SHIFT

    def step(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spikes, current and voltage after a step with the synaptic sums z."""
        u = shift_toward_zero(self.u * self.keep_u, DECAY_BITS) + (z << STATE_SHIFT)
        self.u = np.where(
            u > STATE_RANGE,
            u - 2 * STATE_RANGE,
            np.where(u <= -STATE_RANGE, u + 2 * STATE_RANGE, u),
        )
        v = shift_toward_zero(self.v * self.keep_v, DECAY_BITS) + self.u
        v = np.clip(v + self.bias, -STATE_RANGE + 1, STATE_RANGE - 1)
        fires = v > self.threshold
        self.v = np.where(fires, 0, v)
        return fires, self.u, self.v
