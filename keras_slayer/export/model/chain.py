"""A Keras model as the chain of layers it is: Sequential or functional, nested or not."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from keras_slayer.encoders import (
    DeltaEncoder,
    LatencyEncoder,
    PopulationEncoder,
    RateEncoder,
)
from keras_slayer.export.problems import Notes
from keras_slayer.keras_models import is_by_layers
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.layers.spiking_recurrent_dense import SpikingRecurrentDense
from keras_slayer.layers.temporal_layer import TemporalLayer

_ENCODERS = (DeltaEncoder, LatencyEncoder, PopulationEncoder, RateEncoder)

KINDS = "keras.Sequential, or a functional keras.Model whose layers form one chain"


@dataclass(frozen=True, eq=False)
class Chain:
    """The layers of a model in the order in which data passes them.

    Attributes:
        input_shape: of the model, with batch and time.
        layers: up to the last spiking layer: what the chip runs. What their neurons learned is
            settled.
        given: the same layers as the model has them.
        host: what comes after it, and runs on the host.
    """

    input_shape: tuple[int | None, ...]
    layers: tuple[keras.Layer, ...]
    host: tuple[keras.Operation, ...]
    given: tuple[keras.Operation, ...]


def read_chain(model: keras.Model) -> tuple[Chain | None, Notes]:
    """The chain of ``model``, or None and what keeps it from being one."""
    notes = Notes(model)
    operations = _operations(model, notes)
    if notes:
        return None, notes
    for layer in operations:
        if isinstance(layer, _ENCODERS):
            notes.add(
                f"layer {layer.name!r} is an encoder ({type(layer).__name__})",
                "layers that take spikes",
                "make the layers behind it a model of their own, train both together, export that",
            )
        elif isinstance(layer, SpikingRecurrentDense):
            notes.add(
                f"the neurons of layer {layer.name!r} (SpikingRecurrentDense) feed each other",
                "layers that feed forward: loops are not written yet",
                "use SpikingDense, with a DelayLayer before it where the network has to remember",
            )
        elif isinstance(layer, TemporalLayer) and layer.return_state:
            notes.add(
                f"layer {layer.name!r} returns its state",
                "layers that return their output alone",
                "build it with return_state=False",
            )
    shape = tuple(model.input_shape)
    if len(shape) not in (3, 5) or None in shape[2:]:
        notes.add(
            f"the input has shape {shape}",
            "(batch, time, features) or (batch, time, height, width, channels)",
            "give keras.Input such a shape, with every size but batch and time",
        )
    spiking = [i for i, layer in enumerate(operations) if isinstance(layer, SpikingLayer)]
    if not spiking:
        notes.add(
            "the model has no spiking layer",
            "at least one layer with neurons",
            "build it from SpikingDense, SpikingConv2D, SpikingSumPooling2D, SpikingActivation",
        )
    if notes:
        return None, notes
    end = spiking[-1] + 1
    given, host = tuple(operations[:end]), tuple(operations[end:])
    layers = tuple(_settled(layer, notes) for layer in given)
    return Chain(shape, layers, host, given), notes


def _settled(layer: keras.Operation, notes: Notes) -> keras.Operation:
    """A layer whose neurons have numbers as parameters, also where they were learned."""
    if not isinstance(layer, SpikingLayer):
        return layer
    try:
        return layer.settled()
    except ValueError as error:
        notes.add(
            f"layer {layer.name!r}: {error}",
            "one value for all neurons of a layer",
            "learn it with per='layer'",
        )
        return layer


def _operations(model: keras.Model, notes: Notes) -> list[keras.Operation]:
    """What data passes, in order, models inside the model replaced by what they consist of."""
    if not is_by_layers(model):
        notes.add(f"the model is a {type(model).__name__}", KINDS, "build it as one of these")
        return []
    if not model.built or not model.layers:
        notes.add(
            "the model is not built",
            "a model that knows its shapes",
            "start it with keras.Input((time, ...)), or call it once on data",
        )
        return []
    if isinstance(model, keras.Sequential):
        operations = list(model.layers)
    else:
        operations = _follow(model, notes)
    result = []
    for operation in operations:
        if isinstance(operation, keras.Model):
            result += _operations(operation, notes)
        elif not isinstance(operation, keras.layers.InputLayer):
            result.append(operation)
    return result


def _follow(model: keras.Model, notes: Notes) -> list[keras.Operation]:
    """The operations of a functional model from its input to its output.

    The wiring is read from the model's config: of all that is public, only this leaves out what
    the layers are used for in other models.
    """
    config = model.get_config()
    operations = {operation.name: operation for operation in model.operations}
    nodes = {entry["name"]: entry["inbound_nodes"] for entry in config["layers"]}
    sources = {}
    for name, calls in nodes.items():
        tensors = [tensor for call in calls for tensor in _tensors(call)]
        sources[name] = [tensor["config"]["keras_history"][0] for tensor in tensors]
        if len(sources[name]) > 1:
            notes.add(
                f"layer {name!r} has {len(sources[name])} inputs, or is used more than once",
                KINDS,
                "give every layer one input and one use",
            )
        if any(call.get("kwargs", {}).get("training") for call in calls):
            notes.add(
                f"layer {name!r} is called with training=True",
                "layers as they are at inference",
                "call the layer without it",
            )
    for name in nodes:
        readers = [other for other, read in sources.items() if name in read]
        if len(readers) > 1:
            notes.add(f"the output of {name!r} goes to {readers}", KINDS, "remove the branches")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        notes.add(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            "one of each",
            "export the part with one input and one output",
        )
    if notes:
        return []
    output = config["output_layers"]
    path = [output[0] if isinstance(output[0], str) else output[0][0]]
    while sources[path[-1]]:
        path.append(sources[path[-1]][0])
    return [operations[name] for name in reversed(path)]


def _tensors(value) -> list[dict]:
    """The tensors among the arguments of one call, wherever they are nested."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [value]
        return [tensor for item in value.values() for tensor in _tensors(item)]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _tensors(item)]
    return []
