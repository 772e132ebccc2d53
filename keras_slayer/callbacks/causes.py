"""What is most likely to keep a model at chance."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.rates.advice import advice, training_advice
from keras_slayer.rates.measuring import FiringRates
from keras_slayer.watching import layer_names

# A layer of a model at chance is called silent where more of its neurons than this are.
MOSTLY = 0.5


def likely_cause(
    measured: dict[SpikingLayer, FiringRates],
    output,
    limits: dict[str, float],
    told: set[tuple[str, str]],
) -> str:
    """Which layer to look at, and what to change: the text of a warning, without its full stop.

    Weights that are not finite, else the input where it is empty, else the first silent layer, else
    the first saturated one, else outputs that fire alike.

    Args:
        measured: layer to ``FiringRates``.
        output: of the model, for the batch of ``measured``.
        limits: shares of silent and saturated neurons from which on there is a warning of a layer.
        told: what there was a warning of: names of layers and "silent" or "saturated",
            ("x", "empty") or ("model", "diverged").
    """
    if ("model", "diverged") in told:
        return "The likely cause is weights that are not finite: a warning before names them"
    if ("x", "empty") in told:
        return "The likely cause is the input: a warning before says what to check"
    names = layer_names(measured)
    layer, condition = _first_off(measured, names, limits, told)
    if layer and (names[layer], condition) in told:
        return (
            f"The likely cause is {names[layer]}, which was found {condition}: "
            "a warning before says what to try"
        )
    if layer:  # silent, but with fewer neurons than there is a warning of
        return (
            f"The likely cause is {names[layer]}: {measured[layer].silent:.0%} of its neurons "
            f"never fire on the monitored batch. {advice(layer, more=True)}"
        )
    last, rates = list(measured.items())[-1]
    if fires_alike(output):
        # Few spikes are alike for want of spikes, many because each neuron fires all it can.
        change = advice(last, more=rates.rate < 0.1)
        return f"The likely cause is {names[last]}: it fires alike for all classes. {change}"
    return f"No layer is silent or saturated. {training_advice(measured)}"


def weights_not_finite(model: keras.Model) -> list[str]:
    """Paths of the weights of ``model`` that hold NaN or infinity."""
    values = {weight.path: tf.convert_to_tensor(weight.value) for weight in model.weights}
    return [
        path
        for path, value in values.items()
        if value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(value))
    ]


def _first_off(measured: dict, names: dict, limits: dict, told: set):
    """The first silent layer, else the first saturated one, and which of the two it is."""
    limits = {**limits, "silent": min(limits["silent"], MOSTLY)}
    for condition, limit in limits.items():
        for layer, rates in measured.items():
            if (names[layer], condition) in told or getattr(rates, condition) > limit:
                return layer, condition
    return None, None


def fires_alike(output) -> bool:
    """Whether spikes ``(batch, time, classes...)`` are about as many for every class.

    True where the class that fires most and the one that fires least are less than a spike apart,
    in the mean over the batch.
    """
    output = np.asarray(output, "float32")
    if output.ndim < 3 or not np.isin(output, (0, 1)).all():
        return False
    counts = output.reshape(*output.shape[:2], -1).sum(axis=1)
    return float(np.mean(counts.max(axis=1) - counts.min(axis=1))) < 1
