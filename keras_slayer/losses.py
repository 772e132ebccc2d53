"""Losses on spike trains: when the output neurons fire, how often, and which of them most.

Every loss takes spikes `(batch, time, ...)` and gives one number per sample, summed over time and
neurons; Keras' reduction (`"sum_over_batch_size"` by default) then takes the mean over the batch
and applies `sample_weight`. They compute in float32 or wider under every dtype policy: a float16
output keeps its dtype, its loss does not inherit it.
"""

import keras
import tensorflow as tf

from keras_slayer import checks, ops
from keras_slayer.measures import (
    at_least_float32,
    checked_region,
    class_targets,
    spike_counts,
    spike_difference,
)


class _SpikeLoss(keras.losses.Loss):
    """A loss that computes in float32 or wider."""

    def __init__(self, *, name, reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=at_least_float32(dtype))

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype}


class _CountLoss(_SpikeLoss):
    """A loss that sees only how often each class fired; subclasses give its equation."""

    def __init__(self, *, region, dt, **kwargs):
        super().__init__(**kwargs)
        self.dt = checks.number(dt, "dt", open_low=True)
        self.region = checked_region(region, self.dt)

    def call(self, y_true, y_pred):
        y_pred = tf.cast(y_pred, self.dtype)
        counts, steps = spike_counts(y_pred, self.region, self.dt)
        targets = class_targets(tf.convert_to_tensor(y_true), counts, y_pred.shape[2:])
        return self.count_loss(counts, targets, steps)

    def count_loss(self, counts, targets, steps):
        """Loss `(batch,)` of counts and targets `(batch, classes)` over `steps` steps."""
        raise NotImplementedError

    def get_config(self):
        region = None if self.region is None else list(self.region)
        return {**super().get_config(), "region": region, "dt": self.dt}


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeTimeLoss(_SpikeLoss):
    """Distance between spike trains and target spike trains, both seen through SRM's kernel.

        e[t] = sum_k eps[k] (s - s_target)[t - k],    eps[k] = (k dt / tau) exp(1 - k dt / tau)
        loss = 1/2 sum_t sum_neurons e[t]^2 dt

    Summed over time and neurons, mean over the batch by Keras' reduction. Shrestha & Orchard,
    "SLAYER: Spike Layer Error Reassignment in Time", NeurIPS 2018.

    Args:
        tau: time constant of the kernel, ms. Use the `tau_response` of the output neurons; a
            larger one attracts spikes from further away, a smaller one places them more exactly.
        dt: ms per step.
        name, **kwargs: `reduction` and `dtype` as in `keras.losses.Loss`.

    Inputs:
        y_true: target spikes, the shape of `y_pred`.
        y_pred: spikes `(batch, time, ...)`.

    Raises:
        ValueError: `tau` or `dt` is not a positive number; at call, shapes differ.

    The filter is a custom op, which XLA does not know. Models with layers of this package never
    train under XLA; for a model without any, pass `jit_compile=False` to `compile`.
    """

    def __init__(self, tau=10.0, dt=1.0, name="spike_time_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.tau = checks.number(tau, "tau", open_low=True)
        self.dt = checks.number(dt, "dt", open_low=True)

    def call(self, y_true, y_pred):
        difference = spike_difference(y_true, y_pred, self.dtype)
        error = ops.alpha_filter(difference, self.tau / self.dt)
        return 0.5 * self.dt * tf.reduce_sum(error**2, axis=range(1, error.shape.rank))

    def get_config(self):
        return {**super().get_config(), "tau": self.tau, "dt": self.dt}


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeCountLoss(_CountLoss):
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
        self, true_count, false_count, region=None, dt=1.0, name="spike_count_loss", **kwargs
    ):
        super().__init__(region=region, dt=dt, name=name, **kwargs)
        self.false_count = checks.number(false_count, "false_count")
        self.true_count = checks.number(
            true_count, "true_count", low=self.false_count, open_low=True
        )

    def count_loss(self, counts, targets, steps):
        wanted = self.false_count + (self.true_count - self.false_count) * targets
        return tf.reduce_sum((counts - wanted) ** 2, axis=1) / (2.0 * steps)

    def get_config(self):
        counts = {"true_count": self.true_count, "false_count": self.false_count}
        return {**super().get_config(), **counts}


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeRateLoss(_CountLoss):
    """Each class should fire at a given rate: `SpikeCountLoss` for recordings of any length.

        rate_c = count_c / L,    loss = L/2 sum_c (rate_c - target_c)^2,    L steps in the region

    The factor L makes the error signal at each step `rate_c - target_c`, the same for a short and
    a long recording. Summed over classes, mean over the batch by Keras' reduction.

    Args:
        true_rate: rate wanted of the true class, in spikes per step, from 0 to 1 (0.2 at
            dt = 1 ms is 200 spikes per second). The defaults are the authors' 60 and 10 spikes in
            300 ms.
        false_rate: rate wanted of every other class.
        region, dt, name, **kwargs: as in `SpikeCountLoss`, and so are the inputs.

    Raises:
        ValueError: unless 1 >= true_rate > false_rate >= 0; on a bad region; at call, on shapes.
    """

    def __init__(
        self, true_rate=0.2, false_rate=0.03, region=None, dt=1.0, name="spike_rate_loss", **kwargs
    ):
        super().__init__(region=region, dt=dt, name=name, **kwargs)
        self.false_rate = checks.number(false_rate, "false_rate", high=1.0)
        self.true_rate = checks.number(
            true_rate, "true_rate", low=self.false_rate, high=1.0, open_low=True
        )

    def count_loss(self, counts, targets, steps):
        wanted = self.false_rate + (self.true_rate - self.false_rate) * targets
        return 0.5 * steps * tf.reduce_sum((counts / steps - wanted) ** 2, axis=1)

    def get_config(self):
        rates = {"true_rate": self.true_rate, "false_rate": self.false_rate}
        return {**super().get_config(), **rates}


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeMaxLoss(_CountLoss):
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

    def __init__(self, scale=0.1, region=None, dt=1.0, name="spike_max_loss", **kwargs):
        super().__init__(region=region, dt=dt, name=name, **kwargs)
        self.scale = checks.number(scale, "scale", open_low=True)

    def count_loss(self, counts, targets, steps):
        # Not softmax_cross_entropy_with_logits: its gradient is wrong for rows that sum to not 1.
        return -tf.reduce_sum(targets * tf.nn.log_softmax(self.scale * counts), axis=1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
