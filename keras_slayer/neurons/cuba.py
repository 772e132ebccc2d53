"""Current-based leaky integrate-and-fire."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons.base import Neuron


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class CUBA(Neuron):
    """Current-based leaky integrate-and-fire neuron with hard reset, in floating point.

    ::

        i[t] = (1 - current_decay) i[t-1] + z[t]
        v[t] = (1 - voltage_decay) v[t-1] + i[t]
        s[t] = 1, and v[t] = 0 afterwards, where v[t] >= threshold

    The backward pass, with the surrogate rho at v before the reset::

        lambda_v[t] = rho(v[t]) ds[t] + (1 - voltage_decay) lambda_v[t+1] r[t]
        lambda_i[t] = (1 - current_decay) lambda_i[t+1] + lambda_v[t]
        dz[t] = lambda_i[t]

    For ``"slayer"`` r = 1. For ``"exodus"`` r[t] = 1 - s[t] - v[t] rho(v[t]), which includes the
    path through the reset.

    Args:
        threshold: firing threshold.
        current_decay: fraction of the synaptic current lost per step, 0 to 1.
        voltage_decay: fraction of the voltage lost per step, 0 to 1.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``SRM``.

    Raises:
        ValueError: a parameter out of its range.
    """

    threshold: float = 1.25
    current_decay: float = 0.25
    voltage_decay: float = 0.03

    native = "cuba"
    states = 2

    def __post_init__(self):
        checks.number(self.threshold, "threshold", open_low=True)
        checks.number(self.current_decay, "current_decay", high=1.0)
        checks.number(self.voltage_decay, "voltage_decay", high=1.0)
        super().__post_init__()

    @property
    def firing_threshold(self) -> float:
        return self.threshold

    @property
    def parameters(self) -> dict[str, float]:
        return {
            "threshold": self.threshold,
            "current_decay": self.current_decay,
            "voltage_decay": self.voltage_decay,
        }

    @property
    def filters(self):
        return (
            ("exponential", 1 - self.current_decay),
            ("exponential", 1 - self.voltage_decay),
        )

    def step(self, state, z):
        current = (1 - self.current_decay) * state[0] + z
        v = (1 - self.voltage_decay) * state[1] + current
        spikes = self.spike(v)
        return (current, self._reset(v, spikes)), spikes, v

    def _reset(self, v, spikes):
        exodus = self.surrogate_gradient.exodus

        @tf.custom_gradient
        def reset(v, spikes):
            def grad(after):
                # SLAYER: the reset changes the value but not the gradient.
                return (after * (1 - spikes), -after * v) if exodus else (after, None)

            # The product v (1 - spikes) would be NaN for an infinite v.
            return tf.where(spikes > 0, tf.zeros_like(v), v), grad

        return reset(v, spikes)
