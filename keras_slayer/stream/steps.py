"""Which layers act on each time step by itself, so that a model of them can run in chunks."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from keras_slayer.keras_models import is_by_layers
from keras_slayer.layers import Flatten, PerStep
from keras_slayer.layers.carry import CallNames
from keras_slayer.layers.temporal_layer import TemporalLayer
from keras_slayer.ops import library
from keras_slayer.stream import native
from keras_slayer.stream.step_parts import IN_TENSORFLOW

# Each value from the one at the same place; in inference, where dropout and noise do nothing.
_BY_VALUE = (
    keras.layers.Activation,
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.InputLayer,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Subtract,
)
# Each value from those of its step along the last axis, or along `axis`.
_ALONG_THE_LAST = (keras.layers.Dense,)
_ALONG_AN_AXIS = (
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.LayerNormalization,
    keras.layers.Softmax,
    keras.layers.UnitNormalization,
)
_OPERATIONS = ("Absolute", "Add", "Cast", "Divide", "Maximum", "Minimum", "Multiply", "Negative",
               "Subtract", "TrueDivide")  # fmt: skip


def layers_of(model: keras.Model) -> Iterator[keras.Operation]:
    """The layers and operations of a model, those of models within it, too."""
    if not is_by_layers(model):
        yield model  # as a layer that nobody can look into
        return
    for layer in model.layers if isinstance(model, keras.Sequential) else model.operations:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def paths_of(model: keras.Model, within: str = "") -> dict[int, str]:
    """Names of the layers by ``id``: with those of the Sequential models that they are in.

    Keras' own paths change where a model is saved and loaded.
    """
    by_layers = is_by_layers(model)
    sequential = by_layers and isinstance(model, keras.Sequential)
    within, found = f"{within}{model.name}/" if sequential else within, {}
    for layer in model.layers if by_layers else ():
        nested = isinstance(layer, keras.Model)
        inner = paths_of(layer, within) if nested else {id(layer): within + layer.name}
        found = inner | found  # a layer that several models share has its first name
    return found


def chain(model: keras.Model) -> list[native.Link]:
    """The layers of a model, one after the other, for single steps.

    Raises:
        ValueError: a model that is no such chain, or a layer that takes no single steps.
    """
    if library.native() is None:
        raise ValueError("step() needs the native ops: see keras_slayer.ops.backend()")
    links, names = [], CallNames(paths_of(model))
    shape = tuple(model.inputs[0].shape)
    for layer in _in_turn(model):
        kind = type(layer).__name__
        if not isinstance(layer, (*native.LAYERS, *IN_TENSORFLOW)):
            raise ValueError(
                "step() takes a chain of SpikingDense, SpikingRecurrentDense, SpikingConv2D, "
                "SpikingRecurrentConv2D, SpikingSumPooling2D, DelayLayer and Flatten. Call the "
                f"stream on chunks of one step instead. Received: {layer.name} ({kind})"
            )
        neuron = getattr(layer, "neuron", None)
        if layer.compute_dtype != "float32" or getattr(neuron, "kernels", None) is not None:
            raise ValueError(
                "step() computes in float32, with recursive neurons (kernel_cutoff=None). "
                f"Received: {layer.name} ({kind}) with dtype {layer.compute_dtype} and "
                f"neuron={neuron!r}"
            )
        after = tuple(layer.compute_output_shape(shape))
        links.append(native.Link(names(layer), layer, shape, after))
        shape = after
    return links


def _in_turn(model: keras.Model) -> Iterator[keras.Operation]:
    """The layers of a chain in the order in which data passes them; one that is used twice is
    there twice."""
    for layer in model.layers if isinstance(model, keras.Sequential) else _from_end(model):
        yield from _in_turn(layer) if isinstance(layer, keras.Model) else [layer]


def _from_end(model: keras.Model) -> list[keras.Operation]:
    """The operations of a functional model that is a chain."""
    if len(model.outputs) != 1:
        raise ValueError(
            "step() takes a model with one output. Call the stream on chunks of one step instead. "
            f"Received: model={model.name!r} with {len(model.outputs)} outputs"
        )
    found, tensor = [], model.outputs[0]
    while tensor is not model.inputs[0]:
        # Of this model: its layers may be parts of others, too.
        operation, call, _ = tensor._keras_history
        inputs = operation._inbound_nodes[call].input_tensors
        if len(inputs) != 1:
            raise ValueError(
                "step() takes a chain of layers, one behind the other. Call the stream on chunks "
                f"of one step instead. Received: {operation.name} ({type(operation).__name__})"
            )
        found.append(operation)
        (tensor,) = inputs
    return found[::-1]


def check(model: keras.Model, user: str) -> None:
    """ValueError if the model is not built of layers with one input, or if one of them looks over
    the whole time axis, or may do so; ``user`` is who needs it."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model. Received: model={model!r}")
    if not model.built or not hasattr(model, "inputs"):
        raise ValueError(
            f"A {user} needs a model that is built: Sequential or functional, beginning with "
            f"keras.Input. Received: model={model.name!r}"
        )
    if len(model.inputs) != 1:
        raise ValueError(
            f"A {user} takes a model with one input. Received: model={model.name!r} with "
            f"{len(model.inputs)} inputs"
        )
    refused = {}
    for layer in layers_of(model):
        if why := _reason(layer):
            refused[layer.name] = f"{layer.name} ({type(layer).__name__}): {why}"
    if refused:
        raise ValueError(
            f"A {user} runs a model step by step, and these layers do not act so:\n  "
            + "\n  ".join(refused.values())
        )


def _reason(layer: keras.Operation) -> str:
    """Why the layer cannot run in chunks; empty if it can."""
    if isinstance(layer, (Flatten, PerStep)):
        return ""
    if isinstance(layer, keras.layers.TimeDistributed):
        return "it needs a known number of steps: use PerStep, which computes the same"
    if isinstance(layer, TemporalLayer):
        return "it returns its state: give it return_state=False" if layer.return_state else ""
    if isinstance(layer, keras.layers.PReLU) and 1 not in (layer.shared_axes or ()):
        return "it has a weight for each step: give it shared_axes=[1]"
    if isinstance(layer, (*_BY_VALUE, *_ALONG_THE_LAST)):
        return ""
    if isinstance(layer, _ALONG_AN_AXIS):
        axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
        rank = len(layer.output.shape)
        return "it computes along time" if any(axis % rank == 1 for axis in axes) else ""
    if isinstance(layer, keras.Model):
        return "it has a call() of its own"
    if not isinstance(layer, keras.layers.Layer):  # of keras.ops
        name = type(layer).__name__
        if name not in _OPERATIONS:
            return f"keras.ops.{name.lower()} may look along time"
        return "it has a constant for each step" if _varies_in_time(layer) else ""
    if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Permute)):
        return "it moves the time axis: use keras_slayer.Flatten, or PerStep"
    return "it may look over the whole time axis: wrap it in PerStep if it acts on each step"


def _varies_in_time(operation: keras.Operation) -> bool:
    """Whether an argument is an array with a time axis."""
    behind = len(operation.output.shape) - 1  # axes from time on
    nodes = operation._inbound_nodes
    arguments = keras.tree.flatten([(n.arguments.args, n.arguments.kwargs) for n in nodes])
    constants = (np.shape(a) for a in arguments if not keras.utils.is_keras_tensor(a))
    return any(len(shape) >= behind and shape[-behind] > 1 for shape in constants)
