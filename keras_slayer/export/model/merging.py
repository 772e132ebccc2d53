"""What layers of several inputs compute."""

from __future__ import annotations

import keras

from keras_slayer.export.model import values
from keras_slayer.export.model.float_network import Spikes
from keras_slayer.export.model.registry import handles
from keras_slayer.export.model.values import Current, Value
from keras_slayer.export.model.walk import MERGING, Walk


def _operation(compute) -> type[keras.Operation]:
    """The class of an operation of ``keras.ops``, which has no public name."""
    tensor = keras.Input((1, 1))
    return type(keras.Model(tensor, compute(tensor)).operations[-1])


ADDS = (keras.layers.Add, _operation(lambda x: keras.ops.add(x, x)))
JOINS = (
    keras.layers.Concatenate,
    _operation(lambda x: keras.ops.concatenate([x, x], axis=-1)),
)
MERGING.update({*ADDS, *JOINS, keras.layers.Average})


@handles(*ADDS)
def _add(layer: keras.Operation, walk: Walk) -> Value | None:
    if _alone(walk):
        return None
    given = _of_one_kind(walk)
    if any(value.shape != walk.output_shape for value in given):
        walk.notes.add(
            f"it adds data of the shapes {', '.join(str(value.shape) for value in given)}",
            "equal shapes: nothing is broadcast",
            "bring them to one shape",
        )
        return None
    return values.added(given)


@handles(keras.layers.Average)
def _average(layer: keras.layers.Average, walk: Walk) -> Value | None:
    total = _add(layer, walk)
    return None if total is None else values.scaled(total, 1 / len(walk.values))


@handles(*JOINS)
def _concatenate(layer: keras.Operation, walk: Walk) -> Value | None:
    if _alone(walk):
        return None
    rank = len(walk.shape) + 2
    axis = layer.axis % rank - 2
    result = None if axis < 0 else values.joined(_of_one_kind(walk), walk.output_shape, axis)
    if result is None:
        walk.notes.add(
            f"it joins data along axis {layer.axis}",
            "axes after time; before neurons the last alone",
            "join along the last axis",
        )
    return result


def _alone(walk: Walk) -> bool:
    """Whether only one of the values comes from the model; the others are constants then."""
    if len(walk.values) > 1:
        return False
    walk.notes.add(
        "it joins what the model computes with a constant",
        "what layers compute, two of them or more",
        "leave it out, or use a layer with a bias",
    )
    return True


def _of_one_kind(walk: Walk) -> list[Value]:
    """The values as they are, or all as currents where one of them is."""
    if not any(isinstance(value, Current) for value in walk.values):
        return walk.values
    return [
        values.identity(value, walk.name, "Add") if isinstance(value, Spikes) else value
        for value in walk.values
    ]
