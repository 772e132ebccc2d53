"""What the metrics share: a mean over samples, and decisions from spikes."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.measures import (
    Region,
    at_least_float32,
    check_weights,
    checked_region,
    class_targets,
    shape_text,
    spikes_within,
)


def winner(scores) -> tf.Tensor:
    """Index of the largest score of each row; on a tie the lowest (tf.argmax promises none)."""
    index = tf.range(tf.shape(scores)[1])
    best = tf.equal(scores, tf.reduce_max(scores, axis=1, keepdims=True))
    return tf.reduce_min(tf.where(best, index, tf.shape(scores)[1]), axis=1)


def first_steps(spikes) -> tf.Tensor:
    """Step of each neuron's first spike, (batch, classes); the number of steps if it has none."""
    steps = tf.shape(spikes)[1]
    return tf.reduce_min(tf.where(spikes > 0, tf.range(steps)[:, tf.newaxis], steps), axis=1)


class SpikeMetric(keras.metrics.Mean):
    """Weighted mean over samples of `measure(y_true, y_pred)`, in float32 or wider."""

    def __init__(self, *, name: str, dtype) -> None:
        super().__init__(name=name, dtype=at_least_float32(dtype))

    def update_state(self, y_true, y_pred, sample_weight=None):
        check_weights(sample_weight, type(self).__name__)
        values = self.measure(tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred))
        return super().update_state(values, sample_weight=sample_weight)

    def measure(self, y_true, y_pred) -> tf.Tensor:
        """One number per sample, `(batch,)`."""
        raise NotImplementedError


class SpikeAccuracy(SpikeMetric):
    """Share of samples decided rightly; subclasses say how spikes decide."""

    def __init__(self, *, region: Region | None, dt: float, name: str, dtype) -> None:
        super().__init__(name=name, dtype=dtype)
        self.dt = checks.number(dt, "dt", open_low=True)
        self.region = checked_region(region, self.dt)
        self._direction = "up"  # what EarlyStopping(mode="auto") asks a metric for

    def measure(self, y_true, y_pred) -> tf.Tensor:
        spikes = spikes_within(tf.cast(y_pred, self.dtype), self.region, self.dt)
        if spikes.shape[2] == 1:
            raise ValueError(
                f"{type(self).__name__} needs two classes or more. "
                f"Received: y_pred.shape={shape_text(y_pred.shape)}"
            )
        scores = self.scores(spikes)
        targets = class_targets(y_true, scores, y_pred.shape[2:])
        right = tf.equal(winner(scores), winner(targets))
        return tf.cast(right & self.decided(spikes), self.dtype)

    def scores(self, spikes) -> tf.Tensor:
        """One number per class, `(batch, classes)`; the largest wins."""
        raise NotImplementedError

    def decided(self, spikes) -> tf.Tensor:
        """Whether there is a decision at all, `(batch,)`."""
        return tf.ones(tf.shape(spikes)[:1], tf.bool)

    def get_config(self) -> dict:
        region = None if self.region is None else list(self.region)
        return {**super().get_config(), "region": region, "dt": self.dt}
