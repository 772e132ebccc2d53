"""From float layers to the integers of the chip: pure functions over small dataclasses.

A float weight is integer / 64 (WEIGHT_SCALE): 8 bits and sign give the even integers -256 ... 254,
fewer bits a coarser step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.graph import Flatten, FloatLayer
from keras_slayer.export.network import (
    MIN_WEIGHT,
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerLayer,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.problems import Problem

WEIGHT_SCALE = 64
"""Integer weight on the chip = WEIGHT_SCALE * float weight."""


@dataclass(frozen=True)
class WeightDamage:
    """What quantisation did to the weights of one layer (numbers of weights)."""

    total: int
    zero: int
    changed: int
    out_of_range: int


def weight_step(weight_bits: int) -> int:
    """Distance of two integer weights of ``weight_bits`` bits and sign: 2 for 8, 256 for 1."""
    return 1 << (9 - weight_bits)


def weight_damage(kernel: np.ndarray, integers: np.ndarray, weight_bits: int) -> WeightDamage:
    """Compares the trained float weights with the integers that stand for them.

    Args:
        kernel: float weights as trained.
        integers: the chip's weights, same shape.
        weight_bits: 1 ... 8, without the sign.

    Returns:
        Weights in all, zero on the chip, not exactly what was trained, and beyond the
        range of ``weight_bits`` even after rounding (these were clamped in training already).
    """
    step = weight_step(weight_bits)
    scaled = kernel.astype(np.float64) * WEIGHT_SCALE
    nearest = np.rint(scaled / step) * step
    return WeightDamage(
        total=int(integers.size),
        zero=int(np.count_nonzero(integers == 0)),
        changed=int(np.count_nonzero(scaled != integers)),
        out_of_range=int(np.count_nonzero((nearest < MIN_WEIGHT) | (nearest > -MIN_WEIGHT - step))),
    )


def largest_synaptic_sum(layer: IntegerDense | IntegerConv) -> int:
    """Worst case over neurons of |sum of weights|, all inputs of one sign spiking at once."""
    weight = layer.weight.astype(np.int64)
    fan_in = tuple(range(weight.ndim - 1))
    positive = np.where(weight > 0, weight, 0).sum(axis=fan_in)
    negative = np.where(weight < 0, -weight, 0).sum(axis=fan_in)
    return int(max(positive.max(initial=0), negative.max(initial=0)))


def to_integers(layer: FloatLayer) -> tuple[np.ndarray, list[Problem]]:
    """The integers of the weights that the layer's forward pass used.

    The layer was trained with these, so nothing may be rounded here: a weight that is no multiple
    of the step, or lies out of range, is a problem, not something to mend.
    """
    scaled = layer.used.astype(np.float64) * WEIGHT_SCALE
    step = weight_step(layer.neuron.weight_bits)
    top = -MIN_WEIGHT - step
    # Not finite first: comparisons with NaN are all false.
    wrong = ~np.isfinite(scaled)
    wrong |= (scaled < MIN_WEIGHT) | (scaled > top) | (scaled != np.rint(scaled / step) * step)
    if not wrong.any():
        return scaled.astype(np.int16), []
    problem = Problem(
        layer.name,
        f"{np.count_nonzero(wrong)} of {wrong.size} weights are not on the chip's grid "
        f"(the first: {layer.used[wrong].flat[0]!r})",
        f"multiples of {step}/64 from -4 to {top}/64",
        "look for non-finite weights, and train with the layer's own quantisation",
    )
    return np.zeros(scaled.shape, np.int16), [problem]


def quantize(
    input_shape: tuple[int, ...], layers: Sequence[FloatLayer | Flatten]
) -> tuple[IntegerNetwork, list[Problem]]:
    """Float layers as the chip's integers, and every problem met on the way."""
    result: list[IntegerLayer] = []
    problems: list[Problem] = []
    for layer in layers:
        if isinstance(layer, Flatten):
            result.append(IntegerFlatten())
            continue
        weight, found = to_integers(layer)
        problems += found
        neuron = IntegerNeuron(
            int(layer.neuron.current_decay),
            int(layer.neuron.voltage_decay),
            int(layer.neuron.threshold_mantissa),
        )
        if layer.window is None:
            result.append(IntegerDense(weight, neuron))
        else:
            w = layer.window
            result.append(IntegerConv(weight, neuron, w.strides, w.padding, w.dilation, w.groups))
    return IntegerNetwork(tuple(input_shape), tuple(result)), problems
