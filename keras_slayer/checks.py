"""Argument checks: what, what is allowed, what was received."""

from __future__ import annotations

import math
import numbers

import tensorflow as tf

FLOAT_DTYPES = ("float32", "float64", "float16", "bfloat16")
BYTE_DTYPES = ("uint8", "bool")
GRADIENTS = ("slayer", "exodus")
SURROGATES = ("exponential", "triangle")


def tensor(x, name: str, dtypes: tuple[str, ...] = FLOAT_DTYPES) -> tf.Tensor:
    """``x`` as a tensor of one of these dtypes."""
    x = tf.convert_to_tensor(x)
    if x.dtype.name not in dtypes:
        raise ValueError(
            f"{name} must have one of the dtypes {', '.join(dtypes)}. "
            f"Received: dtype={x.dtype.name}"
        )
    return x


def series(x, name: str = "x", dtypes: tuple[str, ...] = FLOAT_DTYPES) -> tf.Tensor:
    """``x`` as a tensor of one of these dtypes with the axes (batch, time, ...)."""
    x = tensor(x, name, dtypes)
    if x.shape.rank is not None and x.shape.rank < 2:
        raise ValueError(
            f"{name} must have the axes (batch, time, ...). Received: shape={tuple(x.shape)}"
        )
    return x


def spikes(x) -> tf.Tensor:
    """``x`` as input spikes: a series of floats or bytes."""
    return series(x, "spikes", FLOAT_DTYPES + BYTE_DTYPES)


def are_bytes(x) -> bool:
    return x.dtype.name in BYTE_DTYPES


def taps(value, name: str, dtype) -> tf.Tensor:
    """``value`` as a vector of at least one tap, in ``dtype``."""
    # Without the hint a list of Python floats would pass through float32.
    value = tf.cast(tf.convert_to_tensor(value, dtype_hint=dtype), dtype)
    if value.shape.rank not in (None, 1) or value.shape.num_elements() == 0:
        raise ValueError(
            f"{name} must be a vector of at least one tap. "
            f"Received: {name} of shape {tuple(value.shape)}"
        )
    return value


def number(value, name: str, *, low: float = 0.0, high: float = math.inf, open_low: bool = False):
    """``value`` as a float within [low, high], or (low, high] with ``open_low``."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        within = False
    else:
        within = value > low or not open_low
    if not within:
        bracket = "(" if open_low else "["
        close = ")" if math.isinf(high) else "]"
        raise ValueError(
            f"{name} must be a number in {bracket}{low:g}, {high:g}{close}. "
            f"Received: {name}={value!r}"
        )
    return float(value)


def integer(value, name: str, *, low: int, high: int) -> int:
    """``value`` as an int within [low, high]."""
    if (
        not isinstance(value, numbers.Integral)
        or isinstance(value, bool)
        or not low <= value <= high
    ):
        raise ValueError(
            f"{name} must be an integer in [{low}, {high}]. Received: {name}={value!r}"
        )
    return int(value)


def pair(value, name: str) -> tuple[int, int]:
    """``value`` as a pair (vertical, horizontal) of positive ints."""
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    if not is_pair or not all(isinstance(v, numbers.Integral) and v >= 1 for v in value):
        raise ValueError(f"{name} must be a pair of positive integers. Received: {name}={value!r}")
    return int(value[0]), int(value[1])


def same_dtype(spikes, weights) -> None:
    floats = weights.dtype.name in FLOAT_DTYPES
    if not floats or (weights.dtype != spikes.dtype and not are_bytes(spikes)):
        raise ValueError(
            "weights must have the dtype of spikes, or spikes be uint8 or bool. "
            f"Received: {weights.dtype.name} weights and {spikes.dtype.name} spikes"
        )


def padding(value) -> str:
    """``value`` as the name of a padding."""
    if value not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={value!r}")
    return value


def gradient(value) -> str:
    """``value`` as the name of a gradient."""
    return _one_of(value, "gradient", GRADIENTS)


def surrogate(value) -> str:
    """``value`` as the name of a surrogate."""
    return _one_of(value, "surrogate", SURROGATES)


def _one_of(value, name: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, allowed))}. Received: {name}={value!r}"
        )
    return value
