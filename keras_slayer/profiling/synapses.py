"""Counts the synaptic operations of one product of inputs and weights.

An input that is not zero makes an operation with each weight other than zero that it meets. How
many it meets, its fan-out, depends on where it is, not on the sample. So

    effective = sum over places of (nonzero inputs there, over samples and steps) * fan_out there

and nothing larger than one input is ever in memory.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

FanOut = Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
"""From which weights there are (booleans), and the shape of the places: how many an input meets."""


@dataclasses.dataclass(frozen=True, eq=False)
class Synapses:
    """A product of inputs and weights, or another map that is linear in both.

    Attributes:
        name: what tells it from others of its layer.
        inputs: tensor.
        places: the axes of ``inputs`` that tell its places apart. The weights act anew at every
            index of the other axes (samples, and mostly steps).
        kernel: the weights, as the forward pass uses them.
        fan_out: how many weights the input at each place meets.
        calls: how often a dense product would run where that is not the size of the other axes:
            the first step of a recurrent one has no input.
        stored: whether the weights are parameters, not constants.
    """

    name: str
    inputs: tf.Tensor
    places: tuple[int, ...]
    kernel: np.ndarray
    fan_out: FanOut
    calls: int | None = None
    stored: bool = True


class SynapseCounts:
    """Adds up one product over batches.

    Attributes:
        weights, zero_weights: parameters, and how many of them are zero.
        dense: products of all inputs and all weights.
        effective: those of which neither factor is zero.
        binary: whether every input was 0, 1 or -1.
    """

    def __init__(self) -> None:
        self.weights = self.zero_weights = self.dense = self.effective = 0
        self.binary = True
        self._fan_outs: dict[tuple[int, ...], tuple[np.ndarray, int]] = {}

    def add(self, synapses: Synapses) -> None:
        inputs, kernel = synapses.inputs, synapses.kernel
        if synapses.stored:
            self.weights, self.zero_weights = kernel.size, int(np.count_nonzero(kernel == 0))
        shape = tuple(int(inputs.shape[axis]) for axis in synapses.places)
        if shape not in self._fan_outs:
            fan_out = synapses.fan_out(kernel != 0, shape)
            every = synapses.fan_out(np.ones(kernel.shape, bool), shape)
            self._fan_outs[shape] = fan_out, int(every.sum())
        fan_out, per_call = self._fan_outs[shape]
        others = [axis for axis in range(inputs.shape.rank) if axis not in synapses.places]
        calls = math.prod(int(inputs.shape[axis]) for axis in others)
        self.dense += per_call * (calls if synapses.calls is None else synapses.calls)
        nonzero = tf.math.count_nonzero(inputs, axis=others, dtype=tf.int32).numpy()
        self.effective += int((nonzero.astype("int64") * fan_out).sum())
        self.binary = self.binary and is_binary(inputs)


def count_nonzero(x: tf.Tensor) -> int:
    """Elements of ``x`` that are not zero."""
    # int64 for all of them would take twice the memory of floats.
    rows = tf.reshape(x, (x.shape[0] if x.shape.rank else 1, -1))
    return int(tf.math.count_nonzero(rows, axis=0, dtype=tf.int32).numpy().sum(dtype="int64"))


def is_binary(x: tf.Tensor) -> bool:
    """Whether all of ``x`` is 0, 1 or -1."""
    if x.dtype == tf.bool:
        return True
    binary = (x == 0) | (x == 1)
    if not x.dtype.is_unsigned:
        binary |= x == -1
    return bool(tf.reduce_all(binary).numpy())


def of_matrix(kernel: np.ndarray, _places) -> np.ndarray:
    """Fan-out of a kernel (inputs, ...)."""
    return np.count_nonzero(kernel.reshape(len(kernel), -1), axis=1)


def of_taps(kernel: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """Fan-out of an FIR filter over time: of taps that come after the last step, nothing."""
    (steps,) = places
    reached = np.minimum(np.arange(steps, 0, -1), len(kernel))
    return np.cumsum(kernel)[reached - 1]


def of_linear(apply: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> FanOut:
    """Fan-out of ``apply(inputs (1, *places), kernel)``: the gradient of the sum of its outputs."""

    def fan_out(kernel: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
        # Whole numbers, which float64 adds without rounding.
        inputs = tf.zeros((1, *places), "float64")
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(apply(inputs, tf.cast(kernel, "float64")))
        gradient = tape.gradient(total, inputs)
        return np.rint(gradient.numpy()[0]).astype("int64")

    return fan_out
