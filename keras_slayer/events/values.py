"""What a bin of the dense tensor holds, of the events that fall into it."""

import itertools
import math

import numpy as np
import tensorflow as tf

from keras_slayer import checks, ops
from keras_slayer.events.scatter import scatter_native
from keras_slayer.events.times import MICROSECONDS_PER_MS
from keras_slayer.ops import library

VALUES = ("binary", "count", "signed", "surface")


def check_values(values, tau, sensor_shape, dtype) -> tuple[int, ...]:
    """Checks the choice; returns the shape of one step of the result."""
    if values not in VALUES:
        choices = ", ".join(f'"{name}"' for name in VALUES)
        raise ValueError(f"`values` must be one of {choices}. Received: values={values!r}")
    checks.number(tau, "`tau`", open_low=True)
    dtype = tf.as_dtype(dtype)
    if values == "signed":
        if len(sensor_shape) != 3 or sensor_shape[2] != 2:
            raise ValueError(
                '`values="signed"` needs a sensor with two polarities, (height, width, 2). '
                f"Received: sensor_shape={tuple(sensor_shape)}"
            )
        if dtype.is_bool or dtype.is_unsigned:
            raise ValueError(
                '`values="signed"` needs a dtype of numbers below 0 too, such as "float32" or '
                f'"int8". Received: dtype="{dtype.name}"'
            )
        return (*sensor_shape[:2], 1)
    if values == "count" and dtype.is_bool:
        raise ValueError('`values="count"` needs a dtype of numbers. Received: dtype="bool"')
    if values == "surface" and not dtype.is_floating:
        raise ValueError(
            '`values="surface"` needs a dtype of fractions, such as "float32". '
            f'Received: dtype="{dtype.name}"'
        )
    return tuple(sensor_shape)


def dense(values, bins, t, polarity, shape, dt, tau, dtype) -> tf.Tensor:
    """The tensor of a batch, for values other than "binary" (see `scatter.scatter_bins`).

    Args:
        values: one of `VALUES`.
        bins: int32 or int64 `(batch, n)`: the number of each event's bin in the flattened tensor
            `shape`, see `binning.flat_bins`; events of bins below 0 are left out.
        t, polarity: `(batch, n)`; only "surface" reads the one, only "signed" the other.
        shape: `(steps, *sensor_shape)`.
        dt, tau: ms.

    Returns:
        Tensor `(batch, *shape)`; the last side is 1 for "signed".
    """
    if library.native() is not None:
        return _dense_native(values, bins, t, shape, dt, tau, dtype)
    size, steps, frame = tf.shape(bins, tf.int64)[0], shape[0], math.prod(shape[1:])
    keep = tf.where(bins >= 0)
    bins, rows = tf.cast(tf.gather_nd(bins, keep), tf.int64), keep[:, 0]
    if values == "surface":
        surface = _surface(bins, rows, tf.gather_nd(t, keep), size, shape, dt, tau)
        result = tf.cast(surface, dtype)
    else:
        amount = tf.ones_like(bins, tf.float32)
        if values == "signed":
            amount = tf.cast(2 * tf.gather_nd(polarity, keep) - 1, tf.float32)
            bins, frame, shape = bins // 2, frame // 2, (*shape[:-1], 1)
        place = rows * (steps * frame) + bins
        total = tf.scatter_nd(place[:, tf.newaxis], amount, size[tf.newaxis] * (steps * frame))
        result = tf.saturate_cast(total, dtype)
    return tf.reshape(result, tf.concat([[size], tf.constant(shape, tf.int64)], 0))


def _dense_native(values, bins, t, shape, dt, tau, dtype) -> tf.Tensor:
    if values != "surface":
        return scatter_native(bins, shape, dtype, values=values)
    surface = library.native().keras_slayer_time_surface(
        bins=bins,
        t=tf.cast(t, tf.int64),
        dt=tf.constant(dt, tf.float64),
        tau=tf.constant(tau, tf.float64),
        steps=shape[0],
        frame=math.prod(shape[1:]),
    )
    # No -1: of a batch without samples, no side follows from the others.
    return tf.cast(tf.reshape(surface, [tf.shape(bins)[0], *shape]), dtype)


def _surface(bins, rows, t, size, shape, dt, tau) -> tf.Tensor:
    """float32 `(size, steps, frame)`; the events as in `dense`, all of them in a bin."""
    steps, frame = shape[0], math.prod(shape[1:])
    step = bins // frame
    unit = bins - step * frame + rows * frame
    # In order of unit and time; of each bin, only the last event counts.
    span = tf.cast(tf.reduce_max(tf.concat([t, [0]], 0)) + 1, tf.int64)
    order = tf.argsort(unit * span + tf.cast(t, tf.int64))
    step, unit, t = (tf.gather(value, order) for value in (step, unit, t))
    last = (unit[1:] != unit[:-1]) | (step[1:] != step[:-1])
    last = tf.concat([last, tf.ones(tf.shape(unit[:1]), tf.bool)], 0)
    step, unit, t = (tf.boolean_mask(value, last) for value in (step, unit, t))

    times = tf.cast(t, tf.float64) / MICROSECONDS_PER_MS  # ms, from here on
    end = tf.cast(step + 1, tf.float64) * dt
    value = tf.exp((times - end) / tau)
    # What is left there of the event before: a step of the filter adds the rest.
    same = unit[1:] == unit[:-1]
    left = tf.where(same, tf.exp((times[:-1] - end[1:]) / tau), 0.0)
    rise = value - tf.concat([tf.zeros_like(value[:1]), left], 0)
    row = unit // frame
    place = (row * steps + step) * frame + unit - row * frame
    rises = tf.raw_ops.SparseToDense(
        sparse_indices=place,
        output_shape=size[tf.newaxis] * (steps * frame),
        sparse_values=tf.cast(rise, tf.float32),
        default_value=0.0,
        validate_indices=False,
    )
    rises = tf.reshape(rises, [size, steps, frame])
    return ops.exponential_filter(rises, math.exp(-dt / tau))


def dense_numpy(values, index, t, polarity, shape, dt, tau, dtype) -> np.ndarray:
    """As `dense`, for one recording: `index` holds a vector for each side of `shape`."""
    if values == "binary":
        result = np.zeros(shape, dtype)
        result[index] = 1
        return result
    if values == "signed":
        shape, index = (*shape[:-1], 1), (*index[:-1], 0 * index[-1])
    result = np.zeros(shape, np.float32)
    if values == "surface":
        age = (index[0] + 1) * (MICROSECONDS_PER_MS * dt) - t
        np.maximum.at(result, index, np.exp(-age / (MICROSECONDS_PER_MS * tau)).astype("f"))
        for before, now in itertools.pairwise(result):
            np.maximum(now, np.float32(np.exp(-dt / tau)) * before, out=now)
        return result.astype(dtype)
    signs = 2 * polarity.astype(np.float32) - 1 if values == "signed" else np.float32(1)
    np.add.at(result, index, signs)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        result = np.clip(result, limits.min, limits.max)
    return result.astype(dtype)
