"""Thresholds with which converted layers fire as often as those they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import loihi
from keras_slayer.export.conversion.plan import LayerPlan
from keras_slayer.export.samples import Recordings, batches
from keras_slayer.layers.spiking_layer import SpikingLayer

CALIBRATION_SAMPLES = 128
"""So many samples of the calibration data are used."""

COUNT_TOLERANCE = 0.002
"""A threshold is good enough when the layer's spike count is off by this fraction."""


def first_samples(calibration: Recordings, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Batches of the first CALIBRATION_SAMPLES samples; see ``samples.batches``."""
    result: list[np.ndarray] = []
    left = CALIBRATION_SAMPLES
    for x, _ in batches(calibration, shape):
        result.append(_as_bytes(x[:left]))
        left -= len(result[-1])
        if left == 0:
            break
    return result


def _as_bytes(x: np.ndarray) -> np.ndarray:
    """Spikes in a byte each."""
    spikes = x.astype(bool)
    return spikes if np.array_equal(spikes, x) else x


def calibrate_thresholds(plan: Sequence[LayerPlan], data: list[np.ndarray]) -> list[keras.Layer]:
    """The converted layers, each firing as often on ``data`` as the given layer."""
    counts = _spike_counts([layer.given for layer in plan], data)
    result: list[keras.Layer] = []
    pending: list[keras.Layer] = []  # converted layers since the last neurons
    for layer, count in zip(plan, counts, strict=True):
        threshold = None
        if layer.neuron is not None and count > 0:
            threshold = _fit_threshold(layer, pending, data, count)
        converted = layer.converted(threshold)
        result.append(converted)
        pending.append(converted)
        if isinstance(converted, SpikingLayer):
            data = [_as_bytes(np.asarray(_run(pending, x))) for x in data]
            pending = []
    return result


def _run(layers: Sequence[keras.Layer], x: np.ndarray) -> tf.Tensor:
    value = tf.cast(x, tf.float32)
    for layer in layers:
        value = layer(value)
    return value


def _spike_counts(layers: Sequence[keras.Layer], data: Sequence[np.ndarray]) -> list[int]:
    """Outputs other than zero of each layer."""
    counts = np.zeros(len(layers), np.int64)
    for x in data:
        for i, layer in enumerate(layers):
            x = _run([layer], x)
            counts[i] += np.count_nonzero(x)
    return counts.tolist()


def _fit_threshold(
    layer: LayerPlan, before: list[keras.Layer], data: Sequence[np.ndarray], expected: int
) -> int:
    """The threshold mantissa with which the layer's spike count comes closest to ``expected``."""
    low, high = 1, loihi.MAX_THRESHOLD
    tried: list[tuple[int, int]] = []  # (error of the count, threshold)
    threshold = layer.neuron.threshold_mantissa
    while low <= high:
        converted = layer.converted(threshold)
        count = sum(int(np.count_nonzero(_run([*before, converted], x))) for x in data)
        tried.append((abs(count - expected), threshold))
        if tried[-1][0] <= COUNT_TOLERANCE * expected:
            break
        if count > expected:
            low = threshold + 1
        else:
            high = threshold - 1
        threshold = round(math.sqrt(low * high))  # halves the range on a logarithmic scale
    return min(tried)[1]
