"""Axonal delay: each channel or neuron shifted in time by its own learnable delay."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library, selection


@tf.autograph.experimental.do_not_convert
def delay(x, delay) -> tf.Tensor:
    """y[t, n] = x[t - floor(delay[n]), n]; zeros are shifted in.

    Gradients: dx is dy shifted back. For the delay it is SLAYER's, the slope of the
    output in time, here as a central difference:

        ddelay[n] = -sum_t dy[t, n] (y[t+1, n] - y[t-1, n]) / 2

    summed over everything that shares the delay. x is zero before its first step and
    after its last one (T - 1): y[T] is x[T - floor(delay)] for a delay of one step or
    more, and 0 for a shorter one.

    SLAYER's own code takes y[t] - y[t-1], which is the slope half a step earlier. With a
    squared error of filtered spikes this favours long delays: if the filter is short or
    rises at once, as an exponential does, delays that are too long grow even longer.

    Args:
        x: tensor (batch, time, ...).
        delay: delays in steps, real, >= 0: a scalar, or the shape of the last
            axis of ``x`` (per channel), or of all its axes after time (per
            neuron). float32 or float64.

    Returns:
        Tensor like ``x``.

    Raises:
        ValueError: shapes that do not fit.
        tf.errors.InvalidArgumentError: a delay that is negative or not finite.
    """
    x = checks.series(x)
    delay = tf.convert_to_tensor(delay)
    if delay.dtype not in (tf.float32, tf.float64):
        delay = tf.cast(delay, tf.float32)
    rank = delay.shape.rank
    trailing = x.shape[2:]
    if rank is not None and trailing.rank is not None:
        fits = rank <= trailing.rank and delay.shape.is_compatible_with(
            trailing[trailing.rank - rank :]
        )
        if not fits:
            raise ValueError(
                "delay must be a scalar or have the trailing shape of x, "
                f"{tuple(trailing)} or its end. Received: delay of shape {tuple(delay.shape)}"
            )
    choice = selection.choose("delay", x.shape, delay.shape)
    if choice.is_reference:
        return reference_delay(x, delay)
    return library.native().keras_slayer_delay(x=x, delay=delay)


def _native_delay(x, delay, reverse: bool):
    return library.native().keras_slayer_delay(x=x, delay=delay, reverse=reverse)


@tf.RegisterGradient("KerasSlayer>Delay")
def _delay_grad(op, grad):
    (x, delays), reverse = op.inputs, op.get_attr("reverse")
    grad_x = _native_delay(grad, delays, not reverse)
    # sum_t grad[t] y(x)[t] has the same value if grad is shifted back instead of x forward.
    source, upstream = (grad, x) if reverse else (x, grad)
    grad_delay = library.native().keras_slayer_delay_grad(x=source, delay=delays, grad=upstream)
    return grad_x, grad_delay


@tf.RegisterGradient("KerasSlayer>DelayGrad")
def _delay_grad_grad(op, grad):
    """The gradient of ddelay = -sum_t dy[t] slope[t], which is linear in x and in dy."""
    x, delays, upstream = op.inputs
    factor = tf.cast(grad, x.dtype)
    grad_x = factor * _shifted_slope(_native_delay, upstream, delays, reverse=True)
    grad_upstream = -factor * _shifted_slope(_native_delay, x, delays, reverse=False)
    # The second derivative: the gradient rule of the delay, applied to the slope.
    grad_delay = library.native().keras_slayer_delay_grad(
        x=_slope(x), delay=delays, grad=_with_ends(-factor * upstream)
    )
    return grad_x, grad_delay, grad_upstream


def _with_ends(x):
    """x with a step of zeros before its first step and after its last one."""
    return tf.pad(x, [[0, 0], [1, 1], *[[0, 0]] * (x.shape.rank - 2)])


def _slope(x):
    """(x[t+1] - x[t-1]) / 2 for t from -1 to T, the steps next to the series included."""
    wide = _with_ends(_with_ends(x))
    return (wide[:, 2:] - wide[:, :-2]) / 2


def _shifted_slope(shift, x, delays, reverse: bool):
    """The slope in time of the shifted series."""
    return shift(_slope(x), delays, reverse)[:, 1:-1]


def reference_delay(x, delay):
    """``delay`` in plain TensorFlow, with derivatives of any order."""
    tf.debugging.assert_all_finite(delay, "delay must be finite and not negative")
    tf.debugging.assert_non_negative(delay, "delay must be finite and not negative")
    return _reference_shift(x, delay, reverse=False)


def _reference_shift(x, delay, reverse: bool):
    @tf.custom_gradient
    def shift(x, delay):
        def grad(grad_y):
            source, upstream = (grad_y, x) if reverse else (x, grad_y)
            return (
                _reference_shift(grad_y, delay, not reverse),
                _reference_delay_grad(source, delay, upstream),
            )

        return _gather_steps(x, delay, reverse), grad

    return shift(x, delay)


def _reference_delay_grad(x, delay, upstream):
    x, upstream = (tf.cast(y, tf.float64) for y in (x, upstream))
    slope = _shifted_slope(_reference_shift, x, delay, reverse=False)
    each = -tf.reduce_sum(upstream * slope, axis=[0, 1])
    shared = list(range(each.shape.rank - delay.shape.rank))
    return tf.cast(tf.reduce_sum(each, axis=shared), delay.dtype)


def _gather_steps(x, delay, reverse: bool):
    """x[t - floor(delay)], or x[t + floor(delay)], and zero outside of the series."""
    shape, rank = tf.shape(x), x.shape.rank
    # Longer delays have the same effect as one step more than the series has.
    steps = tf.cast(tf.minimum(tf.floor(delay), tf.cast(shape[1] + 1, delay.dtype)), tf.int32)
    time = tf.reshape(tf.range(shape[1]), [-1, *([1] * (rank - 2))])
    source = tf.broadcast_to(time + steps if reverse else time - steps, shape[1:])
    inside = tf.logical_and(source >= 0, source < shape[1])
    index = tf.broadcast_to(tf.clip_by_value(source, 0, shape[1] - 1)[tf.newaxis], shape)
    # Gather along time with the other axes as batch axes.
    order, batch = [0, *range(2, rank), 1], rank - 1
    gathered = tf.gather(
        tf.transpose(x, order), tf.transpose(index, order), batch_dims=batch, axis=batch
    )
    back = tf.transpose(gathered, [0, batch, *range(1, batch)])
    y = tf.where(inside[tf.newaxis], back, tf.zeros([], x.dtype))
    y.set_shape(x.shape)
    return y
