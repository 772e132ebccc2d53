"""What the losses share: precision, the region of time, and labels as targets."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.measures import (
    Region,
    at_least_float32,
    check_weights,
    checked_region,
    class_targets,
    shape_text,
    spike_counts,
)


class SpikeLoss(keras.losses.Loss):
    """A loss that computes in float32 or wider."""

    def __init__(
        self, *, name: str, reduction: str | None = "sum_over_batch_size", dtype=None
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=at_least_float32(dtype))

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Keras would multiply one value per sample by a mask of steps, where their sizes let it.
        mask = getattr(y_pred, "_keras_mask", None)
        if mask is not None and len(mask.shape) > 1:
            raise ValueError(
                f"{type(self).__name__} has one value per sample and takes no mask of time steps; "
                "for a part of the recording give it a region, where it has one. Received: y_pred "
                f"with a mask of shape {shape_text(mask.shape)}"
            )
        check_weights(sample_weight, type(self).__name__)
        return super().__call__(y_true, y_pred, sample_weight=sample_weight)

    def get_config(self) -> dict:
        return {**super().get_config(), "dtype": self.dtype}


class CountLoss(SpikeLoss):
    """A loss that sees only how often each class fired; subclasses give its equation."""

    def __init__(self, *, region: Region | None, dt: float, **kwargs) -> None:
        super().__init__(**kwargs)
        self.dt = checks.number(dt, "dt", open_low=True)
        self.region = checked_region(region, self.dt)

    def call(self, y_true, y_pred) -> tf.Tensor:
        y_pred = tf.cast(y_pred, self.dtype)
        counts, steps = spike_counts(y_pred, self.region, self.dt)
        targets = class_targets(tf.convert_to_tensor(y_true), counts, y_pred.shape[2:])
        # No steps count as one without spikes.
        return self.count_loss(counts, targets, tf.maximum(steps, 1.0))

    def count_loss(self, counts, targets, steps) -> tf.Tensor:
        """Loss `(batch,)` of counts and targets `(batch, classes)` over `steps` steps."""
        raise NotImplementedError

    def get_config(self) -> dict:
        region = None if self.region is None else list(self.region)
        return {**super().get_config(), "region": region, "dt": self.dt}
