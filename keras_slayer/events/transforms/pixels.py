"""Events in order of pixel and time: what filters work with."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer.events.transforms.batch import EventBatch


@dataclasses.dataclass(frozen=True, eq=False)
class PixelTimes:
    """The events of a batch as flat vectors `(m,)`, without those that were dropped.

    `key` orders them by recording, pixel and time.

    Args:
        batch: where they come from.
        places: int64 `(m, 2)`: row and column in the batch.
        pixels: int64: the number of each event's pixel among those of all recordings.
        since: int64: microseconds since the first event of its recording.
        span: int64 scalar, larger than all `since`.
    """

    batch: EventBatch
    places: tf.Tensor
    pixels: tf.Tensor
    since: tf.Tensor
    span: tf.Tensor

    @property
    def key(self) -> tf.Tensor:
        return self.pixels * self.span + self.since

    def take(self, name: str) -> tf.Tensor:
        """A field of the batch, flat."""
        return tf.gather_nd(getattr(self.batch, name), self.places)

    def keep(self, numbers) -> EventBatch:
        """The batch with the events of these numbers in the vectors, and no others."""
        return self.batch.replace(kept=marks(tf.gather(self.places, numbers), self.batch.shape))


def pixel_times(batch, sensor_shape) -> PixelTimes:
    """`PixelTimes` of a batch.

    Raises:
        tf.errors.InvalidArgumentError: the recordings are too long for a key of 62 bits.
    """
    height, width = (tf.cast(n, tf.int64) for n in batch.extent(sensor_shape))
    first, lengths = batch.span()
    span = 1 + tf.reduce_max(tf.concat([lengths, [[0]]], 0))
    # In float64: the product of integers is what may overflow.
    numbers = tf.cast(span, tf.float64)
    for factor in (batch.size, height, width):
        numbers *= tf.cast(factor, tf.float64)
    check = tf.debugging.Assert(
        numbers < 2.0**62, ["The recordings are too long for this sensor; microseconds:", span]
    )
    places = tf.where(batch.kept)
    x, y = (tf.cast(tf.gather_nd(v, places), tf.int64) for v in (batch.x, batch.y))
    with tf.control_dependencies([] if check is None else [check]):
        pixels = (places[:, 0] * height + y) * width + x
    return PixelTimes(batch, places, pixels, tf.gather_nd(batch.t - first, places), span)


def first_of_each(batch, sensor_shape) -> EventBatch:
    """Of the events of one pixel, polarity and time, the first of the row."""
    events = pixel_times(batch, sensor_shape)
    key, polarity = events.key, events.take("polarity")
    # By polarity, then stably by pixel and time.
    order = tf.argsort(polarity, stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(key, order), stable=True))
    key, polarity = tf.gather(key, order), tf.gather(polarity, order)
    new = (key[1:] != key[:-1]) | (polarity[1:] != polarity[:-1])
    first = tf.concat([tf.ones(tf.shape(key[:1]), tf.bool), new], 0)
    return events.keep(tf.boolean_mask(order, first))


def marks(places, shape) -> tf.Tensor:
    """bool of this shape: True at `places`, `(n, rank)`."""
    return tf.scatter_nd(places, tf.ones_like(places[:, 0]), tf.cast(shape, places.dtype)) > 0
