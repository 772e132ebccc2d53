"""Spike response model, SLAYER's own neuron."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import reference
from keras_slayer.neurons.base import HORIZON, Neuron
from keras_slayer.neurons.kernels import alpha_decay_and_gain, alpha_kernel
from keras_slayer.neurons.learned import FACTOR

# The original code cuts eps at 0.01 and nu at 0.0001.
REFRACTORY_CUTOFF_RATIO = 0.01


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class SRM(Neuron):
    """Spike response model with alpha kernels (Shrestha & Orchard, NeurIPS 2018).

    ::

        u(t) = (eps * z)(t) + (nu * s)(t),   s(t) = u(t) >= threshold
        eps(t) = t / tau_response exp(1 - t / tau_response)
        nu(t) = -refractory_scale threshold t / tau_refractory exp(1 - t / tau_refractory)
        rho(u) = surrogate_scale / (surrogate_tau threshold)
                 exp(-|u - threshold| / (surrogate_tau threshold))

    The backward pass::

        lambda[t] = rho(u[t]) ds[t]                                   "slayer"
        lambda[t] = rho(u[t]) (ds[t] + sum_k nu[k] lambda[t + k])     "exodus"
        dz[t] = sum_k eps[k] lambda[t + k]

    Args:
        threshold: firing threshold. None: dt / 14 ms, at most a third, times the sum of eps over
            the steps, so that a step of Adam suits the weights, whatever the time constants and the
            time step. SLAYER's authors take 10 with a ``tau_response`` of 10 ms.
        tau_response: time constant of the spike response, ms.
        tau_refractory: time constant of the refractory response, ms.
        refractory_scale: depth of the refractory response, in thresholds.
        dt: length of a time step, ms.
        kernel_cutoff: None for kernels without truncation. A number truncates: eps ends before
            the first k > tau_response with eps[k] < kernel_cutoff, nu likewise at a hundredth of
            it (the original code's pair is 0.01 and 0.0001). Needed only to reproduce results of
            truncating code.
        surrogate_tau: width of the surrogate, in thresholds.
        surrogate_scale: factor of the surrogate gradient.
        surrogate: shape of rho. ``"exponential"`` as above, or ``"triangle"``:
            surrogate_scale / (surrogate_tau threshold)
            max(0, 1 - |u - threshold| / (2 surrogate_tau threshold)), with the same
            peak and area. It is zero away from threshold, so that the gradient of a
            convolution's input needs only the neurons and steps near threshold. This
            makes training faster, with a different gradient.
        gradient: ``"slayer"`` or ``"exodus"``. With a steep surrogate, the exact
            gradient of exodus grows along trains of spikes. Use it with a
            ``surrogate_scale`` of 0.25 or less, or a ``surrogate_tau`` of 1.

    Raises:
        ValueError: a parameter out of its range.
    """

    threshold: float | None = None
    tau_response: float = 5.0
    tau_refractory: float = 1.0
    refractory_scale: float = 2.0
    dt: float = 1.0
    kernel_cutoff: float | None = None

    native = "srm"
    states = 4
    learnable: ClassVar = {
        "threshold": FACTOR,
        "tau_response": FACTOR,
        "tau_refractory": FACTOR,
        "refractory_scale": FACTOR,
    }

    def __post_init__(self):
        for name in ("tau_response", "tau_refractory", "dt"):
            checks.number(getattr(self, name), name, open_low=True)
        checks.number(self.refractory_scale, "refractory_scale")
        if self.kernel_cutoff is not None:
            checks.number(self.kernel_cutoff, "kernel_cutoff", open_low=True, high=1.0)
        self._set_threshold()
        super().__post_init__()

    @property
    def firing_threshold(self) -> float:
        return self.threshold

    @property
    def _depth(self) -> float:
        return -self.refractory_scale * self.threshold

    @property
    def parameters(self) -> dict[str, float]:
        response = alpha_decay_and_gain(self.tau_response / self.dt)
        refractory = alpha_decay_and_gain(self.tau_refractory / self.dt, self._depth)
        return {
            "threshold": self.threshold,
            "response_decay": response[0],
            "response_gain": response[1],
            "refractory_decay": refractory[0],
            "refractory_gain": refractory[1],
        }

    @property
    def filters(self):
        return (("alpha", self.tau_response / self.dt),)

    @property
    def kernels(self):
        if self.kernel_cutoff is None:
            return None
        return (
            alpha_kernel(self.tau_response / self.dt, cutoff=self.kernel_cutoff),
            alpha_kernel(
                self.tau_refractory / self.dt,
                cutoff=self.kernel_cutoff * REFRACTORY_CUTOFF_RATIO,
                scale=self._depth,
            ),
        )

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        tau = self.tau_response / self.dt
        kernel = alpha_kernel(tau, steps=steps)
        if self.kernel_cutoff is not None:
            kernel[len(alpha_kernel(tau, cutoff=self.kernel_cutoff)) :] = 0.0
        return kernel

    def step(self, state, z):
        p = self.parameters
        psp, rise, value = reference.alpha_step(state[:2], p["response_decay"], p["response_gain"])
        own, own_rise, own_value = reference.alpha_step(
            state[2:], p["refractory_decay"], p["refractory_gain"]
        )
        u = psp + own
        spikes = self.spike(u)
        felt = spikes if self.surrogate_gradient.exodus else tf.stop_gradient(spikes)
        return (rise + z, value, own_rise + felt, own_value), spikes, u
