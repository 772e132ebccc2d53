"""Runs a model by its layers, on input of any length."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf


def apply_to(operation: keras.Operation, *inputs, **options):
    """The output of a layer, or of a model by its layers: a model insists on the length of its
    Input."""
    if isinstance(operation, keras.Sequential):
        (x,) = inputs
        for layer in operation.layers:
            x = apply_to(layer, x)
        return x
    if isinstance(operation, keras.Model):
        outputs = operation._run_through_graph(
            inputs, operation_fn=lambda inner: functools.partial(apply_to, inner)
        )
        flat = keras.tree.flatten(outputs)
        return flat[0] if len(flat) == 1 else outputs
    return operation(*inputs, **options)


def as_input(model: keras.Model, x, what: str = "A recording", time: str = "time") -> tf.Tensor:
    """``x`` (batch, time, ...) in the dtype that the model takes; ValueError for another shape."""
    x, expected = tf.convert_to_tensor(x), model.inputs[0]
    if x.shape.rank != len(expected.shape) or x.shape[2:] != expected.shape[2:]:
        shape = ", ".join(["batch", time, *map(str, expected.shape[2:])])
        raise ValueError(
            f"{what} for {model.name!r} has the shape ({shape}). Received: {tuple(x.shape)}"
        )
    return tf.cast(x, expected.dtype)
