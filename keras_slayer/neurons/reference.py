"""Time loops in plain TensorFlow, for the reference of neurons and filters.

TensorFlow differentiates each time step. Only the derivative of a spike is replaced by the
surrogate. float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import tensorflow as tf


def widen(x):
    """``x`` in its arithmetic dtype."""
    return tf.cast(x, tf.float32) if x.dtype in (tf.float16, tf.bfloat16) else x


def through_time(step, x, states: int, start=None):
    """Runs ``step(states, x[:, t]) -> (states, outputs)`` over x (batch, time, ...).

    ``states`` tensors shaped like one step start at zero, or at ``start``, (batch, states, ...).

    Returns:
        (outputs over time, states after the last step). The latter are like ``start``; None
        without it.
    """
    series = tf.transpose(x, [1, 0, *range(2, x.shape.rank)])
    zero = tf.zeros(tf.shape(series)[1:], x.dtype)  # of no step, if there is none
    first = [zero] * states if start is None else tf.unstack(tf.cast(start, x.dtype), states, 1)
    _, template = step([zero] * states, zero)

    def body(carry, now):
        after, outputs = step(list(carry[:states]), now)
        return (*after, *outputs)

    start_at = (*first, *[zero] * len(template))
    if start is None:
        stacked, last = tf.scan(body, series, initializer=start_at), None
    else:
        stacked, last = scan_from(body, series, start_at)
    back = [1, 0, *range(2, x.shape.rank)]
    outputs = [tf.transpose(y, back) for y in stacked[states:]]
    for y in outputs:
        y.set_shape(x.shape)
    if start is None:
        return outputs, None
    return outputs, tf.cast(tf.stack(last[:states], axis=1), start.dtype)


def scan_from(body, series, start):
    """``tf.scan`` of a tuple over a series that may have no steps, and its last result (which is
    ``start`` then)."""
    # One step more than there are: tf.scan does not know the shape of no steps.
    more = tf.zeros(tf.concat([[1], tf.shape(series)[1:]], axis=0), series.dtype)
    results = tf.scan(body, tf.concat([series, more], axis=0), initializer=tuple(start))
    steps = tf.shape(series)[0]
    last = [tf.concat([[x], y], axis=0)[steps] for x, y in zip(start, results, strict=True)]
    return [y[:-1] for y in results], last


def backwards(function, x):
    """Applies a function of a series to the series reversed in time."""
    return tf.reverse(function(tf.reverse(x, [1])), [1])


def number(parameter, like):
    """A parameter to calculate with ``like``: a number, or a tensor () or (channels,)."""
    return tf.cast(parameter, like.dtype) if tf.is_tensor(parameter) else parameter


def spike(u, threshold, surrogate):
    """1 where u >= threshold; its derivative is the surrogate."""

    @tf.custom_gradient
    def fire(u, threshold):
        spikes = tf.cast(u >= threshold, u.dtype)

        def grad(grad_spikes):
            grad_u = grad_spikes * surrogate.density(u, threshold)
            return grad_u, -sum_to_channels(grad_u, threshold)

        return spikes, grad

    # tf.cast would take a number through float32.
    return fire(u, tf.convert_to_tensor(number(threshold, u), u.dtype))


def sum_to_channels(x, parameter):
    """Sums x (..., channels) to the shape of a parameter, () or (channels,)."""
    return tf.reduce_sum(x, axis=list(range(x.shape.rank - parameter.shape.rank)))


def alpha_step(state, decay: float, gain: float):
    """Response to the past, and the state before this step's input (csrc/filters/steps.h)."""
    rise, response = state
    decay, gain = number(decay, rise), number(gain, rise)
    response = decay * (response + rise)
    return gain * response, decay * rise, response
