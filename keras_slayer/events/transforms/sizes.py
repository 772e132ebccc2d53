"""Transforms that change the sensor's size: crops and downsampling."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform
from keras_slayer.events.transforms.pixels import first_of_each

_LARGEST = 2**15  # pixels along one side


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Crop(Transform):
    """Cuts a window out of the image::

        x <- x - left    y <- y - top

    and drops what lies outside of the window.

    Args:
        size: `(height, width)` of the window, in pixels.
        top, left: the window's first row and column. The window must lie on the sensor.
    """

    size: Sequence[int]
    top: int = 0
    left: int = 0

    def __post_init__(self):
        place = {n: checks.integer(getattr(self, n), n, low=0, high=_LARGEST) for n in _PLACE}
        self._set(size=checks.pair(self.size, "size"), **place)

    def output_shape(self, sensor_shape):
        height, width, channels = arguments.image(sensor_shape, "Crop")
        if self.top + self.size[0] > height or self.left + self.size[1] > width:
            raise ValueError(
                "Crop: the window must lie on the sensor. Received: "
                f"size={self.size}, top={self.top}, left={self.left} "
                f"with sensor_shape={tuple(sensor_shape)}"
            )
        return (*self.size, channels)

    def apply(self, batch, sensor_shape, seed):
        target = self.output_shape(sensor_shape)
        return batch.replace(x=batch.x - self.left, y=batch.y - self.top).keep_on_sensor(target)


_PLACE = ("top", "left")


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class CenterCrop(Transform):
    """Cuts around the middle of the image, as `fit_frame` does with "crop"::

        x <- x + (w - W) // 2    y <- y + (h - H) // 2

    from a sensor of H x W to h x w pixels. A sensor that is smaller gets a margin.

    Args:
        size: `(height, width)` of the result, in pixels.
    """

    size: Sequence[int]

    def __post_init__(self):
        self._set(size=checks.pair(self.size, "size"))

    def output_shape(self, sensor_shape):
        return (*self.size, arguments.image(sensor_shape, "CenterCrop")[2])

    def apply(self, batch, sensor_shape, seed):
        (height, width), (rows, columns) = self.size, sensor_shape[:2]
        moved = batch.replace(x=batch.x + (width - columns) // 2, y=batch.y + (height - rows) // 2)
        return moved.keep_on_sensor(self.output_shape(sensor_shape))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class RandomCrop(Transform):
    """Cuts a window at a random place out of each recording.

    The window's first row is drawn uniformly from the integers -padding..H - h + padding, its
    first column likewise, once per recording.

    Args:
        size: `(height, width)` of the window, in pixels; not larger than the sensor.
        padding: pixels that the window may reach past each edge of the sensor.
    """

    size: Sequence[int]
    padding: int = 0

    def __post_init__(self):
        padding = checks.integer(self.padding, "padding", low=0, high=_LARGEST)
        self._set(size=checks.pair(self.size, "size"), padding=padding)

    def output_shape(self, sensor_shape):
        height, width, channels = arguments.image(sensor_shape, "RandomCrop")
        if self.size[0] > height or self.size[1] > width:
            raise ValueError(
                "RandomCrop: the window must not be larger than the sensor. Received: "
                f"size={self.size} with sensor_shape={tuple(sensor_shape)}"
            )
        return (*self.size, channels)

    def apply(self, batch, sensor_shape, seed):
        moved = {}
        seeds = tf.unstack(tf.random.split(seed, 2))
        for axis, name in enumerate(("y", "x")):
            most = sensor_shape[axis] - self.size[axis] + self.padding
            start = tf.random.stateless_uniform(
                [batch.size, 1], seeds[axis], -self.padding, most + 1, tf.int32
            )
            moved[name] = getattr(batch, name) - start
        return batch.replace(**moved).keep_on_sensor(self.output_shape(sensor_shape))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Downsample(Transform):
    """Fewer pixels, coarser times, or both; all events are kept unless they are merged::

        factor         x <- floor(x / factor)            to ceil(W / factor) columns
        size (h, w)    x <- floor(x w / W)               to w columns
        time_step      t <- time_step floor(t / time_step)

    and y likewise.

    Args:
        factor: pixels, along each side, that become one: an integer or a pair (vertical,
            horizontal). For a sensor without an image an integer.
        size: `(height, width)` of the result, instead of a factor; not larger than the sensor.
        time_step: microseconds; None leaves the times as they are.
        merge: of the events of one pixel and polarity that are simultaneous afterwards, keep one.
    """

    factor: int | Sequence[int] | None = None
    size: Sequence[int] | None = None
    time_step: int | None = None
    merge: bool = False

    def __post_init__(self):
        if self.factor is not None and self.size is not None:
            raise ValueError(
                "Downsample takes a factor or a size, not both. "
                f"Received: factor={self.factor!r}, size={self.size!r}"
            )
        if self.factor is None and self.size is None and self.time_step is None:
            raise ValueError(
                "Downsample needs a factor, a size or a time_step. Received: none of them"
            )
        if isinstance(self.factor, list | tuple):
            self._set(factor=checks.pair(self.factor, "factor"))
        elif self.factor is not None:
            self._set(factor=checks.integer(self.factor, "factor", low=1, high=_LARGEST))
        if self.size is not None:
            self._set(size=checks.pair(self.size, "size"))
        if self.time_step is not None:
            self._set(time_step=arguments.microseconds(self.time_step, "time_step"))

    @property
    def needs_sensor(self) -> bool:
        return self.size is not None

    def _factors(self) -> tuple[int, int]:
        return self.factor if isinstance(self.factor, tuple) else (self.factor, self.factor)

    def output_shape(self, sensor_shape):
        if sensor_shape is None or (self.factor is None and self.size is None):
            return sensor_shape
        if isinstance(self.factor, int) and len(sensor_shape) == 1:
            return (-(-sensor_shape[0] // self.factor),)
        height, width, channels = arguments.image(sensor_shape, "Downsample")
        if self.factor is not None:
            vertical, horizontal = self._factors()
            return (-(-height // vertical), -(-width // horizontal), channels)
        if self.size[0] > height or self.size[1] > width:
            raise ValueError(
                "Downsample: size must not be larger than the sensor. Received: "
                f"size={self.size} with sensor_shape={tuple(sensor_shape)}"
            )
        return (*self.size, channels)

    def apply(self, batch, sensor_shape, seed):
        if self.factor is not None:
            vertical, horizontal = self._factors()
            batch = batch.replace(x=batch.x // horizontal, y=batch.y // vertical)
        elif self.size is not None:
            (height, width), (rows, columns) = self.size, sensor_shape[:2]
            batch = batch.replace(x=batch.x * width // columns, y=batch.y * height // rows)
        if self.time_step is not None:
            batch = batch.replace(t=batch.t - batch.t % self.time_step)
        if not self.merge:
            return batch
        return first_of_each(batch, self.output_shape(sensor_shape))
