"""A loop over the chunks of a recording, and the outputs that it collects."""

from __future__ import annotations

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
