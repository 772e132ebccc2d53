"""Causal linear filters along time: any FIR kernel, and two recursive ones.

All take ``x`` of shape (batch, time, ...) and filter each series independently. They are
differentiable any number of times: the gradient of a filter is the same filter run
backwards in time (correlation instead of convolution).
"""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import reference
from keras_slayer.neurons.kernels import alpha_decay_and_gain
from keras_slayer.ops import library, state


@tf.autograph.experimental.do_not_convert
def temporal_filter(x, kernel) -> tf.Tensor:
    """Causal FIR filter: y[t] = sum_k kernel[k] x[t - k], x = 0 before the start.

    Args:
        x: tensor (batch, time, ...), float32, float64, float16 or bfloat16.
        kernel: vector of taps, in steps; converted to the dtype of ``x``.

    Returns:
        Tensor of the shape and dtype of ``x``. Gradients flow to ``x``
        (correlation with the kernel) and to ``kernel``
        (sum over batch, time and neurons of x[t - k] dy[t]).

    Raises:
        ValueError: wrong rank or dtype.
    """
    x = checks.series(x)
    kernel = checks.taps(kernel, "kernel", x.dtype)
    native = library.native()
    if native is None:
        return _reference_temporal_filter(x, kernel)
    return native.keras_slayer_temporal_filter(x=x, kernel=kernel)


@tf.autograph.experimental.do_not_convert
def alpha_filter(x, tau: float) -> tf.Tensor:
    """SLAYER's spike response: y[t] = sum_k (k / tau) exp(1 - k / tau) x[t - k].

    Computed by a recursion of second order, in time O(T) and without
    truncation: with d = exp(-1 / tau), y'[t] = d (y'[t-1] + r[t-1]),
    r[t] = d r[t-1] + x[t], y = (e / tau) y'.

    Args:
        x: tensor (batch, time, ...).
        tau: time constant in steps, positive.

    Returns:
        Tensor like ``x``.
    """
    decay, gain = alpha_decay_and_gain(checks.number(tau, "tau", open_low=True))
    return _recursive_filter(checks.series(x), "alpha", decay, gain)


@tf.autograph.experimental.do_not_convert
def exponential_filter(x, decay: float) -> tf.Tensor:
    """Leaky sum: y[t] = decay y[t - 1] + x[t].

    Args:
        x: tensor (batch, time, ...).
        decay: fraction kept per step, 0 to 1; exp(-1 / tau) for a time constant
            of tau steps.

    Returns:
        Tensor like ``x``.
    """
    decay = checks.number(decay, "decay", high=1.0)
    return _recursive_filter(checks.series(x), "exponential", decay, 1.0)


def _recursive_filter(x, name: str, decay: float, gain: float):
    return filter_with_state(x, name, decay, gain, None)[0]


def filter_with_state(x, name: str, decay: float, gain: float, start):
    """(the filtered series, the state after it) from a state, or at rest and without one: None.

    ``decay`` and ``gain`` of an ``"oscillator"`` are the real and the imaginary part of its pole p:
    y[t] = sum_k Im(p^k) x[t - k].
    """
    native = library.native()
    if native is None:
        return _REFERENCES[name](x, decay, gain, start)
    y, after = native.keras_slayer_recursive_filter(
        x=x, decay=decay, gain=gain, filter=name, state=state.listed(start)
    )
    return y, after[0] if after else None


def fir_with_state(x, kernel, start):
    """``temporal_filter`` and the last inputs, from the last inputs before (``ops.state``)."""
    if start is None:
        return temporal_filter(x, kernel), None
    kernel = checks.taps(kernel, "kernel", x.dtype)
    before = (kernel.shape[0] or tf.shape(kernel)[0]) - 1
    series = state.with_history(start, x)
    return temporal_filter(series, kernel)[:, before:], state.history(series, before)


@tf.RegisterGradient("KerasSlayer>TemporalFilter")
def _temporal_filter_grad(op, grad):
    x, kernel = op.inputs
    native, reverse = library.native(), op.get_attr("reverse")
    grad_x = native.keras_slayer_temporal_filter(x=grad, kernel=kernel, reverse=not reverse)
    # Tap k multiplies x[t - k] and dy[t]. In reverse, x and dy change places.
    early, late = (grad, x) if reverse else (x, grad)
    grad_kernel = native.keras_slayer_temporal_filter_kernel_grad(x=early, grad=late, kernel=kernel)
    return grad_x, grad_kernel


@tf.RegisterGradient("KerasSlayer>TemporalFilterKernelGrad")
def _temporal_filter_kernel_grad_grad(op, grad):
    x, late, _ = op.inputs
    native = library.native()
    grad_x = native.keras_slayer_temporal_filter(x=late, kernel=grad, reverse=True)
    grad_late = native.keras_slayer_temporal_filter(x=x, kernel=grad)
    return grad_x, grad_late, None


@tf.RegisterGradient("KerasSlayer>RecursiveFilter")
def _recursive_filter_grad(op, grad, *grad_after):
    _, decay, gain, *start = op.inputs
    name = op.get_attr("filter")
    name = name.decode() if isinstance(name, bytes) else name
    to_state, to_gradient = _OF_THE_STATE[name](decay, gain)
    grad_x, before = library.native().keras_slayer_recursive_filter(
        x=grad,
        decay=decay,
        gain=gain,
        state=[to_state(y) for y in grad_after],
        filter=name,
        reverse=not op.get_attr("reverse"),
    )
    return grad_x, None, None, *([to_gradient(y) for y in before] if start else [])


# What a filter that runs backwards in time over gradients has as its state, from the gradient of
# the state after the last step; and the gradient of the state before the first step, from what it
# ends with. One is the inverse of the other.


def _of_alpha(decay, gain):
    factor = decay * gain

    def to_state(gradient):
        rise, response = tf.unstack(gradient, axis=1)
        response = tf.math.divide_no_nan(response, factor)
        return tf.stack([response, tf.math.divide_no_nan(rise, factor) - response], axis=1)

    def to_gradient(filtered):
        rise, response = tf.unstack(filtered, axis=1)
        return factor * tf.stack([rise + response, rise], axis=1)

    return to_state, to_gradient


def _of_exponential(decay, _):
    return lambda gradient: tf.math.divide_no_nan(gradient, decay), lambda y: decay * y


def _of_oscillator(real, imaginary):
    squared = real * real + imaginary * imaginary

    def to_state(gradient):
        voltage, current = tf.unstack(gradient, axis=1)
        turned = [real * current + imaginary * voltage, real * voltage - imaginary * current]
        return tf.math.divide_no_nan(tf.stack(turned, axis=1), squared)

    def to_gradient(filtered):
        current, voltage = tf.unstack(filtered, axis=1)
        turned = [imaginary * current + real * voltage, real * current - imaginary * voltage]
        return tf.stack(turned, axis=1)

    return to_state, to_gradient


_OF_THE_STATE = {"alpha": _of_alpha, "exponential": _of_exponential, "oscillator": _of_oscillator}


def _reference_temporal_filter(x, kernel):
    """``temporal_filter`` in plain TensorFlow, adding one tap after the other."""
    wide, taps = reference.widen(x), reference.widen(kernel)
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


def _reference_alpha_filter(x, decay: float, gain: float, start):
    def step(states, now):
        value, rise, response = reference.alpha_step(states, decay, gain)
        return (rise + now, response), (value,)

    (y,), after = reference.through_time(step, reference.widen(x), 2, start)
    return tf.cast(y, x.dtype), state.without_gradient(after)


def _reference_exponential_filter(x, decay: float, gain: float, start):
    def step(states, now):
        value = decay * states[0] + now
        return (value,), (value,)

    (y,), after = reference.through_time(step, reference.widen(x), 1, start)
    return tf.cast(y, x.dtype), state.without_gradient(after)


def _reference_oscillator_filter(x, real: float, imaginary: float, start):
    def step(states, now):
        current, voltage = states
        turned = real * current - imaginary * voltage
        voltage = imaginary * current + real * voltage
        return (turned + now, voltage), (voltage,)

    (y,), after = reference.through_time(step, reference.widen(x), 2, start)
    return tf.cast(y, x.dtype), state.without_gradient(after)


_REFERENCES = {
    "alpha": _reference_alpha_filter,
    "exponential": _reference_exponential_filter,
    "oscillator": _reference_oscillator_filter,
}
