"""Metrics on spike trains.

`SpikeCountAccuracy` asks which neuron fired most, `FirstSpikeAccuracy` which fired first,
`accuracy_over_time` how soon either is right, `VanRossumDistance` how far spike trains are from
target trains. All compute in float32 or wider under every dtype policy.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks, ops
from keras_slayer.measures import (
    at_least_float32,
    checked_region,
    class_targets,
    rows,
    shape_text,
    spike_difference,
    spikes_within,
)


def _winner(scores):
    """Index of the largest score of each row; on a tie the lowest (tf.argmax promises none)."""
    index = tf.range(tf.shape(scores)[1])
    best = tf.equal(scores, tf.reduce_max(scores, axis=1, keepdims=True))
    return tf.reduce_min(tf.where(best, index, tf.shape(scores)[1]), axis=1)


def _first_steps(spikes):
    """Step of each neuron's first spike, (batch, classes); the number of steps if it has none."""
    steps = tf.shape(spikes)[1]
    return tf.reduce_min(tf.where(spikes > 0, tf.range(steps)[:, tf.newaxis], steps), axis=1)


class _SpikeMetric(keras.metrics.Mean):
    """Weighted mean over samples of `measure(y_true, y_pred)`, in float32 or wider."""

    def __init__(self, *, name, dtype):
        super().__init__(name=name, dtype=at_least_float32(dtype))

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = self.measure(tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred))
        return super().update_state(values, sample_weight=sample_weight)

    def measure(self, y_true, y_pred):
        """One number per sample, `(batch,)`."""
        raise NotImplementedError


class _SpikeAccuracy(_SpikeMetric):
    """Share of samples decided rightly; subclasses say how spikes decide."""

    def __init__(self, *, region, dt, name, dtype):
        super().__init__(name=name, dtype=dtype)
        self.dt = checks.number(dt, "dt", open_low=True)
        self.region = checked_region(region, self.dt)
        self._direction = "up"  # what EarlyStopping(mode="auto") asks a metric for

    def measure(self, y_true, y_pred):
        spikes = spikes_within(tf.cast(y_pred, self.dtype), self.region, self.dt)
        if spikes.shape[2] == 1:
            raise ValueError(
                f"{type(self).__name__} needs two classes or more. "
                f"Received: y_pred.shape={shape_text(y_pred.shape)}"
            )
        scores = self.scores(spikes)
        targets = class_targets(y_true, scores, y_pred.shape[2:])
        right = tf.equal(_winner(scores), _winner(targets))
        return tf.cast(right & self.decided(spikes), self.dtype)

    def scores(self, spikes):
        """One number per class, `(batch, classes)`; the largest wins."""
        raise NotImplementedError

    def decided(self, spikes):
        """Whether there is a decision at all, `(batch,)`."""
        return tf.ones(tf.shape(spikes)[:1], tf.bool)

    def get_config(self):
        region = None if self.region is None else list(self.region)
        return {**super().get_config(), "region": region, "dt": self.dt}


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeCountAccuracy(_SpikeAccuracy):
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

    def __init__(self, region=None, dt=1.0, name="spike_count_accuracy", dtype=None):
        super().__init__(region=region, dt=dt, name=name, dtype=dtype)

    def scores(self, spikes):
        return tf.reduce_sum(spikes, axis=1)


@keras.saving.register_keras_serializable(package="keras_slayer")
class FirstSpikeAccuracy(_SpikeAccuracy):
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

    def __init__(self, region=None, dt=1.0, name="first_spike_accuracy", dtype=None):
        super().__init__(region=region, dt=dt, name=name, dtype=dtype)

    def scores(self, spikes):
        return -tf.cast(_first_steps(spikes), spikes.dtype)

    def decided(self, spikes):
        return tf.reduce_any(spikes > 0, axis=[1, 2])


@keras.saving.register_keras_serializable(package="keras_slayer")
class VanRossumDistance(_SpikeMetric):
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

    def __init__(self, tau=10.0, dt=1.0, name="van_rossum_distance", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.tau = checks.number(tau, "tau", open_low=True)
        self.dt = checks.number(dt, "dt", open_low=True)
        self._direction = "down"  # what EarlyStopping(mode="auto") asks a metric for

    def measure(self, y_true, y_pred):
        difference = spike_difference(y_true, y_pred, self.dtype)
        trace = ops.exponential_filter(difference, math.exp(-self.dt / self.tau))
        # The tail is a geometric series: (1 - d^2) / 2 times f[T-1]^2 d^2 / (1 - d^2).
        tail = 0.5 * math.exp(-2 * self.dt / self.tau) * trace[:, -1] ** 2
        within = -0.5 * math.expm1(-2 * self.dt / self.tau) * tf.reduce_sum(trace**2, axis=1)
        return tf.reduce_mean(rows(tf.sqrt(within + tail)[:, tf.newaxis]), axis=1)

    def get_config(self):
        return {**super().get_config(), "tau": self.tau, "dt": self.dt}


def accuracy_over_time(spikes, labels, *, inputs=None, readout="first") -> np.ndarray:
    """Accuracy if the output is read after each step: how soon the network is right.

    Element k is the share of samples that are decided rightly by their output spikes up to and
    including step k. A sample whose outputs have not fired yet has no decision and counts as
    wrong, so the curve starts near 0.

    Args:
        spikes: output spikes `(samples, time, classes)`; further class axes are flattened.
        labels: integers `(samples,)` or `(samples, 1)`, or one-hot `(samples, classes)`.
        inputs: what the network saw, `(samples, time, ...)`: time then starts at each sample's
            first event, and the last decision holds where a recording ends early. A sample without
            events starts at its first step. None: time starts at the first step.
        readout: `"first"`: the class that fired first; `"count"`: the class that fired most so
            far. On a tie the lowest index.

    Returns:
        Array `(time,)`.

    Raises:
        ValueError: shapes that do not fit, no samples, or an unknown readout.
    """
    if readout not in ("first", "count"):
        raise ValueError(f"`readout` must be 'first' or 'count'. Received: readout={readout!r}")
    spikes = tf.convert_to_tensor(spikes)
    fired = tf.cast(spikes_within(spikes, None, 1.0) > 0, tf.int32)
    counts = tf.cumsum(fired, axis=1).numpy()
    samples, steps, _ = counts.shape
    if samples == 0 or steps == 0:
        raise ValueError(
            "accuracy_over_time needs a sample and a step at least. "
            f"Received: spikes.shape={shape_text(spikes.shape)}"
        )
    totals = tf.cast(counts[:, -1], tf.float32)
    truth = _winner(class_targets(tf.convert_to_tensor(labels), totals, spikes.shape[2:])).numpy()
    if readout == "count":
        decisions = np.argmax(counts, axis=2)
    else:
        decisions = np.argmin(_first_steps(fired).numpy(), axis=1)[:, np.newaxis]
    right = (decisions == truth[:, np.newaxis]) & np.any(counts > 0, axis=2)
    if inputs is not None:
        right = np.take_along_axis(right, _steps_after_first_event(inputs, samples, steps), axis=1)
    return right.mean(axis=0)


def _steps_after_first_event(inputs, samples: int, steps: int) -> np.ndarray:
    """Step k steps after each sample's first event, at most the last: (samples, steps)."""
    inputs = np.asarray(inputs)
    if inputs.ndim < 3 or inputs.shape[:2] != (samples, steps):
        raise ValueError(
            f"`inputs` must be spikes of shape ({samples}, {steps}, ...), as many samples and "
            f"steps as the output. Received: inputs.shape={inputs.shape}"
        )
    start = np.argmax(inputs.reshape(samples, steps, -1).any(axis=2), axis=1)
    return np.minimum(start[:, np.newaxis] + np.arange(steps), steps - 1)
