"""Runs a model by its layers, on input of any length."""

from __future__ import annotations

import functools
import inspect

import keras


def apply_to(operation: keras.Operation, *inputs, training: bool | None = None, **options):
    """The output of a layer, or of a model by its layers: a model insists on the length of its
    Input."""
    if isinstance(operation, keras.Sequential):
        (x,) = inputs
        for layer in operation.layers:
            x = apply_to(layer, x, training=training)
        return x
    if isinstance(operation, keras.Model):
        outputs = operation._run_through_graph(
            inputs,
            operation_fn=lambda inner: functools.partial(apply_to, inner, training=training),
        )
        flat = keras.tree.flatten(outputs)
        return flat[0] if len(flat) == 1 else outputs
    if training is not None and "training" in inspect.signature(operation.call).parameters:
        options.setdefault("training", training)
    return operation(*inputs, **options)
