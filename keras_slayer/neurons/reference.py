"""Time loops in plain TensorFlow, for the reference of neurons and filters.

TensorFlow differentiates each time step. Only the derivative of a spike is replaced by the
surrogate. float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import tensorflow as tf


def widen(x):
    """``x`` in its arithmetic dtype."""
    return tf.cast(x, tf.float32) if x.dtype in (tf.float16, tf.bfloat16) else x


def through_time(step, x, states: int):
    """Runs ``step(states, x[:, t]) -> (states, outputs)``, returns outputs over time.

    x is (batch, time, ...); ``states`` tensors shaped like one step start at zero.
    """
    series = tf.transpose(x, [1, 0, *range(2, x.shape.rank)])
    zero = tf.zeros_like(series[0])
    _, template = step([zero] * states, zero)

    def body(carry, now):
        after, outputs = step(list(carry[:states]), now)
        return (*after, *outputs)

    stacked = tf.scan(body, series, initializer=(zero,) * (states + len(template)))
    back = [1, 0, *range(2, x.shape.rank)]
    outputs = [tf.transpose(y, back) for y in stacked[states:]]
    for y in outputs:
        y.set_shape(x.shape)
    return outputs


def backwards(function, x):
    """Applies a function of a series to the series reversed in time."""
    return tf.reverse(function(tf.reverse(x, [1])), [1])


def spike(u, threshold: float, surrogate):
    """1 where u >= threshold; its derivative is the surrogate."""

    @tf.custom_gradient
    def fire(u):
        spikes = tf.cast(u >= tf.cast(threshold, u.dtype), u.dtype)
        return spikes, lambda grad: grad * surrogate.density(u, threshold)

    return fire(u)


def alpha_step(state, decay: float, gain: float):
    """Response to the past, and the state before this step's input (csrc/filters/steps.h)."""
    rise, response = state
    response = decay * (response + rise)
    return gain * response, decay * rise, response
