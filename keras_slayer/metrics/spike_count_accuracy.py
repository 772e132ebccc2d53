"""A metric: whether the true class fired most."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer.measures import Region
from keras_slayer.metrics.base import SpikeAccuracy


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeCountAccuracy(SpikeAccuracy):
    """Share of samples whose true class fired more often than every other.

    The predicted class is the one with most spikes; on a tie the one with the lowest index, so a
    sample in which no output fires counts as class 0.

    Args:
        region: (start, stop) in ms, stop excluded, of the steps that count; None for all. Use the
            region of the loss.
        dt: ms per step.
        name, dtype: as in `keras.metrics.Metric`; half precision is raised to float32.

    Inputs:
        y_true: integer labels `(batch,)` or `(batch, 1)`, or one-hot labels `(batch, classes)`.
        y_pred: spikes `(batch, time, classes)`; further class axes are flattened.

    Raises:
        ValueError: bad `dt` or `region`; at call, on shapes, and on a single class.
    """

    def __init__(
        self,
        region: Region | None = None,
        dt: float = 1.0,
        name: str = "spike_count_accuracy",
        dtype=None,
    ) -> None:
        super().__init__(region=region, dt=dt, name=name, dtype=dtype)

    def scores(self, spikes) -> tf.Tensor:
        return tf.reduce_sum(spikes, axis=1)
