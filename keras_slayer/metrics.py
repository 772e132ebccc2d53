"""Metrics on spike trains, and the measures of them that the losses share.

`SpikeCountAccuracy` asks which neuron fired most, `VanRossumDistance` how far spike trains are from
target trains. Both compute in float32 or wider under every dtype policy.
"""

import math

import keras
import tensorflow as tf

from keras_slayer import ops
from keras_slayer.ops import checks


def at_least_float32(dtype) -> str:
    """Name of the dtype to compute in: `dtype` (or `floatx`), float32 where that is narrower."""
    dtype = keras.dtype_policies.get(dtype or keras.config.floatx()).compute_dtype
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def checked_region(region, dt: float) -> tuple[float, float] | None:
    """`region` as (start, stop) in milliseconds, both on a step boundary; None stays None."""
    if region is None:
        return None
    try:
        start, stop = (float(edge) for edge in region)
    except (TypeError, ValueError):
        start = stop = math.nan
    on_steps = all(
        math.isfinite(edge) and math.isclose(edge / dt, round(edge / dt), abs_tol=1e-6)
        for edge in (start, stop)
    )
    if not (on_steps and 0 <= start < stop):
        raise ValueError(
            "`region` must be None or (start, stop) in milliseconds with 0 <= start < stop, both "
            f"multiples of dt={dt:g}. Received: region={region!r}"
        )
    return start, stop


def spike_counts(spikes, region: tuple[float, float] | None, dt: float):
    """Spikes of each class within a region of time.

    Args:
        spikes: float tensor `(batch, time, classes...)`; further class axes are flattened.
        region: (start, stop) in ms, start included and stop excluded, or None for all steps.
        dt: ms per step.

    Returns:
        `(counts, steps)`: counts `(batch, classes)` in the dtype of `spikes`, and the number of
        steps counted over, a scalar of the same dtype.

    Raises:
        ValueError: `spikes` has fewer than three axes, or ends before the region does.
    """
    shape = spikes.shape
    if shape.rank is None or shape.rank < 3:
        raise ValueError(
            "`y_pred` must be spikes of shape (batch, time, classes...). "
            f"Received: y_pred.shape={_text(shape)}"
        )
    if region is not None:
        start, stop = (round(edge / dt) for edge in region)
        if shape[1] is not None and stop > shape[1]:
            raise ValueError(
                f"`region` must end within the recording, {shape[1]} steps of dt={dt:g} ms. "
                f"Received: region={region}, y_pred.shape={_text(shape)}"
            )
        too_short = "region ends after the last step of y_pred"
        tf.debugging.assert_less_equal(stop, tf.shape(spikes)[1], message=too_short)
        spikes = spikes[:, start:stop]
    return _rows(tf.reduce_sum(spikes, axis=1)), tf.cast(tf.shape(spikes)[1], spikes.dtype)


def class_targets(labels, counts, class_shape: tf.TensorShape):
    """Labels as one row per sample: 1 for the true class, 0 for the others.

    Args:
        labels: integers `(batch,)` or `(batch, 1)`; or one row per sample already (one-hot,
            multi-hot, smoothed), `(batch, classes)` or with the class axes of the spikes.
        counts: `(batch, classes)`, what the targets will be compared with.
        class_shape: the class axes of the spikes, before they were flattened.

    Returns:
        Tensor of the shape and dtype of `counts`.

    Raises:
        ValueError: labels of another rank or shape.
        tf.errors.InvalidArgumentError: an integer label that is fractional, negative or not less
            than the number of classes.
    """
    shape, (batch, classes) = labels.shape, counts.shape
    integers = shape.rank == 1 or (shape.rank == 2 and shape[1] == 1 and classes != 1)
    allowed = [] if classes == 1 else [[batch], [batch, 1]]
    allowed += [[batch, classes], [batch, *class_shape]]
    if shape.rank is None or not any(shape.is_compatible_with(option) for option in allowed):
        raise ValueError(
            f"`y_true` must be integer labels of shape ({batch},) or ({batch}, 1), for two classes "
            f"or more, or one-hot labels of shape ({batch}, {classes}), where y_pred has the class "
            f"axes {_text(class_shape)}. Received: y_true.shape={_text(shape)}"
        )
    if integers:
        labels = tf.reshape(labels, [-1])
        index = tf.cast(labels, tf.int32)
        valid = (index >= 0) & (index < tf.shape(counts)[1])
        valid &= tf.equal(tf.cast(index, labels.dtype), labels)
        message = "y_true must hold integer class labels from 0 to (classes - 1)"
        tf.debugging.Assert(tf.reduce_all(valid), [message, labels], summarize=16)
        targets = tf.one_hot(index, tf.shape(counts)[1], dtype=counts.dtype)
    else:
        targets = _rows(tf.cast(labels, counts.dtype))
    # Broadcasting would hide a mismatch in axes whose size is unknown until now.
    same = "y_true and y_pred must have the same batch size and number of classes"
    tf.debugging.assert_equal(tf.shape(targets), tf.shape(counts), message=same)
    return tf.ensure_shape(targets, counts.shape)


def spike_difference(y_true, y_pred, dtype: str):
    """`y_pred - y_true` in `dtype`; a ValueError unless both are (batch, time, ...) and alike."""
    y_true, y_pred = tf.cast(y_true, dtype), tf.cast(y_pred, dtype)
    ranks = (y_true.shape.rank, y_pred.shape.rank)
    if None in ranks or min(ranks) < 2 or not y_true.shape.is_compatible_with(y_pred.shape):
        raise ValueError(
            "`y_true` must be target spikes of the same shape as `y_pred`, (batch, time, ...). "
            f"Received: y_true.shape={_text(y_true.shape)}, y_pred.shape={_text(y_pred.shape)}"
        )
    same = "y_true and y_pred must have the same shape"
    tf.debugging.assert_equal(tf.shape(y_true), tf.shape(y_pred), message=same)
    return y_pred - y_true


def _rows(x):
    """`x` with all axes after the first flattened into one; an empty batch is fine."""
    if x.shape.rank == 2:
        return x
    inner = x.shape[1:]
    size = math.prod(inner) if inner.is_fully_defined() else tf.reduce_prod(tf.shape(x)[1:])
    return tf.reshape(x, [tf.shape(x)[0], size])


def _text(shape: tf.TensorShape) -> str:
    return "unknown" if shape.rank is None else str(tuple(shape))


def _winner(scores):
    """Index of the largest score of each row; on a tie the lowest (tf.argmax promises none)."""
    index = tf.range(tf.shape(scores)[1])
    best = tf.equal(scores, tf.reduce_max(scores, axis=1, keepdims=True))
    return tf.reduce_min(tf.where(best, index, tf.shape(scores)[1]), axis=1)


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


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikeCountAccuracy(_SpikeMetric):
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
        super().__init__(name=name, dtype=dtype)
        self.dt = checks.number(dt, "dt", open_low=True)
        self.region = checked_region(region, self.dt)
        self._direction = "up"  # what EarlyStopping(mode="auto") asks a metric for

    def measure(self, y_true, y_pred):
        counts, _ = spike_counts(tf.cast(y_pred, self.dtype), self.region, self.dt)
        if counts.shape[1] == 1:
            raise ValueError(
                "SpikeCountAccuracy needs two classes or more. "
                f"Received: y_pred.shape={_text(y_pred.shape)}"
            )
        targets = class_targets(y_true, counts, y_pred.shape[2:])
        return tf.cast(tf.equal(_winner(counts), _winner(targets)), self.dtype)

    def get_config(self):
        region = None if self.region is None else list(self.region)
        return {**super().get_config(), "region": region, "dt": self.dt}


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
        return tf.reduce_mean(_rows(tf.sqrt(within + tail)[:, tf.newaxis]), axis=1)

    def get_config(self):
        return {**super().get_config(), "tau": self.tau, "dt": self.dt}
