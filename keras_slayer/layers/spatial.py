"""Checks of arguments and input shapes that layers share."""

from __future__ import annotations

import numbers


def pair(value, name: str) -> tuple[int, int]:
    """(vertical, horizontal) from one positive integer or two."""
    both = value if isinstance(value, (tuple, list)) else (value, value)
    valid = len(both) == 2 and all(
        isinstance(v, numbers.Integral) and not isinstance(v, bool) and v >= 1 for v in both
    )
    if not valid:
        raise ValueError(
            f"{name} must be a positive integer or a pair (vertical, horizontal) of them. "
            f"Received: {name}={value!r}"
        )
    return (int(both[0]), int(both[1]))


def check_axes(layer, input_shape, axes: str, *, ndim: int | None = None, min_ndim: int = 0):
    """Refuses input of another rank than that of ``axes``, which says what the axes are."""
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


def padding_name(value) -> str:
    """``"valid"`` or ``"same"``."""
    if not isinstance(value, str) or value.lower() not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={value!r}")
    return value.lower()
