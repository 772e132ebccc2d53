"""Filters of noise: they drop events, and draw nothing."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.events.transforms import arguments
from keras_slayer.events.transforms.base import Transform
from keras_slayer.events.transforms.pixels import marks, pixel_times

_LONGEST = 2**62  # microseconds: past all times, and what the native ops take


def _fields(batch, height, width) -> dict:
    """What the native filters take."""
    fields = {name: getattr(batch, name) for name in ("x", "y", "t", "kept")}
    return {**fields, "height": height, "width": width}


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class Denoise(Transform):
    """Drops background activity: events that no neighbour supports (Delbruck, "Frame-free dynamic
    digital vision", 2008).

    An event at time t is kept if another pixel of its neighbourhood had an event, of either
    polarity and kept or not, at a time from t - filter_time to t. Simultaneous events of
    neighbours support each other, so the result does not depend on the order of the events.

    Args:
        filter_time: microseconds.
        size: pixels along each side of the neighbourhood, an odd number; 3 are the eight
            neighbours.
    """

    filter_time: int
    size: int = 3

    needs_sensor = False

    def __post_init__(self):
        self._set(filter_time=arguments.microseconds(self.filter_time, "filter_time", low=0))
        if checks.integer(self.size, "size", low=3, high=99) % 2 == 0:
            raise ValueError(f"size must be an odd number of pixels. Received: size={self.size}")

    def apply(self, batch, sensor_shape, seed):
        height, width = batch.extent(sensor_shape)
        native = batch.native()
        if native is not None:
            limits = {"filter_time": min(self.filter_time, _LONGEST), "size": self.size}
            kept = native.keras_slayer_denoise_events(**_fields(batch, height, width), **limits)
            return batch.replace(kept=kept)
        events = pixel_times(batch, sensor_shape)
        all_y, all_x, span = events.take("y"), events.take("x"), events.span
        ordered = tf.sort(events.key)
        numbers = tf.range(tf.size(ordered))
        lonely = numbers
        # Most events have an answer after two neighbours: ask for those that are left.
        for dy, dx in self._neighbours():
            y, x = tf.gather(all_y, lonely) + dy, tf.gather(all_x, lonely) + dx
            exists = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            pixel = tf.gather(events.pixels, lonely) + tf.cast(dy * width + dx, tf.int64)
            start, time = pixel * span, tf.gather(events.since, lonely)
            found = tf.searchsorted(ordered, start + time, side="right") - 1
            latest = tf.gather(ordered, tf.maximum(found, 0))
            near = latest >= start + tf.maximum(time - self.filter_time, 0)
            lonely = tf.boolean_mask(lonely, ~(exists & near & (found >= 0)))
        dropped = marks(lonely[:, None], [tf.size(numbers)])
        return events.keep(tf.boolean_mask(numbers, ~dropped))

    def _neighbours(self) -> list[tuple[int, int]]:
        """Nearest first."""
        reach = range(-(self.size // 2), self.size // 2 + 1)
        places = [(dy, dx) for dy in reach for dx in reach if (dy, dx) != (0, 0)]
        return sorted(places, key=lambda place: place[0] ** 2 + place[1] ** 2)


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class RefractoryPeriod(Transform):
    """Drops events that follow too soon: an event is kept if the last event of its pixel that was
    kept, of either polarity, is at least `period` before it.

    Of simultaneous events of a pixel, the first in the recording is kept.

    Args:
        period: microseconds.
    """

    period: int

    needs_sensor = False

    def __post_init__(self):
        self._set(period=arguments.microseconds(self.period, "period"))

    def apply(self, batch, sensor_shape, seed):
        native = batch.native()
        if native is not None:
            fields = _fields(batch, *batch.extent(sensor_shape))
            period = min(self.period, _LONGEST)
            kept = native.keras_slayer_refractory_events(**fields, period=period)
            return batch.replace(kept=kept)
        events = pixel_times(batch, sensor_shape)
        order = tf.argsort(events.key, stable=True)
        key, pixels = tf.gather(events.key, order), tf.gather(events.pixels, order)
        count = tf.size(key)
        # Kept in any case: the first of a pixel, and those that follow after a whole period.
        apart = (pixels[1:] != pixels[:-1]) | (key[1:] - key[:-1] >= self.period)
        kept = tf.concat([tf.ones(tf.shape(key[:1]), tf.bool), apart], 0)
        # After an event that is kept comes the first one that is `period` later, or else the
        # first one of the next pixel, which is kept anyway. Of interest are the open events only.
        following = tf.searchsorted(key, tf.minimum(key + self.period, (pixels + 1) * events.span))
        still_open = tf.concat([~kept, [False]], 0)
        number = tf.cumsum(tf.cast(still_open, tf.int32))
        count = number[-1]
        slot = tf.where(still_open, number - 1, count)  # `count` stands for all that are kept
        following = tf.gather(slot, following)
        reached = marks(tf.boolean_mask(following, kept)[:, None], [count + 1])
        following = tf.concat([tf.boolean_mask(following, ~kept), [count]], 0)

        # Those that are 1, 2, 4, ... steps further: twice as far each round.
        def further(reached, following, _):
            more = reached | marks(tf.boolean_mask(following, reached)[:, None], [count + 1])
            return more, tf.gather(following, following), tf.reduce_any(more[:-1] != reached[:-1])

        reached, _, _ = tf.while_loop(
            lambda reached, following, changed: changed,
            further,
            (reached, following, tf.constant(True)),
            shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])),
        )
        kept |= still_open[:-1] & tf.gather(reached, slot[:-1])
        return events.keep(tf.boolean_mask(order, kept))


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class HotPixelFilter(Transform):
    """Drops all events of hot pixels.

    A pixel is hot in a recording of D = last - first + 1 microseconds if it has more than
    max_rate D / 10^6 events there, of both polarities together, and more than one.

    Args:
        max_rate: events per second of a pixel, in Hz.
    """

    max_rate: float

    needs_sensor = False

    def __post_init__(self):
        self._set(max_rate=checks.number(self.max_rate, "max_rate", open_low=True))

    def apply(self, batch, sensor_shape, seed):
        height, width = batch.extent(sensor_shape)
        rows = tf.range(batch.size)[:, tf.newaxis]
        pixels = (rows * height + batch.y) * width + batch.x
        pixels = tf.where(batch.kept, pixels, -1)  # segments below 0 are left out
        number = tf.cast(batch.size * height * width, tf.int32)
        counts = tf.math.unsorted_segment_sum(tf.ones_like(pixels), pixels, number)
        counts = tf.gather(counts, tf.maximum(pixels, 0))
        allowed = self.max_rate * tf.cast(batch.span()[1], tf.float64) / 1e6
        return batch.keep((tf.cast(counts, tf.float64) <= allowed) | (counts <= 1))
