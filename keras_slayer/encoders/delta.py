"""Delta coding: a time series spikes where it has moved."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.encoders.ranges import _Values, batches_of, vector


def delta_spikes(x, threshold=0.1, *, axis: int = 1, dtype="float32") -> tf.Tensor:
    """Up and down spikes of a time series. See ``DeltaEncoder``.

    Args:
        x: (..., features) with the time axis at ``axis``.
        threshold: a positive number, or one for each feature.
        axis: of time: 1 for (batch, time, ...), 0 for one sample (time, ...).
        dtype: of the result.

    Returns:
        Zeros and ones, the shape of x with twice as many features: up, then down.
    """
    threshold = tf.cast(_positive(threshold), tf.float32)
    x = tf.cast(tf.convert_to_tensor(x), tf.float32)
    # The last axis is that of the features.
    if not (x.shape.rank and 0 <= axis < x.shape.rank - 1):
        raise ValueError(
            "delta_spikes takes x (..., features) with the axis of time from 0 on, before that of "
            f"the features. Received: x of shape {x.shape}, axis={axis!r}"
        )
    order = [axis, *(a for a in range(x.shape.rank) if a != axis)]
    series = tf.transpose(x, order)  # time first
    start = series[0]

    def step(carry, now):
        level, _ = carry  # whole thresholds from the start: no sum of rounded numbers
        away = now - (start + threshold * tf.cast(level, tf.float32))
        moved = tf.cast(away >= threshold, tf.int32) - tf.cast(away <= -threshold, tf.int32)
        return level + moved, moved

    nothing = tf.zeros_like(start, tf.int32)
    moved = tf.scan(step, series, initializer=(nothing, nothing))[1]
    spikes = tf.cast(tf.concat([moved > 0, moved < 0], axis=-1), dtype)
    back = [order.index(a) for a in range(len(order))]
    spikes = tf.transpose(spikes, back)
    last = x.shape[-1]
    return tf.ensure_shape(spikes, [*x.shape[:-1], None if last is None else 2 * last])


def reconstruct(spikes, threshold=0.1, start=0.0, *, axis: int = 1) -> tf.Tensor:
    """The time series that the spikes of ``DeltaEncoder`` stand for.

    Args:
        spikes: (..., 2 * features) with the time axis at ``axis``.
        threshold: that of the encoder.
        start: first value of each series: a number, or (..., features) without the time axis.
        axis: of time.

    Returns:
        start + threshold (up spikes so far - down spikes so far), (..., features).
    """
    up, down = tf.split(tf.cast(tf.convert_to_tensor(spikes), tf.float32), 2, axis=-1)
    start = tf.cast(tf.convert_to_tensor(start), tf.float32)
    if start.shape.rank:
        start = tf.expand_dims(start, axis)
    threshold = tf.cast(_positive(threshold), tf.float32)
    return start + threshold * tf.cumsum(up - down, axis=axis)


@keras.saving.register_keras_serializable(package="keras_slayer")
class DeltaEncoder(keras.layers.Layer):
    """Spikes where a time series has moved by a threshold: send-on-delta, an event camera's pixel.

    From the reference r, which is the first value at first::

        x[t] - r >= threshold     ->  up spike,    r increases by threshold
        x[t] - r <= -threshold    ->  down spike,  r decreases by threshold

    r is what ``reconstruct`` returns. As long as x moves by no more than the threshold from step
    to step, |x - r| < threshold. Where x moves faster, r follows by one threshold per step.

    Args:
        threshold: a positive number, or one for each feature, in the units of the data.
            ``adapt(data)`` sets it from data.

    Call arguments:
        inputs: (batch, time, ..., features).
        training: whether series that move by more than the threshold per step, on average, are
            refused.

    Output shape:
        (batch, time, ..., 2 * features): up spikes of all features, then down spikes.

    Raises:
        ValueError: a threshold that is not positive; input without a time axis.
        tf.errors.InvalidArgumentError: in training, series that are too fast for the threshold.

    Example:

    >>> encoder = keras_slayer.DeltaEncoder(threshold=0.5)
    >>> encoder([[[0.0], [0.6], [0.0]]])[0].numpy()
    array([[0., 0.],
           [1., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(self, threshold: float | Sequence[float] = 0.1, **kwargs) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.threshold = _positive(threshold)
        self.input_spec = keras.layers.InputSpec(min_ndim=3)

    def build(self, input_shape):
        features = input_shape[-1]
        if features is None or (
            isinstance(self.threshold, list) and len(self.threshold) != features
        ):
            raise ValueError(
                "DeltaEncoder takes input (batch, time, ..., features) of a known number of "
                "features, and one threshold or one for each. Received: "
                f"input_shape={tuple(input_shape)}, threshold={self.threshold!r}"
            )
        self._threshold = self.add_weight(
            name="threshold",
            shape=(features,),
            initializer=_Values(self.threshold),
            trainable=False,
            autocast=False,
            dtype="float32",
        )
        self.input_spec = keras.layers.InputSpec(min_ndim=3, axes={-1: features})
        self.built = True

    def adapt(self, data) -> None:
        """Sets each feature's threshold to the largest step in ``data``.

        With it |x - r| < threshold holds for these series. It is saved with the weights.

        Args:
            data: (samples, time, ..., features) as an array or a tensor, or a `tf.data.Dataset`
                of batches (x, or pairs of x and labels).
        """
        largest = None
        for batch in batches_of(data):
            if batch.ndim < 3 or batch.shape[1] < 2 or not np.all(np.isfinite(batch)):
                raise ValueError(
                    "adapt takes finite data (samples, time, ..., features) of two steps or more. "
                    f"Received: shape={batch.shape}, {np.sum(~np.isfinite(batch))} not finite"
                )
            steps = np.abs(np.diff(batch.astype("float64"), axis=1))
            most = steps.max(axis=tuple(range(batch.ndim - 1)))
            largest = most if largest is None else np.maximum(largest, most)
            shape = batch.shape
        if largest is None:
            raise ValueError("adapt takes at least one batch. Received: no data")
        if not self.built:
            self.build((None, *shape[1:]))
        # Rounded up, so that the bound holds in float32; a feature that never moves gets 1.
        largest = np.nextafter(largest.astype("float32"), np.float32(np.inf))
        self._threshold.assign(np.where(largest > 1e-30, largest, 1.0).astype("float32"))

    def call(self, inputs, training: bool | None = None):
        threshold = tf.convert_to_tensor(self._threshold)
        if training:
            x = tf.cast(inputs, tf.float32)
            steps = tf.reduce_mean(tf.abs(x[:, 1:] - x[:, :-1]) / threshold)
            tf.debugging.Assert(
                ~(steps > 1.0),  # true of one step, whose mean is not a number
                [
                    f"{self.name}: the series move by more than the threshold per step, so that "
                    "spikes cannot follow. Call its adapt(data) before training, or give a larger "
                    "threshold. Received: series that move, on average, by so many thresholds:",
                    steps,
                ],
            )
        return delta_spikes(inputs, threshold, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "threshold": self.threshold}


def _positive(threshold):
    """``threshold`` as a positive number or a list of them; a tensor as it is."""
    if tf.is_tensor(threshold):
        return threshold
    value = vector(threshold, "threshold")
    if not np.all(np.asarray(value) > 0):
        raise ValueError(
            "threshold must be a positive number, or one for each feature. "
            f"Received: threshold={threshold!r}"
        )
    return value
