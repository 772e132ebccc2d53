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
            tf.nest.map_structure(_any_numbers, states),
            *tf.nest.map_structure(_shape, carried),
        ),
        parallel_iterations=1,
    )
    return carried


def over_chunks_backwards(chunk: Callable, x, steps: int, later, *carried) -> list:
    """The same from the last chunk to the first.

    Args:
        chunk: called with (number of the chunk, first step, step after the last, later, *carried);
            returns (later, *carried).
        x, steps, carried: as for ``over_chunks``.
        later: nest of tensors (batch, numbers, ...), whose second axis may change its size.

    Returns:
        ``carried`` after the first chunk.
    """
    total = tf.shape(x)[1]

    def body(i, later, *carried):
        last = tf.minimum((i + 1) * steps, total)
        return (i - 1, *chunk(i, i * steps, last, later, *carried))

    _, _, *carried = tf.while_loop(
        lambda i, *_: i >= 0,
        body,
        ((total - 1) // steps, later, *carried),
        shape_invariants=(
            tf.TensorShape([]),
            tf.nest.map_structure(_any_numbers, later),
            *tf.nest.map_structure(_shape, carried),
        ),
        parallel_iterations=1,
    )
    return carried


def _any_numbers(state) -> tf.TensorShape:
    return tf.TensorShape([None, None, *state.shape[2:]])


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


def keep(kept: list[tf.TensorArray], nest) -> list[tf.TensorArray]:
    """With the tensors of one chunk more, as they are."""
    flat = keras.tree.flatten(nest)
    return [array.write(array.size(), y) for array, y in zip(kept, flat, strict=True)]


def read(kept: list[tf.TensorArray], i, states: dict, others: list) -> tuple[dict, list]:
    """What was kept of chunk ``i``: states like these, of any length, and other tensors."""
    flat = [array.read(i) for array in kept]
    found = keras.tree.pack_sequence_as((states, others), flat)
    for name, y in found[0].items():
        y.set_shape(_any_numbers(states[name]))
    for y, like in zip(found[1], others, strict=True):
        y.set_shape(like.shape)
    return found


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
