"""Which places a sensor has, and events that are off it."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_slayer.events.scatter import image_shape
from keras_slayer.events.stream import Events


def check_sensor_shape(sensor_shape, name: str = "sensor_shape") -> tuple[int, ...]:
    """`sensor_shape` as a tuple of integers; ValueError where it is none."""
    sensor_shape = tuple(sensor_shape) if np.iterable(sensor_shape) else (sensor_shape,)
    if len(sensor_shape) not in (1, 3) or not all(is_count(n) for n in sensor_shape):
        raise ValueError(
            f"`{name}` must be (height, width, channels) or (neurons,), positive integers. "
            f"Received: {name}={sensor_shape}"
        )
    return tuple(int(n) for n in sensor_shape)


def check_on_sensor(events: Events, sensor_shape) -> None:
    """ValueError where an event is off the sensor."""
    for name, limit, _ in places(sensor_shape):
        value = getattr(events, name)
        if len(events) and value.max() >= limit:
            raise ValueError(
                f"An event is off the sensor: {name} must be 0..{limit - 1} for "
                f"sensor_shape={sensor_shape}. Received: {name}={value.max()}"
            )


def on_sensor_checks(fields: Mapping, sensor_shape, real=True) -> list:
    """Assertions that all `real` events of tensors are on the sensor, for control dependencies."""
    checks = []
    for name, limit, _ in places(sensor_shape):
        place = tf.cast(fields[name], tf.int64)
        checks.append(
            tf.debugging.Assert(
                tf.reduce_all((place >= 0) & (place < limit) | ~tf.convert_to_tensor(real)),
                [f"An event is off the sensor: {name} must be 0..{limit - 1}; max:",
                 tf.reduce_max(place), "min:", tf.reduce_min(place)],
            )
        )  # fmt: skip
    return [check for check in checks if check is not None]  # none in eager mode


def places(sensor_shape) -> list[tuple[str, int, int]]:
    """Name, limit and stride in a frame of each field that says where an event is."""
    height, width, channels = image_shape(sensor_shape)
    places = [("x", width, channels)]
    if len(sensor_shape) == 3:
        places.append(("y", height, width * channels))
    if channels > 1:
        places.append(("polarity", channels, 1))
    return places


def is_count(value) -> bool:
    """Whether `value` is a positive integer."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0


def fields_needed(sensor_shape) -> set[str]:
    """The fields that events must have to be placed on such a sensor."""
    return {"t", *(name for name, _, _ in places(sensor_shape))}


def check_fields(events, sensor_shape) -> None:
    """ValueError unless `events` is a mapping with these fields."""
    needed = fields_needed(sensor_shape)
    if not isinstance(events, Mapping):
        received = f"events of type {type(events).__name__}"
    elif not needed <= events.keys():
        received = f"fields {sorted(events)}"
    else:
        return
    raise ValueError(
        f"`events` must be Events, or a mapping with {sorted(needed)} for "
        f"sensor_shape={tuple(sensor_shape)}. as_events makes Events of arrays and tables, and of "
        f"fields of other names, such as p and ts. Received: {received}"
    )
