"""Reads the calls of a Keras model: Sequential or functional, nested or not."""

from __future__ import annotations

import keras

from keras_slayer.encoders import (
    DeltaEncoder,
    LatencyEncoder,
    PopulationEncoder,
    RateEncoder,
)
from keras_slayer.export.model.program import INPUT, Program, Ref, Step, split
from keras_slayer.export.problems import Notes
from keras_slayer.keras_models import is_by_layers, is_functional
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.layers.temporal_layer import TemporalLayer

_ENCODERS = (DeltaEncoder, LatencyEncoder, PopulationEncoder, RateEncoder)

KINDS = "keras.Sequential, or a functional keras.Model"


def read_program(model: keras.Model) -> tuple[Program | None, Notes]:
    """The calls of ``model``, or None and what keeps it from being exported.

    Raises:
        ValueError: no model.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model. Received: {type(model).__name__}")
    notes = Notes(model)
    reader = _Reader(notes)
    if not reader.can_read(model):
        return None, notes
    # One input is called the same in every file: Keras numbers those without a name as they come.
    alone = len(model.inputs) == 1
    inputs = {
        reader.unique("input" if alone else tensor.name): tuple(tensor.shape)
        for tensor in model.inputs
    }
    results = reader.run(model, [Ref(INPUT, i) for i in range(len(inputs))])
    if notes:
        return None, notes
    steps = reader.steps
    chip, host, read = split(steps, results)
    for name, shape in inputs.items():
        if len(shape) not in (3, 5) or None in shape[2:]:
            notes.add(
                f"the input {name!r} has shape {shape}"
                if len(inputs) > 1
                else f"the input has shape {shape}",
                "(batch, time, features) or (batch, time, height, width, channels)",
                "give keras.Input such a shape, with every size but batch and time",
            )
    if not any(step.spikes for step in steps):
        notes.add(
            "the model has no spiking layer",
            "at least one layer with neurons",
            "build it from SpikingDense, SpikingConv2D, SpikingSumPooling2D, SpikingActivation",
        )
    for layer in {id(steps[i].given): steps[i].given for i in chip}.values():
        _note_layer(layer, notes)
    if notes:
        return None, notes
    return Program(inputs, tuple(steps), chip, host, read, tuple(results)), notes


def _note_layer(layer: keras.Operation, notes: Notes) -> None:
    if isinstance(layer, _ENCODERS):
        notes.add(
            f"layer {layer.name!r} is an encoder ({type(layer).__name__})",
            "layers that take spikes",
            "make the layers behind it a model of their own, train both together, export that",
        )
    elif isinstance(layer, TemporalLayer) and layer.return_state:
        notes.add(
            f"layer {layer.name!r} returns its state",
            "layers that return their output alone",
            "build it with return_state=False",
        )


class _Reader:
    """Collects the steps of a model and of those inside it."""

    def __init__(self, notes: Notes):
        self.steps: list[Step] = []
        self._notes = notes
        self._names: set[str] = set()
        self._settled: dict[int, keras.Operation] = {}

    def unique(self, name: str) -> str:
        found, number = name, 1
        while found in self._names:
            number += 1
            found = f"{name}/{number}"
        self._names.add(found)
        return found

    def can_read(self, model: keras.Model) -> bool:
        if not is_by_layers(model):
            self._notes.add(f"the model is a {type(model).__name__}", KINDS, "build it as one")
            return False
        if not model.built or not model.layers:
            self._notes.add(
                "the model is not built",
                "a model that knows its shapes",
                "start it with keras.Input((time, ...)), or call it once on data",
            )
            return False
        return True

    def run(self, model: keras.Model, inputs: list[Ref]) -> list[Ref]:
        """The outputs of ``model`` for ``inputs``; adds what it does to the steps."""
        if not self.can_read(model):
            return inputs
        if not isinstance(model, keras.Sequential):
            return self._functional(model, inputs)
        for layer in model.layers:
            inputs = self._call(layer, (inputs[0],), {})
        return inputs

    def _call(self, operation: keras.Operation, args: tuple, kwargs: dict) -> list[Ref]:
        """One call, of which only the first output is known to be there."""
        if isinstance(operation, keras.layers.InputLayer):
            return list(args)
        if isinstance(operation, keras.Model):
            return self.run(operation, keras.tree.flatten(args))
        name = self.unique(operation.name)
        self.steps.append(Step(name, self._settle(operation), operation, args, kwargs))
        return [Ref(len(self.steps) - 1)]

    def _settle(self, layer: keras.Operation) -> keras.Operation:
        """A layer whose neurons have numbers as parameters, also where they were learned."""
        if not isinstance(layer, SpikingLayer):
            return layer
        if id(layer) not in self._settled:
            try:
                self._settled[id(layer)] = layer.settled()
            except ValueError as error:
                self._notes.add(
                    f"layer {layer.name!r}: {error}",
                    "a finite number, the same for all neurons of a layer",
                    "learn it with per='layer', and look at the training",
                )
                self._settled[id(layer)] = layer
        return self._settled[id(layer)]

    def _functional(self, model: keras.Model, inputs: list[Ref]) -> list[Ref]:
        """The steps of a functional model.

        The wiring is read from the model's config: of all that is public, only this leaves out what
        the layers are used for in other models.
        """
        config = model.get_config()
        operations = {operation.name: operation for operation in model.operations}
        known: dict[tuple, Ref] = {}  # by layer, number of the call, number of the output
        for key, ref in zip(tensor_keys(config["input_layers"]), inputs, strict=True):
            known[key] = ref
        calls = [
            (entry["name"], number, call)
            for entry in config["layers"]
            for number, call in enumerate(entry["inbound_nodes"])
        ]
        while calls:
            waiting = []
            for name, number, call in calls:
                if not all(key in known for key in _tensors(call)):
                    waiting.append((name, number, call))
                    continue
                kwargs = _decoded(call.get("kwargs", {}), known)
                if kwargs.pop("training", None):
                    self._notes.add(
                        f"layer {name!r} is called with training=True",
                        "layers as they are at inference",
                        "call the layer without it",
                    )
                kwargs = {k: v for k, v in kwargs.items() if not _empty(v)}
                args = tuple(_decoded(call.get("args", ()), known))
                refs = self._call(operations[name], args, kwargs)
                for i, ref in enumerate(refs):
                    known[name, number, i] = ref
                if not isinstance(operations[name], keras.Model):
                    known |= {
                        (name, number, i): Ref(refs[0].step, i)
                        for i in range(1, _outputs(config, name, number))
                    }
            if len(waiting) == len(calls):  # a layer without a call: no model that Keras makes
                raise ValueError(f"The config of {model.name!r} is not one of a functional model")
            calls = waiting
        return [
            # Keras counts the calls of a functional model from 1 here, and from 0 elsewhere.
            known[name, number - is_functional(operations[name]), index]
            for name, number, index in tensor_keys(config["output_layers"])
        ]


def tensor_keys(value) -> list[tuple]:
    """(layer, number of the call, number of the output) of each tensor, in the order of Keras."""
    if isinstance(value, dict):
        return [key for name in sorted(value) for key in tensor_keys(value[name])]
    if len(value) == 3 and isinstance(value[0], str):
        return [tuple(value)]
    return [key for item in value for key in tensor_keys(item)]


def _tensors(value) -> list[tuple]:
    """The keys of the tensors among the arguments of one call, wherever they are nested."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return [tuple(value["config"]["keras_history"])]
        return [key for item in value.values() for key in _tensors(item)]
    if isinstance(value, list | tuple):
        return [key for item in value for key in _tensors(item)]
    return []


def _outputs(config: dict, name: str, number: int) -> int:
    """How many outputs of a call are read."""
    read = [
        key
        for entry in config["layers"]
        for call in entry["inbound_nodes"]
        for key in _tensors(call)
    ] + tensor_keys(config["output_layers"])
    return 1 + max((key[2] for key in read if key[:2] == (name, number)), default=0)


def _decoded(value, known: dict[tuple, Ref]):
    """Serialised arguments with ``Ref`` in place of tensors."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return known[tuple(value["config"]["keras_history"])]
        if "class_name" in value:
            return keras.saving.deserialize_keras_object(value)
        return {key: _decoded(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_decoded(item, known) for item in value)
    return value


def _empty(value) -> bool:
    """A mask of None, or of several."""
    if isinstance(value, list | tuple):
        return all(_empty(item) for item in value)
    return value is None
