"""From float layers to the integers of the chip: pure functions over small dataclasses.

A float weight is integer / 64 (WEIGHT_SCALE): 8 bits and sign give the even integers -256 ... 254,
fewer bits a coarser step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.model.graph import Flatten, FloatLayer, FloatNetwork, Window
from keras_slayer.export.network import (
    MIN_WEIGHT,
    WEIGHT_SCALE,
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerLayer,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.problems import Notes, Problem

WIDTHS = range(1, 9)

FLOAT_NOISE = 1e-4
"""Integer weights this close to what they were have not changed."""


@dataclass(frozen=True)
class WeightDamage:
    """What ``bits`` bits (and sign) do to weights: how many there are, are zero then, are not what
    they were, and were beyond the range even after rounding."""

    bits: int
    total: int
    zero: int
    changed: int
    out_of_range: int


@dataclass(frozen=True, eq=False)
class Quantized:
    """One layer with neurons in integers.

    Attributes:
        source: the float layer.
        bits: width of its weights, without sign.
        weight: its integers in the shape of the float weights (the network's may have taps of zeros
            in addition).
    """

    source: FloatLayer
    bits: int
    weight: np.ndarray

    @property
    def exact(self) -> bool:
        """Whether the neurons see what they saw in the forward pass, whatever spikes come.

        They round their input to units of 1/64. So weights may be off by what all of them together
        cannot bring to half a unit: float noise, where a normalisation was folded in.
        """
        synapses = self.source.synapses
        off = np.abs(synapses.used * float(WEIGHT_SCALE) - self.weight)
        worst = off.reshape(-1, off.shape[-1]).sum(axis=0)
        if synapses.shift is not None:
            worst = worst + np.abs(synapses.shift) * WEIGHT_SCALE
        return bool(np.all(worst < 0.49))  # the rest is for float32 sums


def weight_step(bits: int) -> int:
    """Distance of two integer weights of ``bits`` bits and sign: 2 for 8, 256 for 1."""
    return 1 << (9 - bits)


def to_grid(weights: np.ndarray, bits: int) -> np.ndarray:
    """The nearest integers that ``bits`` bits and sign have (ties to even), none left out."""
    step = weight_step(bits)
    return np.clip(_rounded(weights, step), MIN_WEIGHT, -MIN_WEIGHT - step)


def _rounded(weights: np.ndarray, step: int) -> np.ndarray:
    return np.rint(np.asarray(weights, np.float64) * WEIGHT_SCALE / step) * step


def weight_damage(weights: np.ndarray, bits: int) -> WeightDamage:
    """What it would do to the float ``weights`` to be held in ``bits`` bits and sign."""
    nearest, held = _rounded(weights, weight_step(bits)), to_grid(weights, bits)
    off = np.abs(np.asarray(weights, np.float64) * WEIGHT_SCALE - held)
    return WeightDamage(
        bits,
        total=int(held.size),
        zero=int(np.count_nonzero(held == 0)),
        changed=int(np.count_nonzero(off > FLOAT_NOISE)),
        out_of_range=int(np.count_nonzero(nearest != held)),
    )


def largest_synaptic_sum(weight: np.ndarray) -> int:
    """Worst case over neurons of |sum of weights|, all inputs of one sign spiking at once.

    Args:
        weight: integers, the last axis counts neurons or filters.
    """
    weight = weight.reshape(-1, weight.shape[-1]).astype(np.int64)
    positive = np.where(weight > 0, weight, 0).sum(axis=0)
    negative = np.where(weight < 0, -weight, 0).sum(axis=0)
    return int(max(positive.max(initial=0), negative.max(initial=0)))


def quantize(
    network: FloatNetwork, weight_bits: int = 8
) -> tuple[IntegerNetwork, list[Quantized], list[Problem]]:
    """Float layers as the chip's integers.

    A layer keeps the width it was trained with; one trained in float, or with more than
    ``weight_bits``, is rounded to ``weight_bits``.

    Returns:
        The network, what was done to each layer with neurons, and every problem met on the way.
    """
    layers: list[IntegerLayer] = []
    done: list[Quantized] = []
    problems: list[Problem] = []
    for layer in network.layers:
        if isinstance(layer, Flatten):
            layers.append(IntegerFlatten())
            continue
        bits = weight_bits if layer.weight_bits is None else min(weight_bits, layer.weight_bits)
        weight, notes = _to_integers(layer, bits)
        problems += notes
        done.append(Quantized(layer, bits, weight))
        layers.append(_integer_layer(layer, weight))
    return IntegerNetwork(tuple(network.input_shape), tuple(layers)), done, problems


def _to_integers(layer: FloatLayer, bits: int) -> tuple[np.ndarray, Notes]:
    """The integers of the weights that the layer's forward pass used.

    A layer that was trained on the chip's weights must have those: one that is no multiple of the
    step, or lies out of range, is a problem, not something to mend.
    """
    notes = Notes(layer)
    used = layer.synapses.used
    wrong = ~np.isfinite(used)
    allowed = "finite numbers"
    if layer.weight_bits is not None:
        # With NaN all comparisons are true, and it is wrong already.
        wrong |= to_grid(used, layer.weight_bits) != used * float(WEIGHT_SCALE)
        step = weight_step(layer.weight_bits)
        allowed = f"multiples of {step}/64 from -4 to {-MIN_WEIGHT - step}/64"
    if not wrong.any():
        return to_grid(used, bits).astype(np.int16), notes
    notes.add(
        f"{np.count_nonzero(wrong)} of {wrong.size} weights are not what the chip can hold "
        f"(the first: {used[wrong].flat[0]!r})",
        allowed,
        "look for non-finite weights, and train with the layer's own quantisation",
    )
    return np.zeros(used.shape, np.int16), notes


def _integer_layer(layer: FloatLayer, weight: np.ndarray) -> IntegerLayer:
    neuron = IntegerNeuron(
        int(layer.neuron.current_decay),
        int(layer.neuron.voltage_decay),
        int(layer.neuron.threshold_mantissa),
    )
    synapses = layer.synapses
    if synapses.window is None:
        delay = None
        if synapses.delay is not None:
            delay = np.repeat(synapses.delay.astype(np.uint8)[:, None], weight.shape[1], axis=1)
        return IntegerDense(weight, neuron, delay=delay)
    window = synapses.window
    weight, window = symmetric(weight, window)
    padding = tuple(before for before, _ in window.padding)
    return IntegerConv(weight, neuron, window.strides, padding, window.dilation, window.groups)


def symmetric(weight: np.ndarray, window: Window) -> tuple[np.ndarray, Window]:
    """The same convolution with as many zeros before the image as behind it, all that the chip
    knows: where Keras puts one more behind, the kernel gets a first tap of zeros."""
    padding, dilation = list(window.padding), list(window.dilation)
    for axis, (before, behind) in enumerate(window.padding):
        if before == behind:
            continue
        if dilation[axis] > 1:  # as a kernel without dilation, zeros between its taps
            size = (weight.shape[axis] - 1) * dilation[axis] + 1
            wide = np.zeros([*weight.shape[:axis], size, *weight.shape[axis + 1 :]], weight.dtype)
            wide[(slice(None),) * axis + (slice(None, None, dilation[axis]),)] = weight
            weight, dilation[axis] = wide, 1
        more = [(0, 0)] * weight.ndim
        more[axis] = (behind - before, 0)
        weight = np.pad(weight, more)
        padding[axis] = (behind, behind)
    return weight, Window(window.strides, tuple(padding), tuple(dilation), window.groups)


def compare(done: Sequence[Quantized]) -> list[WeightDamage]:
    """For each width, the damage to the weights of the forward pass, over all layers."""
    used = np.concatenate([layer.source.synapses.used.ravel() for layer in done])
    return [weight_damage(used, bits) for bits in WIDTHS]
