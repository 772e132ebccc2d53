"""Samples of the filter kernels of neurons."""

from __future__ import annotations

import math
import sys

import numpy as np
import tensorflow as tf

from keras_slayer import checks


def alpha_kernel(
    tau: float, *, cutoff: float | None = None, scale: float = 1.0, steps: int | None = None
) -> np.ndarray:
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


def alpha_decay_and_gain(tau: float, scale: float = 1.0) -> tuple[float, float]:
    """Decay and gain of the recursion whose response is ``scale`` times the alpha kernel.

    ::

        y'[t] = decay (y'[t-1] + r[t-1]),   r[t] = decay r[t-1] + x[t],   y = gain y'
    """
    decay = tf.exp(-1.0 / tau) if tf.is_tensor(tau) else math.exp(-1.0 / tau)
    return decay, scale * math.e / tau


def leaks_kernel(keeps, steps: int) -> np.ndarray:
    """Impulse response of leaky integrators one after the other; ``keeps``: kept per step."""
    kernel = np.zeros(steps)
    kernel[:1] = 1.0
    for keep in keeps:
        value = 0.0
        for k in range(steps):
            value = keep * value + kernel[k]
            kernel[k] = value
    return kernel
