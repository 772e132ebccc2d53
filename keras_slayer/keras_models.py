"""What Keras' own kinds of models are."""

from __future__ import annotations

import functools

import keras


@functools.cache
def _functional() -> type[keras.Model]:
    # Keras has no public name for the class that keras.Model(inputs, outputs) gives.
    tensor = keras.Input((1,))
    return type(keras.Model(tensor, tensor))


def is_functional(operation: keras.Operation) -> bool:
    """Whether it is a functional model."""
    return isinstance(operation, _functional())


def is_by_layers(model: keras.Model) -> bool:
    """Whether a model is Sequential or functional, and computes what its layers say. (A subclass
    may train in its own way.)"""
    kind = keras.Sequential if isinstance(model, keras.Sequential) else _functional()
    return isinstance(model, kind) and type(model).call is kind.call
