"""What the layers of a model do on a batch, for the pictures."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.neurons.time_constants import DEFAULT_DT
from keras_slayer.rates.measuring import shares_of
from keras_slayer.watching import first_batch, layer_names, watch


@dataclasses.dataclass
class LayerSummary:
    """One layer with spiking neurons.

    Attributes:
        dt: ms per step of its neurons; 1 where they do not say.
        spikes: of the chosen sample, `(time, ...)`.
        shares: share of the steps of the batch in which each neuron fired, `(neurons,)`; those of
            a layer that is used twice one after the other.
    """

    dt: float
    spikes: np.ndarray
    shares: np.ndarray


@dataclasses.dataclass(frozen=True)
class Summary:
    """Layers in the order of computation, and what the model returned."""

    layers: dict[str, LayerSummary]
    outputs: object


def summarise(model: keras.Model, x, *, sample: int = 0, layers=None) -> Summary:
    """Runs `model` on `x` in inference mode and keeps what its layers with spiking neurons do.

    Of the whole batch it keeps only what each neuron did on average, and the spikes of one sample:
    `keras_slayer.record` keeps all.

    Args:
        model: of any kind.
        x: a batch as the model takes it, or a `tf.data.Dataset` or `PyDataset`, whose first
            batch is taken.
        sample: number of the sample whose spikes are kept.
        layers: names of the layers to keep, as `keras_slayer.firing_rates` calls them; by default
            all.

    Raises:
        ValueError: a model without spiking neurons, a layer or sample that does not exist.
    """
    x = first_batch(x)
    check_sample(x, sample)
    kept: dict[SpikingLayer, LayerSummary] = {}

    def seen(layer, spikes, _firing):
        share = shares_of(spikes)
        if layer in kept:
            kept[layer].shares = np.concatenate([kept[layer].shares, share])
        else:
            dt = getattr(layer.neuron, "dt", None) or DEFAULT_DT
            kept[layer] = LayerSummary(dt, np.asarray(spikes[sample], "float32"), share)

    outputs = watch(model, x, None, seen)
    if not kept:
        raise ValueError(
            f"the model has no layer with spiking neurons. Received: model={model.name!r}"
        )
    names = layer_names(kept)
    named = {names[layer]: what for layer, what in kept.items()}
    if layers is not None:
        named = _choose(named, layers)
    return Summary(named, outputs)


def check_sample(x, sample: int):
    there = len(keras.tree.flatten(x)[0])
    if not 0 <= sample < there:
        raise ValueError(
            f"`sample` must be one of the batch, 0 to {there - 1}. Received: sample={sample}"
        )


def _choose(named: dict, layers) -> dict:
    """The chosen layers, in the order of computation."""
    layers = [layers] if isinstance(layers, str) else list(layers)
    unknown = [name for name in layers if name not in named]
    if unknown or not layers:
        raise ValueError(
            f"`layers` must be names of layers with spiking neurons, of {sorted(named)}. "
            f"Received: layers={layers!r}"
        )
    return {name: what for name, what in named.items() if name in layers}


def counts_of(outputs) -> np.ndarray | None:
    """What each class got, `(batch, classes)`: spikes, or scores; None for any other output."""
    outputs = keras.tree.flatten(outputs)
    if len(outputs) != 1:
        return None
    value = np.asarray(outputs[0], dtype="float32")
    if value.ndim > 3 and value.size == value.shape[0] * value.shape[1] * value.shape[-1]:
        value = value.reshape(*value.shape[:2], value.shape[-1])
    if value.ndim == 3:
        value = value.sum(axis=1)
    return value if value.ndim == 2 and value.shape[1] > 1 else None
