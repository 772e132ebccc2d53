"""The gradient of ``LoihiCUBA`` in plain TensorFlow: that of ``CUBA``, past all rounding."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer.loihi import DECAY_UNIT, STATE_SHIFT, WEIGHT_SCALE
from keras_slayer.neurons import reference


def straight_through(neuron, grad, v, start) -> tuple:
    """dz from the gradient of the spikes, with the decays as fractions; and the gradients of
    the parameters by their names."""
    given = neuron.parameters
    p = {name: reference.number(value, v) for name, value in given.items()}
    keep_i, keep_v = (1 - p[f"{name}_decay"] / DECAY_UNIT for name in ("current", "voltage"))
    threshold = p["threshold_mantissa"] / WEIGHT_SCALE
    rho = neuron.surrogate_gradient.density(v, threshold)
    spikes = tf.cast(v > threshold, v.dtype)
    exodus = neuron.surrogate_gradient.exodus
    passed = (1 - spikes) - v * rho if exodus else tf.ones_like(v)

    def step(state, now):
        current, voltage = state
        grad_rho, through = now[..., 0], now[..., 1]
        later = keep_v * voltage[..., 0]
        voltage = grad_rho + through * later
        after = keep_i * current[..., 0] + voltage
        # An input acts one step after it arrives, so its gradient is `current` before
        # the update.
        pack = lambda y: tf.stack([y, tf.zeros_like(y)], axis=-1)  # noqa: E731
        return (pack(after), pack(voltage)), (current, pack(after), pack(voltage), pack(later))

    both = tf.stack([rho * grad, passed], axis=-1)
    series = [
        tf.reverse(y, [1])[..., 0]
        for y in reference.through_time(step, tf.reverse(both, [1]), 2)[0]
    ]
    dz, grad_i, grad_v, later = series
    # The voltage after the reset and the current, one step before each.
    reset = v * (1 - spikes)
    voltage = tf.concat([_before(start, 1, v), reset[:, :-1]], axis=1)
    current = v - keep_v * voltage - p.get("bias", 0) / WEIGHT_SCALE
    current = tf.concat([_before(start, 0, v), current[:, :-1]], axis=1)
    spike = grad - v * later if exodus else grad
    gradients = {
        "threshold_mantissa": -rho * spike / WEIGHT_SCALE,
        "current_decay": -grad_i * current / DECAY_UNIT,
        "voltage_decay": -grad_v * voltage / DECAY_UNIT,
        "bias": grad_v / WEIGHT_SCALE,
    }
    return dz, {
        name: tf.cast(reference.sum_to_channels(y, given[name]), tf.float64)
        for name, y in gradients.items()
        if tf.is_tensor(given.get(name))
    }


def _before(start, place: int, v):
    """A number of the state before the first step, on the scale of the float weights."""
    if start is None:
        return tf.zeros_like(v[:, :1])
    return tf.cast(start[:, place : place + 1], v.dtype) / (WEIGHT_SCALE << STATE_SHIFT)
