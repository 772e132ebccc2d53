"""A loss on how many times each class fires."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.losses.base import CountLoss
from keras_slayer.measures import Region


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeCountLoss(CountLoss):
    """Each class should fire a given number of times: SLAYER's `NumSpikes`.

        loss = sum_c (count_c - target_c)^2 / (2 L),    L steps in the region

    so that the error signal (the gradient for the sample) is `(count_c - target_c) / L` at every
    step of the region and zero outside. Summed over classes, mean over the batch by Keras'
    reduction. Shrestha & Orchard, NeurIPS 2018.

    Args:
        true_count: spikes wanted of the true class within the region.
        false_count: spikes wanted of every other class; a few keep their neurons learning. The
            authors use 60 and 10 for the 300 ms of N-MNIST.
        region: (start, stop) in ms, stop excluded, of the steps that count; None for all.
        dt: ms per step.
        name, **kwargs: `reduction` and `dtype` as in `keras.losses.Loss`.

    Inputs:
        y_true: integer labels `(batch,)` or `(batch, 1)`, or one-hot labels `(batch, classes)`.
        y_pred: spikes `(batch, time, classes)`; further class axes are flattened.

    Raises:
        ValueError: unless true_count > false_count >= 0; on a bad region; at call, on shapes.
    """

    def __init__(
        self,
        true_count: float,
        false_count: float,
        region: Region | None = None,
        dt: float = 1.0,
        name: str = "spike_count_loss",
        **kwargs,
    ) -> None:
        super().__init__(region=region, dt=dt, name=name, **kwargs)
        self.false_count = checks.number(false_count, "false_count")
        self.true_count = checks.number(
            true_count, "true_count", low=self.false_count, open_low=True
        )

    def count_loss(self, counts, targets, steps) -> tf.Tensor:
        wanted = self.false_count + (self.true_count - self.false_count) * targets
        return tf.reduce_sum((counts - wanted) ** 2, axis=1) / (2.0 * steps)

    def get_config(self) -> dict:
        counts = {"true_count": self.true_count, "false_count": self.false_count}
        return {**super().get_config(), **counts}
