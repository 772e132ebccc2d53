"""Firing rates of a model's layers on a batch of data."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.layers.spiking_layer import SpikingLayer


class FiringRates(NamedTuple):
    """What the neurons of one layer did on a batch.

    Attributes:
        rate: spikes per neuron and step.
        silent: share of the neurons that never fired.
        saturated: share of the neurons that fired in more than ``saturation`` of the steps.
    """

    rate: float
    silent: float
    saturated: float


def firing_rates(model: keras.Model, x, *, saturation: float = 0.5) -> dict[str, FiringRates]:
    """Runs ``model`` on ``x`` in inference mode and measures each layer with spiking neurons.

    Args:
        model: a Keras model of any kind; nested models and layers within layers count too.
        x: a batch as the model takes it, or a ``tf.data.Dataset``, whose first batch is taken
            (without its labels).
        saturation: a neuron is saturated that fires in more than this share of the steps.

    Returns:
        Layer name to ``FiringRates``, in the order of computation. A layer that shares its name
        is called by its path, and numbered where that is shared too. A layer that is used twice
        counts all its uses.

    Raises:
        ValueError: a saturation off 0 to 1; no layer with spiking neurons; an empty data set.
    """
    measured = measure(model, first_batch(x), saturation)
    names = layer_names(measured)
    return {names[layer]: rates for layer, rates in measured.items()}


def measure(model: keras.Model, x, saturation: float = 0.5) -> dict[SpikingLayer, FiringRates]:
    """``firing_rates`` by layer instead of by name, on the batch ``x``."""
    saturation = checks.number(saturation, "saturation", high=1.0)
    shares: dict[SpikingLayer, list[np.ndarray]] = {}

    def watched(layer, call):
        def watching(*args, **kwargs):
            spikes = call(*args, **kwargs)
            share = tf.reduce_mean(tf.cast(spikes, tf.float32), axis=[0, 1])
            shares.setdefault(layer, []).append(np.ravel(share))
            return spikes

        return watching

    with wrapped(spiking_layers(model), "call", watched):
        model(x, training=False)
    if not shares:
        raise ValueError(
            f"the model has no layer with spiking neurons. Received: model={model.name!r}"
        )
    rates = {}
    for layer, parts in shares.items():
        share = np.concatenate(parts)
        quantities = (share, share == 0, share > saturation)
        rates[layer] = FiringRates(*(float(np.mean(q, dtype="float64")) for q in quantities))
    return rates


def layer_names(layers) -> dict[SpikingLayer, str]:
    """What each layer is called: its name, where others have it too its path, else numbered."""
    names = [layer.name for layer in layers]
    names = [layer.name if names.count(layer.name) == 1 else layer.path for layer in layers]
    return {
        layer: name if names.count(name) == 1 else f"{name}:{names[:i].count(name) + 1}"
        for i, (layer, name) in enumerate(zip(layers, names, strict=True))
    }


def first_batch(data):
    """The inputs of a batch: ``data`` itself, or those of the first element of a data set."""
    if not isinstance(data, tf.data.Dataset):
        return data
    for element in data.take(1):
        return keras.utils.unpack_x_y_sample_weight(element)[0]
    raise ValueError("the data set must hold a batch. Received: an empty tf.data.Dataset")


def is_empty(x) -> bool:
    """Whether a batch, of one input or several, is all zeros."""
    return not any(np.any(part) for part in keras.tree.flatten(x))


def spiking_layers(model) -> list[SpikingLayer]:
    """Every layer with spiking neurons that ``model`` holds, at any depth, each once."""
    found, seen, waiting = [], set(), [model]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend(item)
        elif isinstance(item, keras.layers.Layer):
            waiting.extend(vars(item).values())
            if isinstance(item, SpikingLayer):
                found.append(item)
    return found


@contextlib.contextmanager
def wrapped(layers, method: str, wrap):
    """Replaces a method of each layer by ``wrap(layer, method)`` within the block."""
    # Past Keras' __setattr__, which would track what it is given.
    before = [vars(layer).get(method) for layer in layers]  # a user may have put one there too
    for layer in layers:
        vars(layer)[method] = wrap(layer, getattr(layer, method))
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            if own is None:
                del vars(layer)[method]
            else:
                vars(layer)[method] = own
