"""A metric: the distance between spike trains."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from keras_slayer import checks, ops
from keras_slayer.measures import rows, spike_difference
from keras_slayer.metrics.base import SpikeMetric


@keras.saving.register_keras_serializable(package="keras_slayer")
class VanRossumDistance(SpikeMetric):
    """How far spike trains are from target trains, in spikes and in time.

        f[t] = exp(-dt / tau) f[t - 1] + s[t] - s_target[t]
        D^2 = (1 - exp(-2 dt / tau)) / 2  sum_t f[t]^2,    t from 0 to infinity

    per neuron; the metric is the mean of D over neurons and samples. The factor is the paper's
    1 / tau integral for spikes on a grid: whatever `dt` is, one spike against none is at D^2 = 1/2,
    and two spikes `gap` ms apart are at D^2 = 1 - exp(-gap / tau). The decay after the last step
    is summed in closed form, so that a late spike weighs as much as an early one.

    Source: van Rossum, "A novel spike distance", Neural Computation 13(4), 2001.

    Args:
        tau: time constant, ms: small counts coincidences, large compares spike numbers.
        dt: ms per step.
        name, dtype: as in `keras.metrics.Metric`; half precision is raised to float32.

    Inputs:
        y_true: target spikes, the shape of `y_pred`.
        y_pred: spikes `(batch, time, ...)`.

    Raises:
        ValueError: `tau` or `dt` is not a positive number; at call, shapes differ.
    """

    def __init__(
        self, tau: float = 10.0, dt: float = 1.0, name: str = "van_rossum_distance", dtype=None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.tau = checks.number(tau, "tau", open_low=True)
        self.dt = checks.number(dt, "dt", open_low=True)
        self._direction = "down"  # what EarlyStopping(mode="auto") asks a metric for

    def measure(self, y_true, y_pred) -> tf.Tensor:
        difference = spike_difference(y_true, y_pred, self.dtype)
        trace = ops.exponential_filter(difference, math.exp(-self.dt / self.tau))
        # The tail is a geometric series: (1 - d^2) / 2 times f[T-1]^2 d^2 / (1 - d^2).
        last = tf.reduce_sum(trace[:, -1:], axis=1)  # there may be no step
        tail = 0.5 * math.exp(-2 * self.dt / self.tau) * last**2
        within = -0.5 * math.expm1(-2 * self.dt / self.tau) * tf.reduce_sum(trace**2, axis=1)
        return tf.reduce_mean(rows(tf.sqrt(within + tail)[:, tf.newaxis]), axis=1)

    def get_config(self) -> dict:
        return {**super().get_config(), "tau": self.tau, "dt": self.dt}
