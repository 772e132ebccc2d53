"""Leaky integrate-and-fire with an adaptive threshold."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import reference
from keras_slayer.neurons.base import Neuron
from keras_slayer.neurons.learned import FACTOR
from keras_slayer.neurons.time_constants import fraction_lost


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class ALIF(Neuron):
    """Leaky integrate-and-fire neuron whose threshold rises with each spike and decays.

    ::

        v[t] = alpha v[t-1] + z[t] - threshold s[t-1],   alpha = exp(-dt / tau_membrane)
        a[t] = rho a[t-1] + s[t-1],                      rho = exp(-dt / tau_adaptation)
        s[t] = 1 where v[t] >= threshold + beta a[t], else 0

    The neuron of Bellec et al., "A solution to the learning dilemma for recurrent networks of
    spiking neurons", Nature Communications 11:3625 (2020). A spike subtracts the threshold from
    the voltage. The membrane potential that ops and layers return is u[t] = v[t] - beta a[t], the
    voltage minus the rise of the threshold. So the neuron fires where u reaches ``threshold``.

    The backward pass evaluates the surrogate at u. A spike changes u by
    nu[k] = -threshold alpha^(k-1) - beta rho^(k-1) after k steps::

        lambda[t] = surrogate(u[t]) ds[t]                                      "slayer"
        lambda[t] = surrogate(u[t]) (ds[t] + sum_{k>0} nu[k] lambda[t + k])    "exodus"
        dz[t] = sum_k alpha^k lambda[t + k]

    Args:
        threshold: firing threshold at rest. None: dt / 28 ms, at most a sixth, times the sum of the
            response over the steps, half that of ``SRM``, because it rises as the neuron fires.
        tau_membrane: time constant of the voltage, ms; 20 in the paper.
        tau_adaptation: time constant of the threshold, ms; 200 as in the paper, which recommends
            about the time that the network has to remember.
        beta: rise of the threshold with each spike; 0 for a plain leaky integrate-and-fire
            neuron. None: the paper's 1.7 (1 - rho) / (1 - alpha), in thresholds.
        dt: length of a time step, ms.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``SRM``.

    Raises:
        ValueError: a parameter out of its range.
    """

    threshold: float | None = None
    tau_membrane: float = 10.0
    tau_adaptation: float = 200.0
    beta: float | None = None
    dt: float = 1.0

    native = "alif"
    states = 3
    learnable: ClassVar = {
        "threshold": FACTOR,
        "tau_membrane": FACTOR,
        "tau_adaptation": FACTOR,
        "beta": FACTOR,
    }

    def __post_init__(self):
        for name in ("tau_membrane", "tau_adaptation", "dt"):
            checks.number(getattr(self, name), name, open_low=True)
        self._set_threshold()
        if self.beta is None:
            lost = self.parameters
            beta = 1.7 * self.threshold * lost["adaptation_decay"] / lost["voltage_decay"]
            object.__setattr__(self, "beta", float(f"{beta:.3g}"))  # the class is frozen
        checks.number(self.beta, "beta")
        super().__post_init__()

    def _default_threshold(self) -> float:
        # With the default beta the threshold has doubled at 1 / (1.7 tau_membrane) spikes per ms.
        return self._threshold_of(float(self.response_kernel().sum()) / 2)

    @property
    def firing_threshold(self) -> float:
        return self.threshold

    @property
    def parameters(self) -> dict[str, float]:
        return {
            "threshold": self.threshold,
            "voltage_decay": fraction_lost(self.tau_membrane, self.dt),
            "adaptation_decay": fraction_lost(self.tau_adaptation, self.dt),
            "beta": self.beta,
        }

    @property
    def filters(self):
        return (("exponential", 1 - self.parameters["voltage_decay"]),)

    def step(self, state, z):
        v, a, spiked = state
        p = self.parameters
        keep, keep_a, threshold, beta = (
            reference.number(value, z)
            for value in (
                1 - p["voltage_decay"],
                1 - p["adaptation_decay"],
                self.threshold,
                self.beta,
            )
        )
        v = (keep * v + z) - threshold * spiked
        a = keep_a * a + spiked
        u = v - beta * a
        spikes = self.spike(u)
        felt = spikes if self.surrogate_gradient.exodus else tf.stop_gradient(spikes)
        return (v, a, felt), spikes, u
