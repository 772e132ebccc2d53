"""Rounding of weights to Loihi's integers, with straight-through gradients.

A float weight is the chip's integer over 64. With a sign the integers are even,
-256 .. 254 at 8 bits; each bit less doubles the step: 2^(9 - bits). A float bias is an integer
-4096 .. 4095 over 64.
"""

from __future__ import annotations

from keras_slayer import checks, loihi
from keras_slayer.ops.quantize import quantize

WEIGHT_MIN = loihi.MIN_WEIGHT / loihi.WEIGHT_SCALE  # -4


def weight_step(bits: int) -> float:
    """Distance of neighbouring float weights, 2^(9 - bits) / 64."""
    bits = checks.integer(bits, "bits", low=1, high=loihi.WEIGHT_BITS)
    return loihi.weight_step(bits) / loihi.WEIGHT_SCALE


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
    return quantize(weights, weight_step(bits), WEIGHT_MIN, weight_max(bits))


def quantize_bias(bias):
    """Biases as the chip holds them: rounded to integers / 64, clipped to the range.

    q = clip(round(64 bias), -4096, 4095) / 64, with the gradient of ``quantize_weights``.

    Args:
        bias: float tensor.

    Returns:
        Tensor like ``bias``, each element an integer / 64.
    """
    low, high = loihi.MIN_BIAS / loihi.WEIGHT_SCALE, loihi.MAX_BIAS / loihi.WEIGHT_SCALE
    return quantize(bias, 1 / loihi.WEIGHT_SCALE, low, high)
