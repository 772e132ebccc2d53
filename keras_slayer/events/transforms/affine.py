"""A turn, a zoom, a stretch and a shear in one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform
from keras_slayer.events.transforms.geometry import about_the_centre


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Affine(Transform):
    """Turns, scales, stretches and shears each recording about the centre c of the image::

        (x, y) <- round(c + s R(a) [[r, h], [0, 1 / r]] ((x, y) - c))

    with the rotation R(a), and drops what leaves the sensor. `Rotate` and `Zoom` one after the
    other round twice, which tears lines apart; this rounds once, to the nearest, halves to the
    even. Handwriting differs in slant (h) and in proportion (r) more than in angle.

    Each value is drawn uniformly from (low, high), once per recording. A number d stands for
    (-d, d), or (1 - d, 1 + d) of `scale` and `stretch`.

    Args:
        degrees: the angle a, from -180 to 180. Positive: clockwise, as y points down.
        scale: s, from 0.1 to 10.
        stretch: r, from 0.1 to 10: r times as wide and 1 / r times as high.
        shear: h, from -5 to 5: a row moves sideways by h times its distance from the centre.
    """

    degrees: float | Sequence[float] = 0.0
    scale: float | Sequence[float] = 0.0
    stretch: float | Sequence[float] = 0.0
    shear: float | Sequence[float] = 0.0

    def __post_init__(self):
        for name, low, high, centre in (
            ("degrees", -180, 180, 0),
            ("scale", 0.1, 10, 1),
            ("stretch", 0.1, 10, 1),
            ("shear", -5, 5, 0),
        ):
            given = getattr(self, name)
            self._set(**{name: arguments.interval(given, name, low=low, high=high, centre=centre)})

    def output_shape(self, sensor_shape):
        return arguments.image(sensor_shape, "Affine")

    def apply(self, batch, sensor_shape, seed):
        draws = tf.unstack(tf.random.stateless_uniform([4, batch.size, 1], seed))
        ranges = (self.degrees, self.scale, self.stretch, self.shear)
        degrees, scale, stretch, shear = (
            low + (high - low) * draw for draw, (low, high) in zip(draws, ranges, strict=True)
        )
        angle = degrees * (math.pi / 180)
        cos, sin = scale * tf.cos(angle), scale * tf.sin(angle)
        xx, xy = cos * stretch, cos * shear - sin / stretch
        yx, yy = sin * stretch, sin * shear + cos / stretch
        return about_the_centre(batch, sensor_shape, (yy, yx, xy, xx))
