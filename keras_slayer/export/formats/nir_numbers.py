"""float32 numbers next to a number: thresholds that a voltage reaches only where it is above."""

import numpy as np


def float32_below(value: float) -> float:
    """The largest float32 up to ``value``."""
    nearest = np.float32(value)
    if float(nearest) > value:  # as float: NumPy would round ``value`` for the comparison
        nearest = np.nextafter(nearest, np.float32(-np.inf))
    return float(nearest)


def float32_above(value: float) -> float:
    """The smallest float32 above ``value``: to reach it is to be above ``value``."""
    return float(np.nextafter(np.float32(float32_below(value)), np.float32(np.inf)))


def float32_from(value: float) -> float:
    """The smallest float32 from ``value`` on."""
    below = float32_below(value)
    return below if below == value else float32_above(value)
