"""Latency coding: larger values spike earlier, once."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.encoders.ranges import MAX_STEPS, RangeEncoder, check_range, scaled

METHODS = ("linear", "logarithmic")


def latency_spikes(
    x,
    steps: int = 20,
    *,
    method: str = "linear",
    threshold: float = 0.1,
    tau: float | None = None,
    dt: float = 1.0,
    low: float | Sequence[float] = 0.0,
    high: float | Sequence[float] = 1.0,
    axis: int = 1,
    dtype="float32",
) -> tf.Tensor:
    """One spike for each value, earlier for larger ones. See ``LatencyEncoder``.

    Args:
        x: numbers of any shape.
        steps, method, threshold, tau, dt, low, high: as of ``LatencyEncoder``.
        axis: where the result has its time axis: 1 for a batch, 0 for one sample.
        dtype: of the result.

    Returns:
        Zeros and ones, the shape of x with ``steps`` inserted at ``axis``.
    """
    steps, threshold, tau, dt = _check(steps, method, threshold, tau, dt)
    check_range(low, high)
    step = _step(scaled(x, low, high), steps, method, threshold, tau / dt)
    return tf.one_hot(step, steps, axis=axis, dtype=dtype)


@keras.saving.register_keras_serializable(package="keras_slayer")
class LatencyEncoder(RangeEncoder):
    """One spike for each value, the earlier the larger it is. With x from 0 to 1 in the range::

        "linear"         t = (1 - x) / (1 - threshold)      of the time from first to last step
        "logarithmic"    t = tau ln(x / (x - threshold))

    The second is when a leaky integrator with time constant tau reaches the threshold, if x is
    switched on at 0. Values below the threshold make no spike, nor do those that would spike
    after the last step.

    Args:
        steps: time steps of the output.
        method: "linear" or "logarithmic".
        threshold: smallest x that spikes, 0 to 1 (more than 0 with "logarithmic").
        tau: ms, of "logarithmic". None: as long as the output lasts.
        dt: length of a time step, ms.
        low, high: the range of the values: numbers, or one per feature; values outside saturate.
            ``adapt(data)`` sets it from data.

    Call arguments:
        inputs: (batch, ..., features).
        training: whether values of other units than the range are refused.

    Output shape:
        (batch, steps, ..., features).

    Raises:
        ValueError: an argument out of range.
        tf.errors.InvalidArgumentError: as ``RateEncoder``.

    Example:

    >>> encoder = keras_slayer.LatencyEncoder(steps=11, threshold=0.0)
    >>> encoder([[1.0, 0.5]])[0].numpy().argmax(axis=0)
    array([0, 5])
    """

    def __init__(
        self,
        steps: int = 20,
        method: str = "linear",
        threshold: float = 0.1,
        tau: float | None = None,
        dt: float = 1.0,
        low: float | Sequence[float] = 0.0,
        high: float | Sequence[float] = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(low=low, high=high, **kwargs)
        checked = _check(steps, method, threshold, tau, dt)
        self.steps, self.threshold, self._tau, self.dt = checked
        self.tau = None if tau is None else self._tau
        self.method = method

    def call(self, inputs, training: bool | None = None):
        x = self._scale(inputs, training)
        step = _step(x, self.steps, self.method, self.threshold, self._tau / self.dt)
        return tf.one_hot(step, self.steps, axis=1, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.steps, *input_shape[1:])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "steps": self.steps,
            "method": self.method,
            "threshold": self.threshold,
            "tau": self.tau,
            "dt": self.dt,
        }


def _check(steps, method, threshold, tau, dt) -> tuple[int, float, float, float]:
    steps = checks.integer(steps, "steps", low=1, high=MAX_STEPS)
    dt = checks.number(dt, "dt", open_low=True)
    if method not in METHODS:
        raise ValueError(f"method must be 'linear' or 'logarithmic'. Received: method={method!r}")
    open_low = method == "logarithmic"
    threshold = checks.number(threshold, "threshold", high=0.99, open_low=open_low)
    tau = steps * dt if tau is None else checks.number(tau, "tau", open_low=True)
    return steps, threshold, tau, dt


def _step(x, steps, method, threshold, tau) -> tf.Tensor:
    """int32: the step of the spike, -1 for none; `tau` in steps."""
    if method == "linear":
        t = tf.round((1.0 - x) / (1.0 - threshold) * (steps - 1))
        fires = x >= threshold
    else:
        fires = x > threshold
        above = tf.where(fires, x - threshold, 1.0)
        t = tf.floor(tau * tf.math.log(tf.where(fires, x, 1.0) / above))
        fires &= t < steps
    return tf.where(fires, tf.cast(tf.where(fires, t, 0.0), tf.int32), -1)
