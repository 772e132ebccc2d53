"""What ``fold_normalization`` can fold: weights, a normalisation and neurons in a row."""

from __future__ import annotations

import collections
import dataclasses

import keras

from keras_slayer import layers as spiking
from keras_slayer.keras_models import is_by_layers
from keras_slayer.neurons import LoihiCUBA


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """Weights, their normalisation if any, and the neurons that they end in."""

    weights: keras.Layer
    norm: keras.layers.BatchNormalization | None
    neurons: spiking.SpikingActivation

    @property
    def inner(self) -> keras.Layer:
        return getattr(self.weights, "layer", self.weights)


def models_in(model: keras.Model) -> list[keras.Model]:
    """A model and those inside it, each once, as functional ones."""
    found, waiting = {}, [model]
    while waiting:
        given = waiting.pop()
        if id(given) not in found:
            found[id(given)] = functional(given)
            waiting += [layer for layer in given.layers if is_model(layer)]
    return list(found.values())


def is_model(layer: keras.Layer) -> bool:
    """Whether it is a model that computes what its layers say."""
    return isinstance(layer, keras.Model) and is_by_layers(layer)


def functional(model: keras.Model) -> keras.Model:
    """A model by its layers as a functional one, of the same layers."""
    if not isinstance(model, keras.Sequential):
        return model
    return keras.Model(model.inputs, model.outputs, name=model.name)


def chains_in(models: list[keras.Model]) -> list[Chain]:
    """What can be folded: what only one of the models uses."""
    uses = collections.Counter(id(layer) for model in models for layer in model.layers)
    found = [chain for model in models for chain in _chains_of(model)]
    parts = ((chain.weights, chain.norm or chain.weights, chain.neurons) for chain in found)
    return [
        chain
        for chain, layers in zip(found, parts, strict=True)
        if all(uses[id(layer)] == 1 for layer in layers)
    ]


def _chains_of(model: keras.Model) -> list[Chain]:
    layers = {layer.name: layer for layer in model.layers}
    readers: dict[str, list[str]] = {name: [] for name in layers}
    calls: dict[str, int] = {}
    for entry in model.get_config()["layers"]:
        calls[entry["name"]] = len(entry["inbound_nodes"])
        for source in _sources(entry["inbound_nodes"]):
            readers.setdefault(source, []).append(entry["name"])
    outputs = {tensor._keras_history.operation.name for tensor in model.outputs}

    def only_reader(layer):
        names = readers[layer.name]
        alone = len(names) == 1 and layer.name not in outputs and calls[names[0]] == 1
        return layers.get(names[0]) if alone else None

    found = []
    for layer in model.layers:
        if not _has_weights(layer) or calls[layer.name] != 1:
            continue
        norm, neurons = None, only_reader(layer)
        if isinstance(neurons, keras.layers.BatchNormalization) and _of_channels(neurons):
            norm, neurons = neurons, only_reader(neurons)
        known = type(neurons) is spiking.SpikingActivation and isinstance(neurons.neuron, LoihiCUBA)
        if known:
            found.append(Chain(layer, norm, neurons))
    return found


def _sources(value) -> list[str]:
    """Names of the operations whose tensors are among the arguments of calls."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value["config"]["keras_history"][0]]
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple):
        return []
    return [source for item in items for source in _sources(item)]


def _has_weights(layer: keras.Layer) -> bool:
    inner = layer.layer if type(layer) is spiking.PerStep else layer
    kinds = (keras.layers.Dense, keras.layers.Conv2D)
    if inner is layer:  # a Conv2D of its own would run over time
        kinds = kinds[:1]
    return (
        type(inner) in kinds
        and inner.activation is keras.activations.linear
        and getattr(inner, "data_format", "channels_last") == "channels_last"
        and (not isinstance(inner, keras.layers.Dense) or len(layer.output.shape) == 3)
    )


def _of_channels(norm: keras.layers.BatchNormalization) -> bool:
    axis = norm.axis if isinstance(norm.axis, int) else next(iter(norm.axis))
    return axis in (-1, len(norm.output.shape) - 1)
