"""Transforms that move events on the sensor and keep its size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.events.augment import check_max_shift, draw_affine, draw_shifts
from keras_slayer.events.scatter import image_shape
from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform

_FAR_AWAY = 1e9  # pixels: on no sensor, and within int32


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Flip(Transform):
    """Mirrors recordings::

        "horizontal"    x <- W - 1 - x
        "vertical"      y <- H - 1 - y

    Args:
        axis: "horizontal" or "vertical".
        probability: of each recording to be mirrored, drawn once per recording.
    """

    axis: str = "horizontal"
    probability: float = 0.5

    def __post_init__(self):
        arguments.one_of(self.axis, "axis", ("horizontal", "vertical"))
        self._set(probability=arguments.probability(self.probability))

    def apply(self, batch, sensor_shape, seed):
        height, width, _ = image_shape(sensor_shape)
        flipped = tf.random.stateless_uniform([batch.size, 1], seed) < self.probability
        if self.axis == "horizontal":
            return batch.replace(x=tf.where(flipped, width - 1 - batch.x, batch.x))
        return batch.replace(y=tf.where(flipped, height - 1 - batch.y, batch.y))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Shift(Transform):
    """Moves each recording by a random number of pixels, and drops what leaves the sensor.

    dx and dy are drawn uniformly from the integers -pixels..pixels, once per recording; the same
    draw as `random_shift`. A sensor without an image moves along x only.

    Args:
        pixels: 0 or more.
    """

    pixels: int

    def __post_init__(self):
        check_max_shift(self.pixels, "pixels")

    def apply(self, batch, sensor_shape, seed):
        shift = draw_shifts(self.pixels, batch.size, sensor_shape, seed)
        dy, dx = shift[:, :1], shift[:, 1:]
        return batch.replace(x=batch.x + dx, y=batch.y + dy).keep_on_sensor(sensor_shape)


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Rotate(Transform):
    """Turns each recording about the centre (cx, cy) of the image, ((W - 1) / 2, (H - 1) / 2)::

        x <- round(cx + (x - cx) cos a - (y - cy) sin a)
        y <- round(cy + (x - cx) sin a + (y - cy) cos a)

    and drops what leaves the sensor. Pixels are rounded to the nearest, halves to the even.

    Args:
        degrees: the angle a is drawn uniformly from (low, high), once per recording; a number d
            stands for (-d, d). A positive angle turns from x to y: clockwise, as y points down.
    """

    degrees: float | Sequence[float]

    def __post_init__(self):
        degrees = arguments.interval(self.degrees, "degrees", low=-180, high=180, centre=0)
        self._set(degrees=degrees)

    def output_shape(self, sensor_shape):
        return arguments.image(sensor_shape, "Rotate")

    def apply(self, batch, sensor_shape, seed):
        low, high = (limit * math.pi / 180 for limit in self.degrees)
        angle = tf.random.stateless_uniform([batch.size, 1], seed, low, high)
        cos, sin = tf.cos(angle), tf.sin(angle)
        return about_the_centre(batch, sensor_shape, (cos, sin, -sin, cos))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Zoom(Transform):
    """Scales each recording about the centre (cx, cy) of the image::

        x <- round(cx + s (x - cx))    y <- round(cy + s (y - cy))

    and drops what leaves the sensor. Scaling up leaves gaps between pixels.

    Args:
        scale: s is drawn uniformly from (low, high), once per recording; a number z stands for
            (1 - z, 1 + z). From 0.1 to 10.
    """

    scale: float | Sequence[float]

    def __post_init__(self):
        self._set(scale=arguments.interval(self.scale, "scale", low=0.1, high=10, centre=1))

    def output_shape(self, sensor_shape):
        return arguments.image(sensor_shape, "Zoom")

    def apply(self, batch, sensor_shape, seed):
        scale = tf.random.stateless_uniform([batch.size, 1], seed, *self.scale)
        zero = tf.zeros_like(scale)
        return about_the_centre(batch, sensor_shape, (scale, zero, zero, scale))


def about_the_centre(batch, sensor_shape, matrix):
    """Events at (y, x) move to `matrix`, rows first, times (y, x), about the centre."""
    height, width, _ = sensor_shape
    native = batch.native()
    if native is not None:
        x, y, kept = native.keras_slayer_turn_events(
            x=batch.x,
            y=batch.y,
            kept=batch.kept,
            maps=tf.concat(matrix, axis=1),
            height=height,
            width=width,
        )
        return batch.replace(x=x, y=y, kept=kept)
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    yy, yx, xy, xx = matrix
    y, x = tf.cast(batch.y, tf.float32) - centre_y, tf.cast(batch.x, tf.float32) - centre_x
    moved_y, moved_x = centre_y + yy * y + yx * x, centre_x + xy * y + xx * x
    moved = batch.replace(x=_nearest(moved_x), y=_nearest(moved_y))
    return moved.keep_on_sensor(sensor_shape)


@dataclasses.dataclass(frozen=True)
class ShiftRotateZoom(Transform):
    """The three arguments of `spike_pipeline`, rounded once; see `augment.draw_affine`."""

    shift: int
    rotate: float
    zoom: float

    def apply(self, batch, sensor_shape, seed):
        maps = draw_affine(self.shift, self.rotate, self.zoom, batch.size, sensor_shape, seed)
        y, x = tf.cast(batch.y, tf.float32), tf.cast(batch.x, tf.float32)
        moved = []
        for row in range(2):
            by_y, by_x, offset = (maps[:, row, k, tf.newaxis] for k in range(3))
            moved.append(_nearest(by_y * y + by_x * x + offset))
        return batch.replace(y=moved[0], x=moved[1]).keep_on_sensor(sensor_shape)


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class SpaceJitter(Transform):
    """Moves each event by itself, and drops what leaves the sensor::

        x <- round(x + N(0, std))    y <- round(y + N(0, std))

    A sensor without an image moves along x only.

    Args:
        std: standard deviation in pixels.
    """

    std: float

    def __post_init__(self):
        self._set(std=checks.number(self.std, "std"))

    def apply(self, batch, sensor_shape, seed):
        axes = ("y", "x") if len(sensor_shape) == 3 else ("x",)
        noise = tf.random.stateless_normal(
            [len(axes), *tf.unstack(batch.shape)], seed, stddev=self.std
        )
        moved = {
            name: _nearest(tf.cast(getattr(batch, name), tf.float32) + noise[axis])
            for axis, name in enumerate(axes)
        }
        return batch.replace(**moved).keep_on_sensor(sensor_shape)


def _nearest(place) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(place, -_FAR_AWAY, _FAR_AWAY)), tf.int32)
