"""Arguments and sizes of the layers over images."""

from __future__ import annotations

import numbers


def pair(value, name: str) -> tuple[int, int]:
    """(vertical, horizontal) from one positive integer or two."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = (value, value)
    valid = (
        isinstance(value, (tuple, list))
        and len(value) == 2
        and all(isinstance(v, numbers.Integral) and v >= 1 for v in value)
    )
    if not valid:
        raise ValueError(
            f"{name} must be a positive integer or a pair (vertical, horizontal) of them. "
            f"Received: {name}={value!r}"
        )
    return (int(value[0]), int(value[1]))


def padding_name(value) -> str:
    """``"valid"`` or ``"same"``."""
    if not isinstance(value, str) or value.lower() not in ("valid", "same"):
        raise ValueError(f"padding must be 'valid' or 'same'. Received: padding={value!r}")
    return value.lower()


def window_size(size: int | None, window: int, stride: int, padding: str) -> int | None:
    """Positions of a window along an axis of ``size``."""
    if size is None:
        return None
    if padding == "valid":
        size = size - window + 1
    return -(-size // stride)
