"""Measures of spike trains and of labels that losses and metrics share."""

import math

import keras
import tensorflow as tf

Region = tuple[float, float]
"""Start and stop in ms, stop excluded."""


def at_least_float32(dtype) -> str:
    """Name of the dtype to compute in: `dtype` (or `floatx`), float32 for 16-bit ones."""
    dtype = keras.dtype_policies.get(dtype or keras.config.floatx()).compute_dtype
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def checked_region(region, dt: float) -> Region | None:
    """`region` as (start, stop) in milliseconds, both on a step boundary; None stays None."""
    if region is None:
        return None
    try:
        start, stop = (float(edge) for edge in region)
    except (TypeError, ValueError):
        start = stop = math.nan
    on_steps = all(
        math.isfinite(edge) and math.isclose(edge / dt, round(edge / dt), abs_tol=1e-6)
        for edge in (start, stop)
    )
    if not (on_steps and 0 <= start < stop):
        raise ValueError(
            "`region` must be None or (start, stop) in milliseconds with 0 <= start < stop, both "
            f"multiples of dt={dt:g}. Received: region={region!r}"
        )
    return start, stop


def spikes_within(spikes, region: Region | None, dt: float) -> tf.Tensor:
    """Spikes of a region of time.

    Args:
        spikes: float tensor `(batch, time, classes...)`.
        region: (start, stop) in ms, start included and stop excluded, or None for all steps.
        dt: ms per step.

    Returns:
        Tensor `(batch, steps of the region, classes)`, further class axes flattened.

    Raises:
        ValueError: `spikes` has fewer than three axes, or ends before the region does.
    """
    shape = spikes.shape
    if shape.rank is None or shape.rank < 3:
        raise ValueError(
            "`y_pred` must be spikes of shape (batch, time, classes...). "
            f"Received: y_pred.shape={shape_text(shape)}"
        )
    if region is not None:
        start, stop = (round(edge / dt) for edge in region)
        if shape[1] is not None and stop > shape[1]:
            raise ValueError(
                f"`region` must end within the recording, {shape[1]} steps of dt={dt:g} ms. "
                f"Received: region={region}, y_pred.shape={shape_text(shape)}"
            )
        too_short = "region ends after the last step of y_pred"
        tf.debugging.assert_less_equal(stop, tf.shape(spikes)[1], message=too_short)
        spikes = spikes[:, start:stop]
    return rows(spikes, 2)


def spike_counts(spikes, region: Region | None, dt: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Spikes of each class within a region of time; arguments and errors of `spikes_within`.

    Returns:
        `(counts, steps)`: counts `(batch, classes)` in the dtype of `spikes`, and the number of
        steps counted over, a scalar of the same dtype.
    """
    spikes = spikes_within(spikes, region, dt)
    return tf.reduce_sum(spikes, axis=1), tf.cast(tf.shape(spikes)[1], spikes.dtype)


def class_targets(labels, counts, class_shape: tf.TensorShape) -> tf.Tensor:
    """Labels as one row per sample: 1 for the true class, 0 for the others.

    Args:
        labels: integers `(batch,)` or `(batch, 1)`; or one row per sample already (one-hot,
            multi-hot, smoothed), `(batch, classes)` or with the class axes of the spikes.
        counts: `(batch, classes)`, what the targets will be compared with.
        class_shape: the class axes of the spikes, before they were flattened.

    Returns:
        Tensor of the shape and dtype of `counts`.

    Raises:
        ValueError: labels of another rank or shape.
        tf.errors.InvalidArgumentError: an integer label that is fractional, negative or not less
            than the number of classes.
    """
    shape, (batch, classes) = labels.shape, counts.shape
    integers = shape.rank == 1 or (shape.rank == 2 and shape[1] == 1 and classes != 1)
    allowed = [] if classes == 1 else [[batch], [batch, 1]]
    allowed += [[batch, classes], [batch, *class_shape]]
    if shape.rank is None or not any(shape.is_compatible_with(option) for option in allowed):
        raise ValueError(
            f"`y_true` must be integer labels of shape ({batch},) or ({batch}, 1), for two classes "
            f"or more, or one-hot labels of shape ({batch}, {classes}), where y_pred has the class "
            f"axes {shape_text(class_shape)}. Received: y_true.shape={shape_text(shape)}"
        )
    if integers:
        labels = tf.reshape(labels, [-1])
        index, last = tf.cast(labels, tf.int32), tf.shape(counts)[1] - 1
        valid = (index >= 0) & (index <= last)
        valid &= tf.equal(tf.cast(index, labels.dtype), labels)
        allowed = "y_true must hold integer class labels from 0 to the last class of y_pred,"
        told = [allowed, last, "Received:", tf.boolean_mask(labels, ~valid)]
        tf.debugging.Assert(tf.reduce_all(valid), told, summarize=16)
        targets = tf.one_hot(index, tf.shape(counts)[1], dtype=counts.dtype)
    else:
        targets = rows(tf.cast(labels, counts.dtype))
    # Broadcasting would hide a mismatch in axes whose size is unknown until now.
    same = "y_true and y_pred must have the same batch size and number of classes"
    tf.debugging.assert_equal(tf.shape(targets), tf.shape(counts), message=same)
    return tf.ensure_shape(targets, counts.shape)


def check_weights(sample_weight, what: str) -> None:
    """ValueError unless ``sample_weight`` is None, a number or one per sample.

    A loss or metric ``what`` has one value per sample. Weights of each step would be multiplied by
    it where the sizes let them.
    """
    if sample_weight is None:
        return
    shape = tf.convert_to_tensor(sample_weight).shape
    if shape.rank is not None and shape.rank > 1 and shape[1:] != [1]:
        raise ValueError(
            f"`sample_weight` of {what} must be one number per sample, (batch,), as its values "
            f"are. Received: sample_weight.shape={shape_text(shape)}"
        )


def spike_difference(y_true, y_pred, dtype: str) -> tf.Tensor:
    """`y_pred - y_true` in `dtype`; a ValueError unless both are (batch, time, ...) and alike."""
    y_true, y_pred = tf.cast(y_true, dtype), tf.cast(y_pred, dtype)
    ranks = (y_true.shape.rank, y_pred.shape.rank)
    if None in ranks or min(ranks) < 2 or not y_true.shape.is_compatible_with(y_pred.shape):
        raise ValueError(
            "`y_true` must be target spikes of the same shape as `y_pred`, (batch, time, ...). "
            f"Received: y_true.shape={shape_text(y_true.shape)}, "
            f"y_pred.shape={shape_text(y_pred.shape)}"
        )
    same = "y_true and y_pred must have the same shape"
    tf.debugging.assert_equal(tf.shape(y_true), tf.shape(y_pred), message=same)
    return y_pred - y_true


def rows(x, axis: int = 1) -> tf.Tensor:
    """`x` with all axes from `axis` on flattened into one; an empty batch is fine."""
    if x.shape.rank == axis + 1:
        return x
    inner = x.shape[axis:]
    size = math.prod(inner) if inner.is_fully_defined() else tf.reduce_prod(tf.shape(x)[axis:])
    return tf.reshape(x, tf.concat([tf.shape(x)[:axis], [size]], axis=0))


def shape_text(shape: tf.TensorShape) -> str:
    return "unknown" if shape.rank is None else str(tuple(shape))
