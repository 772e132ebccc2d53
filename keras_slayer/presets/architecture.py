"""Layers as a card states them: from a model, and back to one.

A card names class and arguments of each layer itself, and holds no configuration of Keras: that
differs from one version of Keras to the next.
"""

from __future__ import annotations

import keras

from keras_slayer import layers as spiking
from keras_slayer import neurons

# Of Keras' layers, those that trained networks here have.
KERAS_LAYERS = {"Dropout": keras.layers.Dropout}
# What has a part in training alone, or is Keras' own default.
_LEFT_OUT = ("dtype", "trainable", "seed", "noise_shape", "return_state")
_ENDS_LEFT_OUT = ("_initializer", "_regularizer", "_constraint")


def describe(model: keras.Sequential) -> list[dict]:
    """Class and arguments of each layer of ``model``.

    Raises:
        ValueError: a layer of a kind that is not in a card, or one that learns its neurons'
            parameters: ``layer.settled()`` has them as numbers.
    """
    for layer in model.layers:
        kind = type(layer).__name__
        if type(layer) not in (KERAS_LAYERS.get(kind), getattr(spiking, kind, None)):
            raise ValueError(
                f"a card has layers of keras_slayer and {', '.join(KERAS_LAYERS)}. "
                f"Received: {layer.name}, a {kind}"
            )
        if layer.get_config().get("learn"):
            raise ValueError(
                "a card has numbers for the neurons' parameters: pack layer.settled() instead. "
                f"Received: {layer.name}, with learn={list(layer.get_config()['learn'])}"
            )
    return [_layer_config(layer) for layer in model.layers]


def _layer_config(layer: keras.Layer) -> dict:
    config = {"class": type(layer).__name__}
    for name, value in layer.get_config().items():
        if name in _LEFT_OUT or value is None or name.endswith(_ENDS_LEFT_OUT):
            continue
        if name == "neuron":
            value = _neuron_config(layer.neuron)
        config[name] = list(value) if isinstance(value, tuple) else value
    return config


def _neuron_config(neuron: neurons.Neuron) -> dict:
    return {"class": type(neuron).__name__, **neuron.get_config()}


def build(input_shape: tuple[int, ...], layers: tuple[dict, ...], name: str) -> keras.Sequential:
    """The model that ``describe`` has described, for input of (steps, ...)."""
    made = [_layer(dict(config)) for config in layers]
    return keras.Sequential([keras.Input(input_shape), *made], name=name)


def _layer(config: dict) -> keras.Layer:
    kind = config.pop("class")
    if "neuron" in config:
        neuron = dict(config["neuron"])
        config["neuron"] = getattr(neurons, neuron.pop("class"))(**neuron)
    return (KERAS_LAYERS.get(kind) or getattr(spiking, kind))(**config)
