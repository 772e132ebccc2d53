"""A metric: whether the true class fired first."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer.measures import Region
from keras_slayer.metrics.base import SpikeAccuracy, first_steps


@keras.saving.register_keras_serializable(package="keras_slayer")
class FirstSpikeAccuracy(SpikeAccuracy):
    """Share of samples whose true class fired first.

    The predicted class is the one whose neuron fires first; of several in the same step the one
    with the lowest index. A sample in which no output fires has no decision and counts as wrong.

    Args:
        region: (start, stop) in ms, stop excluded, of the steps that count; None for all.
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
        name: str = "first_spike_accuracy",
        dtype=None,
    ) -> None:
        super().__init__(region=region, dt=dt, name=name, dtype=dtype)

    def scores(self, spikes) -> tf.Tensor:
        return -tf.cast(first_steps(spikes), spikes.dtype)

    def decided(self, spikes) -> tf.Tensor:
        return tf.reduce_any(spikes > 0, axis=[1, 2])
