"""The simulator in NumPy, its reference: the same integers without events, threads or C++.

Every synapse is computed in every step, so it is slow, and simple enough to be believed: the tests
hold the C++ engine against it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.loihi import DECAY_BITS, DECAY_UNIT, STATE_RANGE, STATE_SHIFT


@dataclass(frozen=True, eq=False)
class LayerRun:
    """What one layer did.

    Attributes:
        spikes: uint8 (batch, time, *output_shape).
        current, voltage: int64, same shape, as a probe reads them at the end of a step (the voltage
            after its reset).
        synaptic_operations: int64 (batch,).
    """

    spikes: np.ndarray
    current: np.ndarray
    voltage: np.ndarray
    synaptic_operations: np.ndarray


def simulate(network: IntegerNetwork, spikes: np.ndarray) -> Iterator[LayerRun]:
    """Yields what each layer with neurons does.

    Args:
        network: the chip's integers.
        spikes: 0 or 1, (batch, time, *network.input_shape).
    """
    for layer in network.layers:
        if isinstance(layer, IntegerFlatten):
            spikes = spikes.reshape(*spikes.shape[:2], int(np.prod(spikes.shape[2:])))
            continue
        # The hop: what is sent in step t arrives in step t + 1.
        arriving = np.zeros(spikes.shape)
        arriving[:, 1:] = spikes[:, :-1]
        synapses = dense_sums if isinstance(layer, IntegerDense) else conv_sums
        z = synapses(layer, arriving)
        operations = synapses(fan_out_counter(layer), arriving)
        bias = np.zeros(z.shape[-1], np.int64) if layer.bias is None else layer.bias
        run = run_neurons(layer.neuron, z, bias)
        spikes = run[0]
        yield LayerRun(*run, operations.sum(axis=tuple(range(1, operations.ndim))))


def fan_out_counter(layer: IntegerDense | IntegerConv) -> IntegerDense | IntegerConv:
    """The layer with 1 for each synapse, undelayed: its sums count synaptic operations."""
    ones = (layer.weight != 0).astype(np.int16)
    if isinstance(layer, IntegerDense):
        return IntegerDense(ones, layer.neuron)
    return IntegerConv(
        ones, layer.neuron, layer.strides, layer.padding, layer.dilation, layer.groups
    )


def dense_sums(layer: IntegerDense, arriving: np.ndarray) -> np.ndarray:
    """z[t] = sum_i W[i] s_i[t - delay_i], exact in float64."""
    if layer.delay is None:
        return np.rint(arriving @ layer.weight.astype(np.float64)).astype(np.int64)
    z = np.zeros((*arriving.shape[:2], layer.weight.shape[1]), np.int64)
    steps = arriving.shape[1]
    for delay in np.unique(layer.delay):
        part = np.where(layer.delay == delay, layer.weight, 0).astype(np.float64)
        shift = min(int(delay), steps)
        z[:, shift:] += np.rint(arriving[:, : steps - shift] @ part).astype(np.int64)
    return z


def conv_sums(layer: IntegerConv, arriving: np.ndarray) -> np.ndarray:
    """Cross-correlation of each step's image, tap by tap."""
    (sy, sx), (py, px), (dy, dx) = layer.strides, layer.padding, layer.dilation
    kernel_height, kernel_width, share, filters = layer.weight.shape
    height, width, _ = layer.output_shape(arriving.shape[2:])
    padded = np.pad(arriving, [(0, 0), (0, 0), (py, py), (px, px), (0, 0)])
    z = np.zeros((*arriving.shape[:2], height, width, filters), np.int64)
    per_group = filters // layer.groups
    for ky in range(kernel_height):
        for kx in range(kernel_width):
            rows = slice(ky * dy, ky * dy + (height - 1) * sy + 1, sy)
            columns = slice(kx * dx, kx * dx + (width - 1) * sx + 1, sx)
            tap = padded[:, :, rows, columns]
            for g in range(layer.groups):
                out = slice(g * per_group, (g + 1) * per_group)
                weight = layer.weight[ky, kx, :, out].astype(np.float64)
                z[..., out] += np.rint(tap[..., g * share : (g + 1) * share] @ weight).astype(
                    np.int64
                )
    return z


def shift_toward_zero(x: np.ndarray, bits: int) -> np.ndarray:
    """sign(x) * (abs(x) >> bits)."""
    return np.sign(x) * (np.abs(x) >> bits)


def run_neurons(
    neuron: IntegerNeuron, z: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spikes, current and voltage of CUBA neurons for the synaptic sums z (batch, time, ...)."""
    spikes = np.zeros(z.shape, np.uint8)
    currents, voltages = np.zeros_like(z), np.zeros_like(z)
    u = np.zeros(z.shape[:1] + z.shape[2:], np.int64)
    v = np.zeros_like(u)
    keep_u, keep_v = DECAY_UNIT - neuron.current_decay, DECAY_UNIT - neuron.voltage_decay
    for t in range(z.shape[1]):
        u = shift_toward_zero(u * keep_u, DECAY_BITS) + (z[:, t] << STATE_SHIFT)
        u = np.where(
            u > STATE_RANGE,
            u - 2 * STATE_RANGE,
            np.where(u <= -STATE_RANGE, u + 2 * STATE_RANGE, u),
        )
        v = shift_toward_zero(v * keep_v, DECAY_BITS) + u
        v = np.clip(v + (bias.astype(np.int64) << STATE_SHIFT), -STATE_RANGE + 1, STATE_RANGE - 1)
        fires = v > neuron.threshold_mantissa << STATE_SHIFT
        v = np.where(fires, 0, v)
        spikes[:, t], currents[:, t], voltages[:, t] = fires, u, v
    return spikes, currents, voltages
