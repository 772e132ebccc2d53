"""The ops in plain TensorFlow: fallback where there is no compiler, and test oracle.

Each step of time is written out and differentiated by TensorFlow; only the
derivative of the spike is put in by hand. Parameters are the native ops' own
(``csrc/*_op.cc``). Float16 and bfloat16 are computed in float32.
"""

from __future__ import annotations

import tensorflow as tf


def _widen(x):
    """``x`` in the dtype that its arithmetic is done in."""
    return x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)


def _through_time(step, x, states: int):
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


def _backwards(function, x):
    """Applies a function of time to the series run backwards."""
    return tf.reverse(function(tf.reverse(x, [1])), [1])


def _surrogate(u, shape: str, threshold, width, height):
    distance = tf.abs(u - threshold)
    if shape == "triangle":
        return height * tf.maximum(1 - distance / (2 * width), 0)
    return height * tf.exp(-distance / width)


def _fire(u, shape: str, params):
    """1 where u >= threshold; its derivative is the surrogate."""

    @tf.custom_gradient
    def fire(u):
        spikes = tf.cast(u >= tf.cast(params[0], u.dtype), u.dtype)
        return spikes, lambda grad: grad * _surrogate(u, shape, *params)

    return fire(u)


def temporal_filter(x, kernel):
    """y[t] = sum_k kernel[k] x[t - k], one tap after the other."""
    wide, taps = _widen(x), _widen(kernel)
    steps = tf.shape(x)[1]

    def add_tap(k, total):
        rest = [[0, 0]] * (x.shape.rank - 2)
        shift = tf.minimum(k, steps)
        shifted = tf.pad(wide[:, : steps - shift], [[0, 0], [shift, 0], *rest])
        shifted.set_shape(x.shape)
        return k + 1, total + taps[k] * shifted

    size = tf.shape(taps)[0]
    _, total = tf.while_loop(lambda k, _: k < size, add_tap, (0, tf.zeros_like(wide)))
    return tf.cast(total, x.dtype)


def _alpha_step(state, decay, gain):
    """Response to the past and the state before this step's input (dynamics.h)."""
    rise, response = state
    response = decay * (response + rise)
    return gain * response, decay * rise, response


def alpha_filter(x, params):
    decay, gain = params

    def step(state, now):
        value, rise, response = _alpha_step(state, decay, gain)
        return (rise + now, response), (value,)

    return tf.cast(_through_time(step, _widen(x), states=2)[0], x.dtype)


def exponential_filter(x, params):
    (decay,) = params

    def step(state, now):
        value = decay * state[0] + now
        return (value,), (value,)

    return tf.cast(_through_time(step, _widen(x), states=1)[0], x.dtype)


def neuron(z, spec):
    """The neuron of a ``NeuronSpec``."""
    fire = {"srm": srm, "cuba": cuba, "loihi_cuba": loihi_cuba}[spec.kind]
    return fire(z, spec.params, spec.exodus, spec.surrogate)


def srm(z, params, exodus: bool, surrogate: str):
    response, refractory = params[3:5], params[5:7]

    def step(state, now):
        psp, rise, value = _alpha_step(state[:2], *response)
        own, own_rise, own_value = _alpha_step(state[2:], *refractory)
        u = psp + own
        spikes = _fire(u, surrogate, params[:3])
        felt = spikes if exodus else tf.stop_gradient(spikes)
        return (rise + now, value, own_rise + felt, own_value), (spikes, u)

    spikes, u = _through_time(step, _widen(z), states=4)
    return tf.cast(spikes, z.dtype), tf.cast(u, z.dtype)


def srm_fir(response, params, refractory, exodus: bool, surrogate: str):
    wide = _widen(response)
    nu = tf.cast(refractory, wide.dtype)
    tf.debugging.assert_equal(nu[0], tf.zeros([], nu.dtype), "refractory[0] must be 0")
    # What earlier spikes will add to the coming steps, nearest first.
    ahead = tf.reshape(nu[1:], [-1, *([1] * (wide.shape.rank - 1))])
    series = tf.transpose(wide, [1, 0, *range(2, wide.shape.rank)])
    zero = tf.zeros_like(series[0])
    coming = tf.zeros_like(ahead) * zero

    def body(carry, psp):
        # A zero row enters at the far end, so that there is one where nu has one tap.
        coming = tf.concat([carry[0], zero[tf.newaxis]], axis=0)
        u = psp + coming[0]
        spikes = _fire(u, surrogate, params[:3])
        felt = spikes if exodus else tf.stop_gradient(spikes)
        return coming[1:] + ahead * felt, spikes, u

    _, spikes, u = tf.scan(body, series, initializer=(coming, zero, zero))
    outputs = [tf.transpose(y, [1, 0, *range(2, wide.shape.rank)]) for y in (spikes, u)]
    for y in outputs:
        y.set_shape(wide.shape)
    return tf.cast(outputs[0], response.dtype), tf.cast(outputs[1], response.dtype)


def cuba(z, params, exodus: bool, surrogate: str):
    keep_current, keep_voltage = 1 - params[3], 1 - params[4]

    @tf.custom_gradient
    def reset(v, spikes):
        def grad(after):
            # Without exodus the reset moves the value but not the gradient.
            return (after * (1 - spikes), -after * v) if exodus else (after, None)

        # A product v (1 - spikes) would make NaN of an infinite v.
        return tf.where(spikes > 0, tf.zeros_like(v), v), grad

    def step(state, now):
        current = keep_current * state[0] + now
        v = keep_voltage * state[1] + current
        spikes = _fire(v, surrogate, params[:3])
        return (current, reset(v, spikes)), (spikes, v)

    spikes, v = _through_time(step, _widen(z), states=2)
    return tf.cast(spikes, z.dtype), tf.cast(v, z.dtype)


def _decay_integer(x, keep):
    """rsz(x * keep, 12): toward zero, as the chip does it."""
    return tf.sign(x) * tf.bitwise.right_shift(tf.abs(x * keep), tf.constant(12, tf.int64))


def loihi_cuba(z, params, exodus: bool, surrogate: str):
    mantissa, width, height, current_decay, voltage_decay = params
    keep_current, keep_voltage = int(4096 - current_decay), int(4096 - voltage_decay)
    threshold, limit = int(mantissa) << 6, (1 << 23) - 1

    def step(state, now):
        u, v, arriving = state
        u = _decay_integer(u, keep_current) + arriving * 64
        u = tf.where(u > 1 << 23, u - (1 << 24), tf.where(u <= -(1 << 23), u + (1 << 24), u))
        v = tf.clip_by_value(_decay_integer(v, keep_voltage) + u, -limit, limit)
        spikes = tf.cast(v > threshold, tf.int64)
        return (u, v * (1 - spikes), now), (spikes, v)

    def backward(grad, v):
        keep_i, keep_v = keep_current / 4096, keep_voltage / 4096
        rho = _surrogate(v, surrogate, mantissa / 64, width, height)
        spikes = tf.cast(v > mantissa / 64, v.dtype)
        passed = (1 - spikes) - v * rho if exodus else tf.ones_like(v)

        def step(state, now):
            current, voltage = state
            grad_rho, through = now[..., 0], now[..., 1]
            voltage = grad_rho + keep_v * through * voltage[..., 0]
            after = keep_i * current[..., 0] + voltage
            # `current` before the update is the gradient of the step that
            # arrives here, one earlier than it acts.
            pack = lambda y: tf.stack([y, tf.zeros_like(y)], axis=-1)  # noqa: E731
            return (pack(after), pack(voltage)), (current,)

        both = tf.stack([rho * grad, passed], axis=-1)
        run = lambda series: _through_time(step, series, states=2)[0]  # noqa: E731
        return _backwards(run, both)[..., 0]

    @tf.custom_gradient
    def spike(z):
        wide = _widen(z)
        tf.debugging.assert_all_finite(wide, "the synaptic input of a Loihi neuron must be finite")
        weight_units = tf.cast(tf.round(tf.cast(wide, tf.float64) * 64), tf.int64)
        spikes, v = _through_time(step, weight_units, states=3)
        v = tf.cast(tf.cast(v, tf.float64) / 4096, z.dtype)

        def grad(grad_spikes, _grad_v=None):
            return tf.cast(backward(_widen(grad_spikes), _widen(v)), z.dtype)

        return (tf.cast(spikes, z.dtype), v), grad

    return spike(z)
