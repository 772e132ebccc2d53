"""A loss for networks that decide by their first spike."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.losses.spike_max import SpikeMaxLoss
from keras_slayer.measures import Region, class_targets, spikes_within


@keras.saving.register_keras_serializable(package="keras_slayer")
class FirstSpikeLoss(SpikeMaxLoss):
    """The true class should fire first: `SpikeMaxLoss` of the spikes around the first one.

        t_0 = time of the first spike of any class (the end T if there is none)
        w[t] = (1 - earliness t / T) exp(-max(t - t_0, 0) / tau)
        p = softmax(scale sum_t w[t] s[t]),    loss = -sum_c label_c log p_c

    The first spike makes the decision; later spikes count less. The error signal is
    `scale w[t] (p_c - label_c)`: up to the decision every class learns whether it should have fired
    by then, and long after it no class learns anything. With a short `tau` this is accuracy by
    first spikes; with a long one, and no `earliness`, it is `SpikeMaxLoss`.

    `earliness` trades accuracy for time. At 0 the outputs wait until they are sure. Outputs that
    have not fired then learn equally from all steps, and so nothing from the order of events. At 1
    a spike at the end counts nothing, and decisions come as soon as they are better than chance.

    Args:
        scale: logits per spike. Few spikes count, so more than in `SpikeMaxLoss`: at the default a
            lead of five full spikes over nine other classes is 94 % sure.
        tau: ms after the first spike within which others still weigh in. About the `tau_response`
            of the outputs: the shorter, the less is learned from each recording.
        earliness: 0 to 1.
        region: (start, stop) in ms, stop excluded, of the steps that count, t from 0 to T; None
            for all.
        dt: ms per step.
        label_smoothing: as in `SpikeMaxLoss`.
        name, **kwargs: `reduction` and `dtype` as in `keras.losses.Loss`.

    Inputs:
        y_true: integer labels `(batch,)` or `(batch, 1)`, or a distribution `(batch, classes)`:
            one-hot or smoothed.
        y_pred: spikes `(batch, time, classes)`; further class axes are flattened.

    Raises:
        ValueError: `scale`, `tau` or `dt` is not a positive number, `earliness` is off 0 to 1; on a
            bad region; at call, on shapes.
    """

    def __init__(
        self,
        scale: float = 1.0,
        tau: float = 10.0,
        earliness: float = 0.5,
        region: Region | None = None,
        dt: float = 1.0,
        label_smoothing: float = 0.0,
        name: str = "first_spike_loss",
        **kwargs,
    ) -> None:
        super().__init__(scale, region, dt, label_smoothing, name, **kwargs)
        self.tau = checks.number(tau, "tau", open_low=True)
        self.earliness = checks.number(earliness, "earliness", high=1.0)

    def call(self, y_true, y_pred) -> tf.Tensor:
        spikes = spikes_within(tf.cast(y_pred, self.dtype), self.region, self.dt)
        counts = tf.reduce_sum(spikes * self._weights(spikes), axis=1)
        targets = class_targets(tf.convert_to_tensor(y_true), counts, y_pred.shape[2:])
        return self.count_loss(counts, targets, steps=None)

    def _weights(self, spikes):
        """w `(batch, time, 1)`; a constant for the gradient."""
        fired = tf.reduce_any(spikes > 0, axis=2, keepdims=True)
        decided = tf.cumsum(tf.cast(fired, tf.int32), axis=1) > 0
        since = tf.maximum(tf.cumsum(tf.cast(decided, tf.int32), axis=1) - 1, 0)
        steps = tf.shape(spikes)[1]
        passed = tf.cast(tf.range(steps), spikes.dtype) / tf.cast(steps, spikes.dtype)
        early = 1.0 - self.earliness * passed[:, tf.newaxis]
        return early * tf.exp(-tf.cast(since, spikes.dtype) * (self.dt / self.tau))

    def get_config(self) -> dict:
        return {**super().get_config(), "tau": self.tau, "earliness": self.earliness}
