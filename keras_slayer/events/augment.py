"""Random transformations of event tensors, for training."""

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf

from keras_slayer.events.scatter import image_shape, join_bins, split_bins


def random_shift(
    events: Mapping, max_shift: int, sensor_shape: Sequence[int] = (34, 34, 2), *, seed
) -> dict:
    """Moves each recording by a random number of pixels; drops what leaves the sensor.

    For sample b, dx and dy are drawn uniformly from the integers -max_shift..max_shift:
    x <- x + dx[b], y <- y + dy[b]. A sensor without an image moves along x only.

    Args:
        events: mapping of `x`, `y` and any other fields: tensors `(n,)` of one recording, or
            RaggedTensors `(batch, None)`, one shift per recording.
        max_shift: pixels, 0 or more.
        sensor_shape: `(height, width, channels)` or `(neurons,)`.
        seed: two integers or a tensor `(2,)`: the same seed gives the same shifts, as with
            `tf.random.stateless_uniform`.

    Returns:
        A mapping of the same fields and dtypes, with the events that stayed on the sensor.
    """
    check_max_shift(max_shift)
    ragged = isinstance(events["x"], tf.RaggedTensor)
    batch = events["x"].nrows() if ragged else 1
    shift = draw_shifts(max_shift, batch, sensor_shape, seed)
    if ragged:
        rows = events["x"].value_rowids()
        flat = {name: value.values for name, value in events.items()}
    else:
        flat = {name: tf.convert_to_tensor(value) for name, value in events.items()}
        rows = tf.zeros_like(flat["x"], tf.int32)

    height, width, _ = image_shape(sensor_shape)
    keep = tf.ones_like(rows, tf.bool)
    for axis, (name, limit) in enumerate((("y", height), ("x", width))):
        if name in flat:
            moved = tf.cast(flat[name], shift.dtype) + tf.gather(shift[:, axis], rows)
            keep &= (moved >= 0) & (moved < limit)
            flat[name] = tf.cast(moved, flat[name].dtype)
    kept = {name: tf.boolean_mask(value, keep) for name, value in flat.items()}
    if not ragged:
        return kept
    rows = tf.boolean_mask(rows, keep)
    return {
        name: tf.RaggedTensor.from_value_rowids(value, rows, nrows=batch, validate=False)
        for name, value in kept.items()
    }


def draw_shifts(max_shift: int, batch, sensor_shape, seed) -> tf.Tensor:
    """int32 `(batch, 2)`: rows and columns to move each sample by."""
    shift = tf.random.stateless_uniform(
        [batch, 2], seed, minval=-max_shift, maxval=max_shift + 1, dtype=tf.int32
    )
    return shift * tf.constant([len(sensor_shape) == 3, True], tf.int32)


def draw_affine(max_shift: int, rotate: float, zoom: float, batch, sensor_shape, seed) -> tf.Tensor:
    """float32 `(batch, 2, 3)`: maps (y, x, 1) about the centre of the image.

    Rotation by up to `rotate` degrees, scaling by 1 - zoom .. 1 + zoom, then a
    shift of whole pixels, each drawn uniformly per sample.
    """
    height, width, _ = image_shape(sensor_shape)
    seed = tf.convert_to_tensor(seed)
    draw = tf.random.stateless_uniform([batch, 2], seed + 1, minval=-1.0, maxval=1.0)
    angle, scale = draw[:, 0] * (rotate * math.pi / 180), 1.0 + draw[:, 1] * zoom
    cos, sin = scale * tf.cos(angle), scale * tf.sin(angle)
    linear = tf.stack([tf.stack([cos, sin], axis=1), tf.stack([-sin, cos], axis=1)], axis=1)
    centre = tf.constant([(height - 1) / 2, (width - 1) / 2])
    shift = tf.cast(draw_shifts(max_shift, batch, sensor_shape, seed), tf.float32)
    offset = centre + shift - tf.linalg.matvec(linear, centre)
    return tf.concat([linear, offset[:, :, tf.newaxis]], axis=2)


def transform_bins(bins, affine, sensor_shape) -> tf.Tensor:
    """Moves events that are already numbers of bins (see `binning.flat_bins`).

    Args:
        bins: `(batch, n)`; those below 0 are no events.
        affine: `(batch, 2, 3)`, from `draw_affine`; pixels are rounded to the nearest.

    Returns:
        Bins of the same shape, -1 where an event leaves the sensor.
    """
    step, y, x, channel = split_bins(bins, sensor_shape)
    place = tf.cast(tf.stack([y, x], axis=1), tf.float32)
    moved = tf.matmul(affine[:, :, :2], place) + affine[:, :, 2:]
    y, x = tf.unstack(tf.cast(tf.round(moved), bins.dtype), axis=1)
    return join_bins(bins, step, y, x, channel, sensor_shape)


def check_max_shift(max_shift, name: str = "max_shift") -> None:
    """ValueError unless it is a whole number of pixels, 0 or more."""
    if not isinstance(max_shift, int) or isinstance(max_shift, bool) or max_shift < 0:
        raise ValueError(
            f"`{name}` must be a whole number of pixels, 0 or more. Received: {name}={max_shift}"
        )


def check_affine(rotate: float, zoom: float, sensor_shape) -> None:
    """ValueError unless the sensor has an image and the ranges make sense."""
    for name, value, limit in (("rotate", rotate, 180), ("zoom", zoom, 0.9)):
        if not isinstance(value, (int, float)) or not 0 <= value <= limit:
            raise ValueError(
                f"`{name}` must be a number from 0 to {limit}. Received: {name}={value}"
            )
    if (rotate or zoom) and len(sensor_shape) != 3:
        raise ValueError(
            "`rotate` and `zoom` need a sensor with an image, (height, width, channels). "
            f"Received: sensor_shape={tuple(sensor_shape)}"
        )
