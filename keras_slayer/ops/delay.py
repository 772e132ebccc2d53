"""Axonal delay: each channel or neuron shifted in time by its own learnable delay."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library, reference


@tf.autograph.experimental.do_not_convert
def delay(x, delay):
    """y[t, n] = x[t - floor(delay[n]), n]; zeros are shifted in.

    Gradients: dx is dy shifted back. For the delay it is SLAYER's, the slope of the
    output in time, here as a central difference:

        ddelay[n] = -sum_t dy[t, n] (y[t+1, n] - y[t-1, n]) / 2

    summed over everything that shares the delay. x is zero before its first step and
    after its last one (T - 1): y[T] is x[T - floor(delay)] for a delay of one step or
    more, and 0 for a shorter one.

    SLAYER's own code takes y[t] - y[t-1], the slope half a step early. Under a squared
    error of filtered spikes that favours long delays: where the filter is short, or
    rises at once as an exponential does, delays that are too long grow still longer.

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
    native = library.native()
    if native is None:
        return reference.delay(x, delay)
    return native.keras_slayer_delay(x=x, delay=delay)


@tf.RegisterGradient("KerasSlayer>Delay")
def _delay_grad(op, grad):
    x, delays = op.inputs
    native = library.native()
    grad_x = native.keras_slayer_delay(x=grad, delay=delays, reverse=True)
    return grad_x, native.keras_slayer_delay_grad(x=x, delay=delays, grad=grad)
