"""Current-based leaky integrate-and-fire."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import reference
from keras_slayer.neurons.base import Neuron
from keras_slayer.neurons.learned import FACTOR, TIME_CONSTANT
from keras_slayer.neurons.time_constants import (
    DEFAULT_TAU,
    fraction_lost,
    set_time_step,
    time_constant,
)


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class CUBA(Neuron):
    """Current-based leaky integrate-and-fire neuron with hard reset, in floating point.

    ::

        i[t] = (1 - current_decay) i[t-1] + z[t]
        v[t] = (1 - voltage_decay) v[t-1] + i[t]
        s[t] = 1, and v[t] = 0 afterwards, where v[t] >= threshold

    A decay is the fraction lost per step. It can be given itself, or as a time constant::

        current_decay = 1 - exp(-dt / tau_current)
        voltage_decay = 1 - exp(-dt / tau_voltage)

    A neuron keeps its decays and ``dt``. So ``dataclasses.replace`` with another ``dt`` leaves the
    decays as they are. ``time_constants`` reads the time constants back.

    The backward pass, with the surrogate rho at v before the reset::

        lambda_v[t] = rho(v[t]) ds[t] + (1 - voltage_decay) lambda_v[t+1] r[t]
        lambda_i[t] = (1 - current_decay) lambda_i[t+1] + lambda_v[t]
        dz[t] = lambda_i[t]

    For ``"slayer"`` r = 1. For ``"exodus"`` r[t] = 1 - s[t] - v[t] rho(v[t]), which includes the
    path through the reset.

    Args:
        threshold: firing threshold. None: dt / 14 ms, at most a third, times the sum of the
            response over the steps, as for ``SRM``; steps of unknown length count as 1 ms.
        current_decay: fraction of the synaptic current lost per step, 0 to 1.
        voltage_decay: fraction of the voltage lost per step, 0 to 1.
        dt: length of a time step, ms. None: 1.0 where a decay is not given, because it then follows
            from a time constant; where both are given, not known.
        tau_current: time constant of the synaptic current, ms, instead of ``current_decay``;
            ``math.inf`` for no leak. 5.0 where neither is given.
        tau_voltage: time constant of the voltage, ms, instead of ``voltage_decay``, likewise.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``SRM``.

    Raises:
        ValueError: a parameter out of its range, or a time constant and the decay of the same name.
    """

    threshold: float | None = None
    current_decay: float | None = None
    voltage_decay: float | None = None
    _: dataclasses.KW_ONLY
    dt: float | None = None
    tau_current: dataclasses.InitVar[float | None] = None
    tau_voltage: dataclasses.InitVar[float | None] = None

    native = "cuba"
    states = 2
    learnable: ClassVar = {
        "threshold": FACTOR,
        "current_decay": TIME_CONSTANT,
        "voltage_decay": TIME_CONSTANT,
    }

    def __post_init__(self, tau_current, tau_voltage):
        set_time_step(self)
        self._set_decay("current", tau_current)
        self._set_decay("voltage", tau_voltage)
        self._set_threshold()
        super().__post_init__()

    def _set_decay(self, name: str, tau: float | None) -> None:
        """Checks the decay, or sets it from ``tau``, ms, or from the default time constant."""
        decay = getattr(self, f"{name}_decay")
        if decay is not None and tau is not None:
            raise ValueError(
                f"tau_{name} and {name}_decay stand for the same leak: give one of them. "
                f"Received: tau_{name}={tau!r}, {name}_decay={decay!r}"
            )
        if decay is None:
            tau = DEFAULT_TAU if tau is None else tau
            if tau != math.inf:
                checks.number(tau, f"tau_{name}", open_low=True)
            decay = fraction_lost(float(tau), self.dt)
            object.__setattr__(self, f"{name}_decay", decay)  # the class is frozen
        checks.number(decay, f"{name}_decay", high=1.0)

    @property
    def time_constants(self) -> tuple[float, float] | None:
        """Those of current and voltage, ms; None where ``dt`` is not known."""
        if self.dt is None:
            return None
        return tuple(time_constant(d, self.dt) for d in (self.current_decay, self.voltage_decay))

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
        current = reference.number(1 - self.current_decay, z) * state[0] + z
        v = reference.number(1 - self.voltage_decay, z) * state[1] + current
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
