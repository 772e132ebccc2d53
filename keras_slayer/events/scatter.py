"""Numbers of bins to dense spikes: the work per batch, once events are binned."""

import math

import tensorflow as tf

from keras_slayer.ops import library


def image_shape(sensor_shape) -> tuple[int, int, int]:
    """`(height, width, channels)`; a population of neurons counts as an image of one row."""
    return (1, sensor_shape[0], 1) if len(sensor_shape) == 1 else tuple(sensor_shape)


def index_dtype(shape) -> tf.DType:
    """Of numbers of bins: 4 bytes, unless the tensor `shape` of one sample has 2^31 values."""
    return tf.int32 if math.prod(shape) < 2**31 else tf.int64


def scatter_bins(bins, shape, dtype, shift=None) -> tf.Tensor:
    """Spikes with ones at `bins`, however often, and zeros elsewhere.

    Args:
        bins: int32 or int64 `(batch, n)`: numbers of bins of the flattened tensor `shape`;
            those below 0 are left out.
        shape: `(steps, *sensor_shape)`.
        dtype: of the result.
        shift: int32 `(batch, 2)`: rows and columns to move each sample by, dropping what
            leaves the sensor. None moves nothing.

    Returns:
        Tensor `(batch, *shape)`.

    Raises:
        tf.errors.InvalidArgumentError: a number of no bin.
    """
    if library.native() is not None:
        return scatter_native(bins, shape, dtype, shift)
    size, batch = math.prod(shape), tf.shape(bins, tf.int64)[0]
    # A number that is too large would be a bin of the next sample.
    inside = tf.debugging.Assert(
        tf.reduce_all(bins < size), [f"bins must be below {size}; max:", tf.reduce_max(bins)]
    )
    with tf.control_dependencies([] if inside is None else [inside]):
        bins = tf.identity(bins)
    if shift is not None:
        bins = shift_bins(bins, shift, shape[1:])
    place = tf.cast(bins, tf.int64) + size * tf.range(batch)[:, tf.newaxis]
    # scatter_nd adds where this op assigns, and takes twice the time.
    spikes = tf.raw_ops.SparseToDense(
        sparse_indices=tf.boolean_mask(place, bins >= 0),
        output_shape=batch[tf.newaxis] * size,
        sparse_values=tf.ones([], dtype),
        default_value=tf.zeros([], dtype),
        validate_indices=False,  # neither sorted nor unique; bounds are checked nevertheless
    )
    return tf.reshape(spikes, tf.concat([[batch], tf.constant(shape, tf.int64)], 0))


def scatter_native(bins, shape, dtype, shift=None, values: str = "binary") -> tf.Tensor:
    """`scatter_bins`, or what `values.dense` gives of "count" and "signed", in the native op."""
    batch = tf.shape(bins, tf.int64)[0]
    spikes = library.native().keras_slayer_scatter_bins(
        bins=bins,
        shift=tf.zeros([batch, 2], tf.int32) if shift is None else shift,
        one=tf.ones([], dtype),
        steps=shape[0],
        frame=image_shape(shape[1:]),
        values=values,
    )
    shape = (*shape[:-1], 1) if values == "signed" else shape
    return tf.reshape(spikes, tf.concat([[batch], tf.constant(shape, tf.int64)], 0))


def shift_bins(bins, shift, sensor_shape) -> tf.Tensor:
    """`bins` `(batch, n)` moved by `shift` `(batch, 2)`; -1 where an event leaves the sensor."""
    step, y, x, channel = split_bins(bins, sensor_shape)
    dy, dx = tf.unstack(tf.cast(shift, bins.dtype)[:, :, tf.newaxis], axis=1)
    return join_bins(bins, step, y + dy, x + dx, channel, sensor_shape)


def split_bins(bins, sensor_shape):
    """`(step, y, x, channel)` of each bin."""
    height, width, channels = image_shape(sensor_shape)
    # Remainders by subtraction: % would divide once more, and divisions are most of the cost.
    pixel = bins // channels
    line = pixel // width
    step = line // height
    return step, line - step * height, pixel - line * width, bins - pixel * channels


def join_bins(bins, step, y, x, channel, sensor_shape) -> tf.Tensor:
    """The number of each bin; -1 for those off the sensor and where `bins` was negative."""
    height, width, channels = image_shape(sensor_shape)
    keep = (bins >= 0) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    joined = ((step * height + y) * width + x) * channels + channel
    return tf.where(keep, joined, tf.constant(-1, bins.dtype))
