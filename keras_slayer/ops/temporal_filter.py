"""Causal linear filters along time: any FIR kernel, and two recursive ones.

All take ``x`` of shape (batch, time, ...), filter each series apart, and are
differentiable any number of times: the gradient of a filter is the same filter
run backwards in time (correlation instead of convolution).
"""

from __future__ import annotations

import math
import sys

import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import library, reference


def alpha_kernel(
    tau: float, *, cutoff: float | None = None, scale: float = 1.0, steps: int | None = None
):
    """Samples of the alpha kernel scale (k / tau) exp(1 - k / tau), k = 0, 1, ...

    Args:
        tau: time constant in steps.
        cutoff: ends the kernel before the first k > tau where its magnitude is
            below this.
        scale: factor of the whole kernel.
        steps: number of samples; instead of ``cutoff``.

    Returns:
        float64 array of shape (samples,).
    """
    tau = checks.number(tau, "tau", open_low=True)
    if (cutoff is None) == (steps is None):
        raise ValueError(
            "alpha_kernel takes either cutoff or steps. "
            f"Received: cutoff={cutoff!r}, steps={steps!r}"
        )
    if steps is None:
        cutoff = checks.number(cutoff, "cutoff", open_low=True)
        # The kernel falls below any cutoff well before this many time constants.
        decades = max(0.0, math.log10(max(abs(scale), 1e-300) / cutoff))
        steps = math.ceil(tau * (10 + 4 * decades)) + 2
    k = np.arange(checks.integer(steps, "steps", low=1, high=sys.maxsize))
    kernel = scale * (k / tau) * np.exp(1.0 - k / tau)
    if cutoff is not None:
        below = (np.abs(kernel) < cutoff) & (k > tau)
        kernel = kernel[: int(np.argmax(below))]
    return kernel


@tf.autograph.experimental.do_not_convert
def temporal_filter(x, kernel):
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
        return reference.temporal_filter(x, kernel)
    return native.keras_slayer_temporal_filter(x=x, kernel=kernel)


@tf.autograph.experimental.do_not_convert
def alpha_filter(x, tau: float):
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
    x = checks.series(x)
    params = alpha_params(checks.number(tau, "tau", open_low=True))
    native = library.native()
    if native is None:
        return reference.alpha_filter(x, params)
    return native.keras_slayer_alpha_filter(x=x, params=params)


def alpha_params(tau: float, scale: float = 1.0) -> list[float]:
    """Decay and gain of the recursion whose response is ``scale`` times the alpha kernel."""
    return [math.exp(-1.0 / tau), scale * math.e / tau]


@tf.autograph.experimental.do_not_convert
def exponential_filter(x, decay: float):
    """Leaky sum: y[t] = decay y[t - 1] + x[t].

    Args:
        x: tensor (batch, time, ...).
        decay: fraction kept per step, 0 to 1; exp(-1 / tau) for a time constant
            of tau steps.

    Returns:
        Tensor like ``x``.
    """
    x = checks.series(x)
    params = [checks.number(decay, "decay", high=1.0)]
    native = library.native()
    if native is None:
        return reference.exponential_filter(x, params)
    return native.keras_slayer_exponential_filter(x=x, params=params)


@tf.RegisterGradient("KerasSlayer>TemporalFilter")
def _temporal_filter_grad(op, grad):
    x, kernel = op.inputs
    native, reverse = library.native(), op.get_attr("reverse")
    grad_x = native.keras_slayer_temporal_filter(x=grad, kernel=kernel, reverse=not reverse)
    # The taps pair x[t - k] with dy[t]; backwards in time the two change places.
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


@tf.RegisterGradient("KerasSlayer>AlphaFilter")
def _alpha_filter_grad(op, grad):
    reverse = not op.get_attr("reverse")
    native = library.native()
    return native.keras_slayer_alpha_filter(x=grad, params=op.inputs[1], reverse=reverse), None


@tf.RegisterGradient("KerasSlayer>ExponentialFilter")
def _exponential_filter_grad(op, grad):
    reverse = not op.get_attr("reverse")
    native = library.native()
    grad_x = native.keras_slayer_exponential_filter(x=grad, params=op.inputs[1], reverse=reverse)
    return grad_x, None
