"""A damped oscillator that fires: it prefers input of its own frequency."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import reference
from keras_slayer.neurons.base import HORIZON, Neuron
from keras_slayer.neurons.learned import FACTOR
from keras_slayer.neurons.time_constants import fraction_lost

MS = 1000.0  # of a second


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class ResonateAndFire(Neuron):
    """A damped oscillator that fires where its voltage reaches the threshold.

    ::

        w[t] = p (w[t-1] - i threshold s[t-1]) + z[t],   p = exp(-dt / tau) exp(i 2 pi frequency dt)
        u[t] = Im w[t],   s[t] = u[t] >= threshold

    The neuron of Izhikevich, "Resonate-and-fire neurons", Neural Networks 14:883 (2001), in whole
    time steps. Re w is like a current, which the input enters. Im w is like a voltage, and the
    membrane potential that ops and layers return. An input makes the voltage swing::

        h[k] = Im p^k = exp(-k dt / tau) sin(2 pi frequency k dt)

    So the neuron answers most to inputs that are one period apart, and inhibition fires it, too,
    half a period later. Where Izhikevich puts w to a fixed point after a spike, here a spike takes
    the threshold from the voltage, as in ``ALIF``, so that what a spike does adds up with the rest.

    The backward pass, with nu[k] = -threshold Re p^k::

        lambda[t] = surrogate(u[t]) ds[t]                                      "slayer"
        lambda[t] = surrogate(u[t]) (ds[t] + sum_{k>0} nu[k] lambda[t + k])    "exodus"
        dz[t] = sum_k h[k] lambda[t + k]

    lava-dl's neuron of this name has the same w[t] for a real input, but fires where w passes the
    real axis beyond the threshold, and does not reset.

    Args:
        threshold: firing threshold. None: dt / 14 ms, at most a third, times the sum of abs(h) over
            the steps. Input whose sign follows the swings of the neuron then drives it to 14
            thresholds, as constant input does a neuron whose response has one sign.
        frequency: of the oscillation, Hz; above 0, and less than half a period per step. The
            period is 1000 / frequency ms.
        tau: time constant with which the oscillation decays, ms. The longer, the narrower the
            band of frequencies that the neuron answers to, about 320 / tau Hz.
        dt: length of a time step, ms.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``SRM``.

    Raises:
        ValueError: a parameter out of its range.
    """

    threshold: float | None = None
    frequency: float = 20.0
    tau: float = 30.0
    dt: float = 1.0

    native = "resonate_and_fire"
    states = 2
    learnable: ClassVar = {"threshold": FACTOR, "frequency": FACTOR, "tau": FACTOR}

    def __post_init__(self):
        for name in ("frequency", "tau", "dt"):
            checks.number(getattr(self, name), name, open_low=True)
        if 2 * self.frequency * self.dt >= MS:
            raise ValueError(
                f"frequency must be less than half a period per step, {MS / 2 / self.dt:g} Hz at "
                f"dt={self.dt:g} ms. Received: frequency={self.frequency!r}"
            )
        self._set_threshold()
        super().__post_init__()

    def _default_threshold(self) -> float:
        return self._threshold_of(float(np.abs(self.response_kernel()).sum()))

    @property
    def firing_threshold(self) -> float:
        return self.threshold

    @property
    def period(self) -> float:
        """Of the oscillation, ms."""
        return MS / self.frequency

    @property
    def parameters(self) -> dict[str, float]:
        return {
            "threshold": self.threshold,
            "decay": fraction_lost(self.tau, self.dt),
            "angle": self.frequency * (2 * math.pi * self.dt / MS),
        }

    @property
    def _pole(self) -> tuple:
        """Its real and its imaginary part."""
        keep, angle = 1 - self.parameters["decay"], self.parameters["angle"]
        if tf.is_tensor(angle) or tf.is_tensor(keep):
            return keep * tf.cos(angle), keep * tf.sin(angle)
        return keep * math.cos(angle), keep * math.sin(angle)

    @property
    def filters(self):
        return (("oscillator", complex(*self._pole)),)

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        k, angle = np.arange(steps), self.parameters["angle"]
        return np.exp(-self.dt / self.tau * k) * np.sin(angle * k)

    def step(self, state, z):
        real, imaginary = state
        pole_real, pole_imaginary = (reference.number(part, z) for part in self._pole)
        current = pole_real * real - pole_imaginary * imaginary
        u = pole_imaginary * real + pole_real * imaginary
        spikes = self.spike(u)
        felt = spikes if self.surrogate_gradient.exodus else tf.stop_gradient(spikes)
        return (current + z, u - reference.number(self.threshold, z) * felt), spikes, u
