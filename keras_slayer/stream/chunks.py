"""A loop over the chunks of a recording, and the outputs that it collects."""

from __future__ import annotations

import copy
from collections.abc import Callable

import keras
import tensorflow as tf


def over_chunks(chunk: Callable, x, steps: int, states: dict, *carried) -> list:
    """Runs ``chunk`` on one piece of time after the other, in the memory of one.

    Args:
        chunk: called with (first step, step after the last, states, *carried); returns
            (states, *carried).
        x: the recording (batch, time, ...), whose length counts.
        steps: length of a chunk; the last one may be shorter.
        states: before the first step. They may change their lengths.
        carried: nests of tensors that keep their shapes, and of ``tf.TensorArray``.

    Returns:
        ``carried`` after the last chunk.
    """
    total = tf.shape(x)[1]

    def body(first, states, *carried):
        last = tf.minimum(first + steps, total)
        return (last, *chunk(first, last, states, *carried))

    _, _, *carried = tf.while_loop(
        lambda first, *_: first < total,
        body,
        (0, states, *carried),
        shape_invariants=(
            tf.TensorShape([]),
            {name: tf.TensorShape([None, None, *s.shape[2:]]) for name, s in states.items()},
            *tf.nest.map_structure(_shape, carried),
        ),
        parallel_iterations=1,
    )
    return carried


def over_chunks_backwards(chunk: Callable, x, steps: int, kept, later, gradients) -> list:
    """Runs ``chunk`` on one piece of time after the other, from the last to the first.

    Args:
        chunk: called with (first step, step after the last, *what was kept before the piece, later,
            gradients); returns (later, gradients).
        x, steps: as for ``over_chunks``.
        kept: ``Kept`` of a run over the same chunks.
        later: nest of tensors, which may change their second axis.
        gradients: tensors.

    Returns:
        ``gradients`` after the first chunk.
    """
    total = tf.shape(x)[1]

    def body(i, later, gradients):
        first = i * steps
        last = tf.minimum(first + steps, total)
        return (i - 1, *chunk(first, last, *kept.read(i), later, gradients))

    invariants = tf.nest.map_structure(lambda y: tf.TensorShape([None, None, *y.shape[2:]]), later)
    _, _, gradients = tf.while_loop(
        lambda i, *_: i >= 0,
        body,
        ((total - 1) // steps, later, gradients),
        shape_invariants=(tf.TensorShape([]), invariants, [g.shape for g in gradients]),
        parallel_iterations=1,
    )
    return gradients


class Kept:
    """What was known before each chunk: states, which may change their lengths, and other tensors.

    Args:
        states, others: nests like those that are kept.
    """

    def __init__(self, states, others) -> None:
        self._like = states, others
        self.arrays = [
            tf.TensorArray(y.dtype, 0, dynamic_size=True, infer_shape=False)
            for y in tf.nest.flatten(self._like)
        ]

    def filled(self, arrays) -> Kept:
        """The same with these arrays, as a loop over the chunks has filled them."""
        other = copy.copy(self)
        other.arrays = arrays
        return other

    def added(self, arrays, states, others) -> list[tf.TensorArray]:
        """The arrays with one chunk more."""
        flat = tf.nest.flatten((states, others))
        return [a.write(a.size(), y) for a, y in zip(arrays, flat, strict=True)]

    def read(self, i):
        """(states, others) before chunk ``i``."""
        flat = [array.read(i) for array in self.arrays]
        states, others = tf.nest.pack_sequence_as(self._like, flat)
        for name, y in states.items():
            y.set_shape([None, None, *self._like[0][name].shape[2:]])
        for y, like in zip(others, self._like[1], strict=True):
            y.set_shape(like.shape)
        return states, others


def _shape(value) -> tf.TensorShape:
    return tf.TensorShape(None) if isinstance(value, tf.TensorArray) else value.shape


def cut(nest, first, last, axes: int):
    """The steps from ``first`` to ``last`` of each tensor with so many axes or more; the others as
    they are."""

    def part(value):
        if value is None:
            return None
        value = tf.convert_to_tensor(value)
        return value[:, first:last] if value.shape.rank >= axes else value

    return keras.tree.map_structure(part, nest)


def empty(outputs) -> list[tf.TensorArray]:
    """Where chunks of outputs like these are collected."""
    return [
        tf.TensorArray(output.dtype, 0, dynamic_size=True, infer_shape=False)
        for output in keras.tree.flatten(outputs)
    ]


def collect(collected: list[tf.TensorArray], outputs) -> list[tf.TensorArray]:
    """With one chunk of outputs (batch, time, ...) more."""
    flat = keras.tree.flatten(outputs)
    return [
        array.write(array.size(), _swapped(output))
        for array, output in zip(collected, flat, strict=True)
    ]


def joined(collected: list[tf.TensorArray], like, x):
    """The outputs for the whole recording ``x``, nested as the outputs ``like``."""
    joined = []
    for array, output in zip(collected, keras.tree.flatten(like), strict=True):
        series = _swapped(tf.ensure_shape(array.concat(), [None, None, *output.shape[2:]]))
        joined.append(tf.ensure_shape(series, [*x.shape[:2], *output.shape[2:]]))
    return keras.tree.pack_sequence_as(like, joined)


def _swapped(x):
    """(time, batch, ...) of (batch, time, ...), and back."""
    return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])
