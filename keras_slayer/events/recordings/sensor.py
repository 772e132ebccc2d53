"""The size of the sensor: given, known to the files, or found in the events."""

import threading
import warnings
from collections.abc import Callable

import numpy as np

from keras_slayer.events.recordings.columns import Info
from keras_slayer.events.recordings.errors import RecordingsWarning

_CHANNELS = 2  # OFF and ON


def check_shape(sensor_shape) -> tuple[int, ...] | None:
    """`(height, width, channels)` or `(neurons,)`; two channels where there are none."""
    if sensor_shape is None:
        return None
    shape = tuple(sensor_shape) if np.iterable(sensor_shape) else (sensor_shape,)
    if len(shape) not in (1, 2, 3) or not all(is_count(n) for n in shape):
        raise ValueError(
            "`sensor_shape` must be (height, width), (height, width, channels) or (neurons,), "
            f"positive integers. Received: sensor_shape={sensor_shape}"
        )
    shape = tuple(int(n) for n in shape)
    return (*shape, _CHANNELS) if len(shape) == 2 else shape


def is_count(value) -> bool:
    """Whether it is a positive integer."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0


class Sensor:
    """The sensor of a set of recordings, which all that is made of the set shares.

    Args:
        given: `(height, width, channels)`, `(neurons,)` or None.
        infos: gives what is known of each recording, read or not, one after the other.
    """

    def __init__(self, given: tuple[int, ...] | None, infos: Callable):
        self.known = given
        self._given = given is not None
        self._infos = infos
        self._lock = threading.Lock()

    def shape(self) -> tuple[int, ...]:
        """The shape; where it is not known, the recordings are read for it, once."""
        with self._lock:
            if self.known is None:
                self.known = self._find()
            return self.known

    def _find(self):
        infos = self._infos()
        first = next(infos)
        if first.sensor_shape is not None:
            return (*first.sensor_shape, _CHANNELS)
        found = [first, *infos]
        shape = (
            1 + max(info.max_y for info in found),
            1 + max(info.max_x for info in found),
            max(_CHANNELS, 1 + max(info.max_polarity for info in found)),
        )
        warnings.warn(
            f"The sensor_shape {shape} was found in the events: the largest x and y of all "
            f"recordings ({len(found)}), which were read for it. If the sensor is larger, or to "
            "save that reading, give sensor_shape=(height, width).",
            RecordingsWarning,
            stacklevel=4,
        )
        return shape

    def check(self, info: Info) -> None:
        """ValueError for a recording of another sensor."""
        shape = self.known
        if shape is None or not info.count:
            return
        if not self._given and info.sensor_shape not in (None, shape[:2]):
            raise ValueError(
                f"it is of a sensor of {info.sensor_shape}, and the first recording of one of "
                f"{shape[:2]}. Give sensor_shape=(height, width) that holds both. "
                f"Received: sensor_shape={info.sensor_shape}"
            )
        limits = {"x": (info.max_x, shape[0])}
        if len(shape) == 3:
            limits = {"x": (info.max_x, shape[1]), "y": (info.max_y, shape[0])}
            if shape[2] > 1:
                limits["polarity"] = (info.max_polarity, shape[2])
        for name, (largest, limit) in limits.items():
            if largest >= limit:
                raise ValueError(
                    f"an event is off the sensor: {name} must be 0..{limit - 1} for "
                    f"sensor_shape={shape}. Received: {name}={largest}"
                )
