"""Recordings as one integer per event: what a pipeline with transforms keeps in memory.

number = address << 32 | t,    address = (y W + x) C + polarity
"""

import math

import tensorflow as tf

from keras_slayer.events import sensor
from keras_slayer.events.scatter import image_shape
from keras_slayer.events.transforms.batch import EventBatch
from keras_slayer.ops import library

_LIMIT = 2**31  # of addresses, and of microseconds: 35 minutes


def check_source(sensor_shape) -> None:
    """ValueError for a sensor with more addresses than are kept."""
    if math.prod(sensor_shape) >= _LIMIT:
        raise ValueError(
            "A sensor must have less than 2^31 pixels and channels to be transformed. "
            f"Received: sensor_shape={sensor_shape}"
        )


def pack(events, sensor_shape) -> tf.Tensor:
    """int64 `(n,)`: the events of one recording; those at t < 0, padding, are left out.

    Raises:
        tf.errors.InvalidArgumentError: an event off the sensor, or after 2^31 microseconds.
    """
    _, width, channels = image_shape(sensor_shape)
    t = tf.cast(events["t"], tf.int64)
    address = tf.cast(events["x"], tf.int64)
    if len(sensor_shape) == 3:
        address += tf.cast(events["y"], tf.int64) * width
        address *= channels
    if channels > 1:
        address += tf.cast(events["polarity"], tf.int64)
    checks = sensor.on_sensor_checks(events, sensor_shape, t >= 0)
    checks.append(
        tf.debugging.Assert(
            tf.reduce_all(t < _LIMIT),
            [
                "Times must be below 2^31 microseconds (35 minutes) to be transformed: use "
                'origin="first", and divide nanoseconds by 1000; latest time in us:',
                tf.reduce_max(t),
            ],
        )
    )
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.boolean_mask(
            tf.bitwise.left_shift(address, tf.constant(32, tf.int64)) | t, t >= 0
        )


def unpack(packed, sensor_shape, labels=None) -> EventBatch:
    """The events of `(batch, n)` numbers; those below 0, all of them -1, are padding."""
    _, width, channels = image_shape(sensor_shape)
    native = library.native()
    if native is not None:
        fields = native.keras_slayer_unpack_events(packed, width=width, channels=channels)
        return EventBatch(**fields._asdict(), labels=labels)
    address = tf.cast(tf.bitwise.right_shift(packed, tf.constant(32, tf.int64)), tf.int32)
    pixel = address // channels
    y = pixel // width if len(sensor_shape) == 3 else tf.zeros_like(pixel)
    return EventBatch(
        x=pixel - y * width,
        y=y,
        t=tf.bitwise.bitwise_and(packed, tf.constant(2**32 - 1, tf.int64)),
        polarity=address - pixel * channels,
        kept=packed >= 0,
        labels=labels,
    )
