"""A loss on which class fires most."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.losses.base import CountLoss
from keras_slayer.measures import Region

LOGITS_PER_RATE = 15.0
"""Logits of one spike per step, by default."""


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeMaxLoss(CountLoss):
    """The true class should fire most: cross-entropy of a softmax over spike counts.

        p = softmax(scale * count),    loss = -sum_c y_c log p_c
        y_c = (1 - label_smoothing) label_c + label_smoothing / C

    The logits are spike counts times `scale`, and the error signal is `scale * (p_c - y_c)` at
    each step. Unlike the other losses it asks for no particular numbers of spikes, only for a lead.
    By default `scale` is 15 / L for L steps in the region: the logits are 15 times the rates, the
    same for a short and a long recording. A lead of 0.45 spikes per step over nine other classes is
    then 99 % sure, after which the sample stops pushing. Twice the scale asks for half as many
    spikes, and networks of two to eight layers end one to four points lower on N-MNIST. With a much
    larger one (1.0 for 300 steps) a lead of seven spikes is already sure and a wrong class that
    fires more is silenced at once: outputs fell silent for good and learned half as fast.

    Label smoothing (Szegedy et al., CVPR 2016) asks for a lead that is large enough, and no larger.
    On 800 recordings of N-MNIST 0.1 gave 1 to 3 points over none, and outputs that fire a quarter
    as often; 0.2 gave up to 3 more in shallow networks.
    With it the loss does not end at 0: of ten classes, at 0.87. Mean over the batch by Keras'
    reduction.

    Args:
        scale: logits per spike; None: 15 / steps of the region.
        region, dt: as in `SpikeCountLoss`.
        label_smoothing: share of the label that all C classes have alike, 0 to 1; 0 for none.
        name, **kwargs: as in `SpikeCountLoss`.

    Inputs:
        y_true: integer labels `(batch,)` or `(batch, 1)`, or a distribution `(batch, classes)`:
            one-hot or smoothed.
        y_pred: spikes `(batch, time, classes)`; further class axes are flattened.

    Raises:
        ValueError: `scale` is not a positive number; on a bad region; at call, on shapes.
    """

    def __init__(
        self,
        scale: float | None = None,
        region: Region | None = None,
        dt: float = 1.0,
        label_smoothing: float = 0.2,
        name: str = "spike_max_loss",
        **kwargs,
    ) -> None:
        super().__init__(region=region, dt=dt, name=name, **kwargs)
        self.scale = None if scale is None else checks.number(scale, "scale", open_low=True)
        self.label_smoothing = checks.number(label_smoothing, "label_smoothing", high=1.0)

    def count_loss(self, counts, targets, steps) -> tf.Tensor:
        # Not softmax_cross_entropy_with_logits: its gradient is wrong for rows that sum to not 1.
        scale = LOGITS_PER_RATE / steps if self.scale is None else self.scale
        log_p = tf.nn.log_softmax(scale * counts)
        alike = tf.reduce_sum(targets, axis=1) * tf.reduce_mean(log_p, axis=1)
        labelled = tf.reduce_sum(targets * log_p, axis=1)
        return -labelled - self.label_smoothing * (alike - labelled)

    def get_config(self) -> dict:
        own = {"scale": self.scale, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        return cls(**{"label_smoothing": 0.0, **config})  # losses saved before it was there
