"""Current-based leaky integrate-and-fire with the resets of other tools."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import reference
from keras_slayer.neurons.base import Neuron

RESETS = ("subtract", "late")


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class ResetCUBA(Neuron):
    """``CUBA`` with another reset, for networks that come from other tools.

    ::

        i[t] = (1 - current_decay) i[t-1] + z[t]
        v[t] = (1 - voltage_decay) v[t-1] + i[t] - threshold s[t-1]          "subtract"
        v[t] = (1 - s[t-1]) ((1 - voltage_decay) v[t-1] + i[t])              "late"
        s[t] = 1 where v[t] >= threshold, else 0

    "subtract" is the reset of snnTorch's neurons by default. "late" is its reset to zero where that
    comes a step after the spike, and takes the input of that step away with the voltage (RLeaky,
    Synaptic and RSynaptic with ``reset_mechanism="zero"`` and ``reset_delay=True``).

    It has no native op: it runs step by step in TensorFlow, slower than ``CUBA``. ``from_nir`` uses
    it where no native neuron does the same.

    Args:
        threshold: firing threshold.
        current_decay: fraction of the synaptic current lost per step, 0 to 1.
        voltage_decay: fraction of the voltage lost per step, 0 to 1.
        reset: "subtract" or "late".
        dt: length of a time step, ms; None: not known.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``SRM``.

    Raises:
        ValueError: a parameter out of its range.
    """

    threshold: float = 1.0
    current_decay: float = 1.0
    voltage_decay: float = 0.1
    reset: str = "subtract"
    dt: float | None = None

    states = 3

    def __post_init__(self):
        checks.number(self.threshold, "threshold", open_low=True)
        for name in ("current_decay", "voltage_decay"):
            checks.number(getattr(self, name), name, high=1.0)
        if self.dt is not None:
            checks.number(self.dt, "dt", open_low=True)
        if self.reset not in RESETS:
            raise ValueError(f"reset must be one of {RESETS}. Received: reset={self.reset!r}")
        super().__post_init__()

    @property
    def filters(self):
        return (
            ("exponential", 1 - self.current_decay),
            ("exponential", 1 - self.voltage_decay),
        )

    def step(self, state, z):
        current, v, spiked = state
        current = reference.number(1 - self.current_decay, z) * current + z
        v = reference.number(1 - self.voltage_decay, z) * v + current
        if self.reset == "subtract":
            v = v - reference.number(self.threshold, z) * spiked
        else:
            v = tf.where(spiked > 0, tf.zeros_like(v), v)
        spikes = self.spike(v)
        return (current, v, spikes), spikes, v
