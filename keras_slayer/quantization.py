"""Rounding of weights to Loihi's integers, with straight-through gradients.

A float weight is the chip's integer over 64. With a sign the integers are even,
-256 .. 254 at 8 bits; each bit less doubles the step: 2^(9 - bits).
"""

from __future__ import annotations

import tensorflow as tf

from keras_slayer.ops import checks

WEIGHT_MIN = -4.0  # -256 / 64


def weight_step(bits: int) -> float:
    """Distance of neighbouring float weights, 2^(9 - bits) / 64."""
    return 2.0 ** (9 - checks.integer(bits, "bits", low=1, high=8)) / 64


def weight_max(bits: int) -> float:
    """Largest float weight: one step below 4."""
    return -WEIGHT_MIN - weight_step(bits)


def quantize_weights(weights, bits: int = 8):
    """Weights as the chip holds them: rounded to the step, clipped to the range.

    q = clip(step round(w / step), -4, 4 - step), step = 2^(9 - bits) / 64. The
    gradient passes as if nothing had been rounded, and is zero where the clip
    acts.

    Args:
        weights: float tensor.
        bits: 1 to 8.

    Returns:
        Tensor like ``weights``, each element an integer / 64.
    """
    step, high = weight_step(bits), weight_max(bits)

    @tf.custom_gradient
    def quantize(w):
        rounded = tf.round(w / step) * step
        inside = tf.logical_and(rounded >= WEIGHT_MIN, rounded <= high)
        clipped = tf.clip_by_value(rounded, WEIGHT_MIN, high)
        return clipped, lambda grad: tf.where(inside, grad, tf.zeros_like(grad))

    return quantize(tf.convert_to_tensor(weights))
