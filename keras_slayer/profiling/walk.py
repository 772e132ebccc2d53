"""Finds the layers of a model, down to those whose kind is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import keras

from keras_slayer.profiling.kinds import rule_of
from keras_slayer.watching import layer_names

# fmt: off
WITHOUT_SYNAPSES = frozenset(
    [
        "Abs", "Add", "AvgPool", "BroadcastTo", "Cast", "Clip", "Concatenate", "Divide",
        "Exp", "ExpandDims", "Flip", "GetItem", "Max", "MaxPool", "Maximum", "Mean", "Min",
        "Minimum", "Moveaxis", "Multiply", "Negative", "Pad", "Ravel", "Relu", "Repeat",
        "Reshape", "Sigmoid", "Softmax", "Split", "Square", "Squeeze", "Stack", "Subtract",
        "Sum", "Swapaxes", "Tanh", "Tile", "Transpose", "TrueDivide", "Where",
    ]
)
# fmt: on
"""Operations of functional models (``x + y``, ``keras.ops.mean``) that multiply no matrices. Others
are listed as not counted."""


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A layer to be watched, or another operation of a functional model.

    Attributes:
        layer: what is called.
        name: in the profile; None for a wrapper that is not listed itself.
        core: the layer that computes: ``layer``, or the one that it applies to every step.
        per_step: whether ``layer`` applies a layer to every step.
        holds: whether layers within it are parts of their own.
        own_variables: those of no layer within it.
    """

    layer: keras.Operation
    name: str | None
    core: keras.Operation
    per_step: bool
    holds: bool
    own_variables: tuple[keras.Variable, ...]

    @property
    def type(self) -> str:
        kind = type(self.layer).__name__
        return kind if self.core is self.layer else f"{kind}({type(self.core).__name__})"


def parts_of(model: keras.Model) -> list[Part]:
    """The parts of ``model``, and models with variables that no layer of theirs holds."""
    found = list(_parts(model, set()))
    named = [p.layer for p in found if p.name is not None and isinstance(p.layer, keras.Layer)]
    names = layer_names(named)
    return [
        dataclasses.replace(part, name=names[part.layer]) if part.layer in names else part
        for part in found
    ]


def _parts(layer: keras.Layer, seen: set[int]) -> Iterator[Part]:
    if id(layer) in seen or isinstance(layer, keras.layers.InputLayer):
        return
    seen.add(id(layer))
    core, per_step = layer, isinstance(layer, keras.layers.TimeDistributed)
    if per_step:
        core = layer.layer
    held = _held(core)
    for inner in held:
        yield from _parts(inner, seen)
    for operation in getattr(core, "operations", ()):
        known = isinstance(operation, keras.Layer) or type(operation).__name__ in WITHOUT_SYNAPSES
        if not known:
            yield Part(operation, operation.name, operation, False, False, ())
    own = _own_variables(layer, held)
    only_calls = isinstance(core, keras.Model | keras.layers.Bidirectional) and not own
    if per_step or not only_calls:
        name = None if only_calls or (per_step and held) else layer.name
        yield Part(layer, name, core, per_step, bool(held), own)


def _own_variables(layer, held) -> tuple[keras.Variable, ...]:
    theirs = {id(variable) for inner in held for variable in inner.weights}
    return tuple(variable for variable in layer.weights if id(variable) not in theirs)


def _held(layer) -> list[keras.Layer]:
    """The layers within ``layer`` that are parts of their own: none if its kind is known."""
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    if rule_of(layer) is not None:
        return []
    found, seen, waiting = [], {id(layer)}, list(vars(layer).values())
    while waiting:
        item = waiting.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, keras.Layer):
            found.append(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend(item)
    return found
