"""The range of values that an encoder maps to its rates or times."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

MAX_STEPS = 2**24
"""Up to here float32, in which spike times are computed, holds every whole number of steps."""


def scaled(x, low, high) -> tf.Tensor:
    """x, of `low` to `high`, as float32 from 0 to 1. Values outside saturate."""
    low, width = _low_and_width(low, high)
    return tf.clip_by_value((_floats(x) - low) / width, 0.0, 1.0)


def check_units(x, low, high, name: str):
    """Refuses values that lie, on average, outside of the range by more than its width.

    They have other units than the range. Single values may lie anywhere.
    """
    low, width = _low_and_width(low, high)
    x = (_floats(x) - low) / width
    outside = tf.reduce_mean(tf.abs(x - tf.clip_by_value(x, 0.0, 1.0)))
    tf.debugging.Assert(
        outside <= 1.0,
        [
            f"{name}: the values to be encoded lie far outside of the range from `low` to `high`. "
            "Call its adapt(data) before training, or give `low` and `high`. Received: values from",
            tf.reduce_min(x * width + low),
            "to",
            tf.reduce_max(x * width + low),
            "for a range from",
            tf.reduce_min(low),
            "to",
            tf.reduce_max(low + width),
        ],
    )


def _low_and_width(low, high):
    low, high = _floats(low), _floats(high)
    # A feature that is constant is at its low end.
    return low, tf.where(high > low, high - low, tf.ones_like(high - low))


def _floats(x) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(x), tf.float32)


def vector(value, name: str) -> float | list[float]:
    """``value`` as a finite number, or a list of them, one per feature."""
    array = np.asarray(value, dtype="float64")
    if array.ndim > 1 or array.size == 0 or not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name} must be a number, or one for each feature. Received: {name}={value!r}"
        )
    return array.tolist()


def check_order(low, high) -> None:
    """ValueError unless each `high` is above its `low`."""
    try:
        above = np.all(np.asarray(high) > np.asarray(low))
    except ValueError:  # of different lengths
        above = False
    if not above:
        raise ValueError(
            f"high must be above low, feature by feature. Received: low={low!r}, high={high!r}"
        )


def check_range(low, high) -> None:
    """What the functions check: tensors of `tf.data` pass, and a feature may be constant."""
    if tf.is_tensor(low) or tf.is_tensor(high):
        return
    low, high = vector(low, "low"), vector(high, "high")
    if np.any(np.asarray(high) < np.asarray(low)):
        raise ValueError(
            f"high must not be below low, feature by feature. Received: low={low}, high={high}"
        )


def batches_of(data):
    """The batches of an array, a tensor or a `tf.data.Dataset`, as arrays."""
    if isinstance(data, tf.data.Dataset):
        for batch in data:
            yield np.asarray(batch[0] if isinstance(batch, tuple) else batch)
    else:
        yield np.asarray(data)


class RangeEncoder(keras.layers.Layer):
    """An encoder of values from `low` to `high`. Base class, not for use as such."""

    def __init__(
        self,
        *,
        low: float | Sequence[float] = 0.0,
        high: float | Sequence[float] = 1.0,
        **kwargs,
    ) -> None:
        # Inputs of 16-bit policies would be rounded before they are scaled.
        super().__init__(**{"autocast": False, **kwargs})
        self.low, self.high = vector(low, "low"), vector(high, "high")
        check_order(self.low, self.high)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape):
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                f"{type(self).__name__} needs input whose last axis has a known size. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        for name in ("low", "high"):
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != features:
                raise ValueError(
                    f"{name} must be a number, or one for each of the {features} features. "
                    f"Received: {len(value)} numbers"
                )
        self._low, self._high = (
            self.add_weight(
                name=name,
                shape=(features,),
                initializer=_Values(getattr(self, name)),
                trainable=False,
                autocast=False,
                dtype="float32",
            )
            for name in ("low", "high")
        )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: features})
        self.built = True

    def adapt(self, data) -> None:
        """Sets the range of each feature to the smallest and the largest value in ``data``.

        It is saved with the weights. Call it before training, on the training data.

        Args:
            data: (samples, ..., features) as an array or a tensor, or a `tf.data.Dataset` of
                batches (x, or pairs of x and labels).
        """
        low = high = None
        for batch in batches_of(data):
            if batch.ndim < 2 or batch.size == 0 or not np.all(np.isfinite(batch)):
                raise ValueError(
                    "adapt takes finite data (samples, ..., features). "
                    f"Received: shape={batch.shape}, {np.sum(~np.isfinite(batch))} not finite"
                )
            axes = tuple(range(batch.ndim - 1))
            least, most = batch.min(axis=axes), batch.max(axis=axes)
            low = least if low is None else np.minimum(low, least)
            high = most if high is None else np.maximum(high, most)
            shape = batch.shape
        if low is None:
            raise ValueError("adapt takes at least one batch. Received: no data")
        if not self.built:
            self.build((None, *shape[1:]))
        self._low.assign(low.astype("float32"))
        self._high.assign(high.astype("float32"))

    def _scale(self, inputs, training) -> tf.Tensor:
        """The inputs from 0 to 1; in training, refuses those of other units."""
        low, high = tf.convert_to_tensor(self._low), tf.convert_to_tensor(self._high)
        if training:
            check_units(inputs, low, high, self.name)
        return scaled(inputs, low, high)

    def get_config(self) -> dict:
        return {**super().get_config(), "low": self.low, "high": self.high}


class _Values:
    """Initial values of a weight: a number, or a list of the weight's size."""

    def __init__(self, values):
        self._values = values

    def __call__(self, shape, dtype=None):
        return tf.broadcast_to(tf.cast(self._values, dtype), shape)
