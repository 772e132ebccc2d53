"""Events in order of pixel and time: what filters work with."""

import tensorflow as tf


def pixel_times(batch, sensor_shape):
    """One number per event that orders events by recording, pixel and time.

    Returns:
        `(pixels, since, span)`, int64: the number of each event's pixel among those of all
        recordings; its microseconds since the first event of its recording; and a number larger
        than all `since`. `pixels * span + since` orders the events.
    """
    height, width = (tf.cast(n, tf.int64) for n in batch.extent(sensor_shape))
    first, lengths = batch.span()
    span = 1 + tf.reduce_max(tf.concat([lengths, [1]], 0))
    rows, x, y = (tf.cast(v, tf.int64) for v in (batch.rows, batch.x, batch.y))
    pixels = (rows * height + y) * width + x
    # In float64: the product of integers is what may overflow.
    numbers = tf.cast(span, tf.float64)
    for factor in (batch.size, height, width):
        numbers *= tf.cast(factor, tf.float64)
    check = tf.debugging.Assert(
        numbers < 2.0**62, ["The recordings are too long for this sensor; microseconds:", span]
    )
    with tf.control_dependencies([] if check is None else [check]):
        return pixels, batch.t - batch.of_rows(first), tf.identity(span)


def first_of_each(batch, sensor_shape):
    """Of the events of one pixel, polarity and time, the first in the vectors."""
    pixels, since, span = pixel_times(batch, sensor_shape)
    key, polarity = pixels * span + since, batch.polarity
    # By polarity, then stably by pixel and time.
    order = tf.argsort(polarity, stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(key, order), stable=True))
    key, polarity = tf.gather(key, order), tf.gather(polarity, order)
    new = (key[1:] != key[:-1]) | (polarity[1:] != polarity[:-1])
    first = tf.concat([tf.ones(tf.shape(key[:1]), tf.bool), new], 0)
    return batch.keep(marks(tf.boolean_mask(order, first), tf.size(key)))


def marks(places, size) -> tf.Tensor:
    """bool `(size,)`: True at `places`."""
    return tf.scatter_nd(places[:, tf.newaxis], tf.ones_like(places), [size]) > 0
