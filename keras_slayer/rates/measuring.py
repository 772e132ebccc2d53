"""Firing rates of a model's layers on a batch of data."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.watching import first_batch, layer_names, watch


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
        x: a batch as the model takes it, or a ``tf.data.Dataset`` or ``PyDataset``, whose first
            batch is taken (without its labels).
        saturation: a neuron is saturated that fires in more than this share of the steps.

    Returns:
        Layer name to ``FiringRates``, in the order of computation. A layer that shares its name
        is called by its path, and numbered where that is shared too. A layer that is used twice
        counts all its uses.

    Raises:
        ValueError: a saturation off 0 to 1; no layer with spiking neurons; an empty data set; a
            batch of no samples or no steps.
    """
    measured = measure(model, first_batch(x), saturation)
    names = layer_names(measured)
    return {names[layer]: rates for layer, rates in measured.items()}


def measure(model: keras.Model, x, saturation: float = 0.5) -> dict[SpikingLayer, FiringRates]:
    """``firing_rates`` by layer instead of by name, on the batch ``x``."""
    saturation = checks.number(saturation, "saturation", high=1.0)
    rates = {}
    for layer, share in measure_shares(model, x).items():
        quantities = (share, share == 0, share > saturation)
        rates[layer] = FiringRates(*(float(np.mean(q, dtype="float64")) for q in quantities))
    return rates


def measure_shares(model: keras.Model, x) -> dict[SpikingLayer, np.ndarray]:
    """Share of the steps of the batch ``x`` in which each neuron fired, (neurons,), by layer.

    Those of a layer that is used twice come one after the other.
    """
    shares: dict[SpikingLayer, list[np.ndarray]] = {}

    def seen(layer, spikes, _firing):
        if 0 in spikes.shape[:2]:
            raise ValueError(
                "x must hold a sample and a time step at least, to measure rates on. Received: "
                f"spikes of shape {tuple(spikes.shape)} from layer {layer.name!r}"
            )
        shares.setdefault(layer, []).append(shares_of(spikes))

    watch(model, x, None, seen)
    if not shares:
        raise ValueError(
            f"the model has no layer with spiking neurons. Received: model={model.name!r}"
        )
    return {layer: np.concatenate(parts) for layer, parts in shares.items()}


def shares_of(spikes) -> np.ndarray:
    """Share of the steps of a batch of spikes (batch, time, ...) in which each neuron fired."""
    return np.ravel(tf.reduce_mean(tf.cast(spikes, tf.float32), axis=[0, 1]))


def is_empty(x) -> bool:
    """Whether a batch, of one input or several, is all zeros."""
    return not any(np.any(part) for part in keras.tree.flatten(x))
