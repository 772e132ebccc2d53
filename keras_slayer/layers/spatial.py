"""Checks of arguments and input shapes that layers share."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

MAX_SIDE = 2**14
"""Largest side of an image, kernel or window, and largest stride and dilation: ``kMaxSide`` of the
native ops. Beyond their own limits, TensorFlow's convolutions and pools end the process."""
MAX_UNITS = 2**31 - 1
"""Most neurons per position; the native ops count them in 32 bits."""
MAX_STEPS = 2**31 - 1
"""Most time steps; the ops count them in 32 bits."""


def pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """(vertical, horizontal) from one integer or two, each from 1 to ``MAX_SIDE``."""
    both = value if isinstance(value, (tuple, list)) else (value, value)
    valid = len(both) == 2 and all(
        isinstance(v, numbers.Integral) and not isinstance(v, bool) and 1 <= v <= MAX_SIDE
        for v in both
    )
    if not valid:
        raise ValueError(
            f"{name} must be an integer in [1, {MAX_SIDE}] or a pair (vertical, horizontal) of "
            f"them. Received: {name}={value!r}"
        )
    return (int(both[0]), int(both[1]))


def check_axes(
    layer, input_shape, axes: str, *, ndim: int | None = None, min_ndim: int = 0
) -> None:
    """Refuses input of another rank than that of ``axes``, which says what the axes are."""
    if isinstance(input_shape, dict) or any(isinstance(size, tuple | list) for size in input_shape):
        raise ValueError(
            f"{type(layer).__name__} takes one tensor with the axes {axes}. Of a layer with "
            f"return_state=True, which returns a pair, it is the first. Received: "
            f"input_shape={input_shape}"
        )
    rank = len(input_shape)
    if rank >= min_ndim and ndim in (None, rank):
        return
    hint = ""
    if rank == 2:
        hint = " (keras.layers.Flatten flattens time as well, keras_slayer.Flatten does not)"
    raise ValueError(
        f"{type(layer).__name__} takes input with the axes {axes}{hint}. "
        f"Received: input_shape={tuple(input_shape)}"
    )


def padding_name(value: str) -> str:
    """``"valid"`` or ``"same"``."""
    if not isinstance(value, str) or value.lower() not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={value!r}")
    return value.lower()
