"""Checks of arguments without TensorFlow, which the simulators do not load."""

import numbers


def positive_integer(value, name: str) -> int:
    """``value`` as an int from 1 on."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive integer. Received: {name}={value!r}")
    return int(value)
