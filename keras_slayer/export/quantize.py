"""From float layers to the integers of the chip: pure functions over small dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.model.float_network import Flatten, FloatLayer, FloatNetwork, Window
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerLayer,
    IntegerNetwork,
)
from keras_slayer.export.problems import Notes, Problem
from keras_slayer.export.target import Target
from keras_slayer.export.weight_grid import WeightDamage, WeightGrid, weight_damage


@dataclass(frozen=True, eq=False)
class Quantized:
    """One layer with neurons in integers.

    Attributes:
        source: the float layer.
        bits: width of its weights, without sign.
        weight: its integers in the shape of the float weights (the network's may have more taps,
            which are zero).
        grid: of the weights.
    """

    source: FloatLayer
    bits: int
    weight: np.ndarray
    grid: WeightGrid

    @property
    def exact(self) -> bool:
        """Whether the neurons see what they saw in the forward pass, whatever spikes come.

        They round their input to the integers' unit. So weights may differ as long as all of them
        together add up to less than half a unit: float noise, where a normalisation was folded in.
        """
        synapses, scale = self.source.synapses, float(self.grid.scale)
        difference = np.abs(synapses.used * scale - self.weight)
        worst = difference.reshape(-1, difference.shape[-1]).sum(axis=0)
        if synapses.shift is not None:
            worst = worst + np.abs(synapses.shift) * scale
        return bool(np.all(worst < 0.49))  # the rest is for float32 sums


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
    network: FloatNetwork, target: Target, weight_bits: int
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
        weight, notes = _to_integers(layer, target.grid, bits)
        problems += notes
        done.append(Quantized(layer, bits, weight, target.grid))
        layers.append(_integer_layer(layer, target, weight))
    return IntegerNetwork(tuple(network.input_shape), tuple(layers)), done, problems


def _to_integers(layer: FloatLayer, grid: WeightGrid, bits: int) -> tuple[np.ndarray, Notes]:
    """The integers of the weights that the layer's forward pass used.

    A layer that was trained on the chip's weights must have those: a weight that is no multiple of
    the step, or lies out of range, is a problem, and is not rounded here.
    """
    notes = Notes(layer)
    used = layer.synapses.used
    wrong = ~np.isfinite(used)
    allowed = "finite numbers"
    if layer.weight_bits is not None:
        # With NaN all comparisons are true, and it is wrong already.
        trained = layer.weight_bits
        wrong |= grid.nearest(used, trained) != used * float(grid.scale)
        allowed = (
            f"multiples of {grid.step(trained)}/{grid.scale} from {grid.low}/{grid.scale} to "
            f"{grid.high(trained)}/{grid.scale}"
        )
    if not wrong.any():
        return grid.nearest(used, bits).astype(np.int16), notes
    notes.add(
        f"{np.count_nonzero(wrong)} of {wrong.size} weights are not what the chip can hold "
        f"(the first: {used[wrong].flat[0]!r})",
        allowed,
        "look for non-finite weights, and train with the layer's own quantisation",
    )
    return np.zeros(used.shape, np.int16), notes


def _integer_layer(layer: FloatLayer, target: Target, weight: np.ndarray) -> IntegerLayer:
    neuron, synapses = target.to_integers(layer.neuron), layer.synapses
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
    """The same convolution with as many zeros before the image as after it: the chip has no other.

    Where Keras pads one zero more after the image, the kernel gets a first tap of zeros.
    """
    padding, dilation = list(window.padding), list(window.dilation)
    for axis, (before, after) in enumerate(window.padding):
        if before == after:
            continue
        if dilation[axis] > 1:  # as a kernel without dilation, zeros between its taps
            size = (weight.shape[axis] - 1) * dilation[axis] + 1
            wide = np.zeros([*weight.shape[:axis], size, *weight.shape[axis + 1 :]], weight.dtype)
            wide[(slice(None),) * axis + (slice(None, None, dilation[axis]),)] = weight
            weight, dilation[axis] = wide, 1
        more = [(0, 0)] * weight.ndim
        more[axis] = (after - before, 0)
        weight = np.pad(weight, more)
        padding[axis] = (after, after)
    return weight, Window(window.strides, tuple(padding), tuple(dilation), window.groups)


def compare(done: Sequence[Quantized]) -> list[WeightDamage]:
    """For each width, the damage to the weights of the forward pass, over all layers."""
    used = np.concatenate([layer.source.synapses.used.ravel() for layer in done])
    grid = done[0].grid
    return [weight_damage(used, grid, bits) for bits in range(1, grid.bits + 1)]
