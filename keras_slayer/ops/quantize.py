"""Weights rounded to a grid, with straight-through gradients."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library, selection


@tf.autograph.experimental.do_not_convert
def quantize(weights, step: float, low: float, high: float) -> tf.Tensor:
    """q = clip(step round(w / step), low, high), with halves rounded to even.

    The gradient is straight-through: dw = dq, and 0 where values are clipped.

    Args:
        weights: tensor of float32, float64, float16 or bfloat16.
        step: a power of two.
        low, high: multiples of ``step``.

    Returns:
        Tensor like ``weights``.

    Raises:
        ValueError: weights of another dtype.
    """
    weights = checks.tensor(weights, "weights")
    if selection.choose("quantize", weights=weights.shape).is_reference:
        return reference_quantize(weights, step, low, high)
    native = library.native()
    grid = {"step": step, "low": low, "high": high}

    @tf.custom_gradient
    def straight_through(weights):
        # Persistent tapes would look up gradients of the native ops, which do not exist.
        fixed = tf.stop_gradient(weights)

        def gradient(grad):
            return native.keras_slayer_quantize_grad(weights=fixed, grad=grad, **grid)

        return native.keras_slayer_quantize(weights=fixed, **grid), gradient

    return straight_through(weights)


def reference_quantize(weights, step: float, low: float, high: float):
    """``quantize`` in plain TensorFlow."""

    @tf.custom_gradient
    def straight_through(w):
        rounded = tf.round(w / step) * step
        inside = tf.logical_and(rounded >= low, rounded <= high)
        clipped = tf.clip_by_value(rounded, low, high)
        return clipped, lambda grad: tf.where(inside, grad, tf.zeros_like(grad))

    return straight_through(weights)
