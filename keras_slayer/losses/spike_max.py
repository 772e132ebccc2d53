"""A loss on which class fires most."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.losses.base import CountLoss
from keras_slayer.measures import Region


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeMaxLoss(CountLoss):
    """The true class should fire most: cross-entropy of a softmax over spike counts.

        p = softmax(scale * count),    loss = -sum_c label_c log p_c

    The logits are spike counts times `scale`, and the error signal is `scale * (p_c - label_c)` at
    each step. Unlike the other losses it asks for no particular numbers of spikes, only for a lead:
    at the default 0.1 a lead of 70 spikes over nine other classes is 99 % sure, after which the
    sample stops pushing. That suits outputs that may fire some tens of times (300 steps of 1 ms);
    for shorter recordings raise it in proportion, about 30 / steps. At 1.0 a lead of seven spikes
    is already sure and a wrong class that fires more is silenced at once: on N-MNIST outputs fell
    silent for good and learned half as fast. Mean over the batch by Keras' reduction.

    Args:
        scale: logits per spike.
        region, dt, name, **kwargs: as in `SpikeCountLoss`.

    Inputs:
        y_true: integer labels `(batch,)` or `(batch, 1)`, or a distribution `(batch, classes)`:
            one-hot or smoothed.
        y_pred: spikes `(batch, time, classes)`; further class axes are flattened.

    Raises:
        ValueError: `scale` is not a positive number; on a bad region; at call, on shapes.
    """

    def __init__(
        self,
        scale: float = 0.1,
        region: Region | None = None,
        dt: float = 1.0,
        name: str = "spike_max_loss",
        **kwargs,
    ) -> None:
        super().__init__(region=region, dt=dt, name=name, **kwargs)
        self.scale = checks.number(scale, "scale", open_low=True)

    def count_loss(self, counts, targets, steps) -> tf.Tensor:
        # Not softmax_cross_entropy_with_logits: its gradient is wrong for rows that sum to not 1.
        return -tf.reduce_sum(targets * tf.nn.log_softmax(self.scale * counts), axis=1)

    def get_config(self) -> dict:
        return {**super().get_config(), "scale": self.scale}
