"""Checks of the arguments that transforms share."""

import numbers

from keras_slayer import checks


def interval(value, name: str, *, low: float, high: float, centre: float | None = None):
    """A pair (low, high) of floats to draw from.

    A number d stands for (centre - d, centre + d), or (d, d) where there is no centre.
    """
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(
                f"{name} must be a number or a pair (low, high). Received: {name}={value!r}"
            )
        pair = tuple(checks.number(v, name, low=low, high=high) for v in value)
    else:
        number = checks.number(value, name, low=low if centre is None else 0.0, high=high)
        pair = (number, number) if centre is None else (centre - number, centre + number)
    if not low <= pair[0] <= pair[1] <= high:
        raise ValueError(
            f"{name} must be a range within [{low:g}, {high:g}], lowest first. "
            f"Received: {name}={value!r}"
        )
    return pair


def probability(value, name: str = "probability") -> float:
    return checks.number(value, name, low=0.0, high=1.0)


def microseconds(value, name: str, *, low: int = 1) -> int:
    """`value` as an int of microseconds."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < low:
        raise ValueError(
            f"{name} must be whole microseconds, an integer of {low} or more. "
            f"Received: {name}={value!r}"
        )
    return int(value)


def one_of(value, name: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} must be one of {choices}. Received: {name}={value!r}")
    return value


def image(sensor_shape, name: str) -> tuple[int, int, int]:
    """`sensor_shape` if it has rows and columns."""
    if len(sensor_shape) != 3:
        raise ValueError(
            f"{name} needs a sensor with an image, (height, width, channels). "
            f"Received: sensor_shape={tuple(sensor_shape)}"
        )
    return tuple(sensor_shape)
