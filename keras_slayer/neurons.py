"""Neuron models: frozen parameter objects that layers take by name or as instances.

========================  ==========================================================
``"srm"``, ``SRM``        spike response model, SLAYER's own neuron
``"cuba"``, ``CUBA``      current-based leaky integrate-and-fire, floating point
``"loihi"``, ``LoihiCUBA``  the same in the chip's integer arithmetic, bit for bit
========================  ==========================================================

A neuron turns synaptic input into spikes (``fire``), into its linear response
without spikes (``response``), and describes that response (``response_kernel``).
"""

from __future__ import annotations

import abc
import dataclasses
import math

import keras
import numpy as np

from keras_slayer import checks, ops
from keras_slayer.ops.cuba import cuba_spec, loihi_cuba_spec
from keras_slayer.ops.neuron_spec import NeuronSpec
from keras_slayer.ops.srm import srm_spec

# Past this many steps a response counts for nothing in initialisation and
# scaling: the length of a usual recording.
HORIZON = 300


class Neuron(abc.ABC):
    """What every neuron model offers. Subclasses are frozen dataclasses."""

    @property
    @abc.abstractmethod
    def firing_threshold(self) -> float:
        """Threshold on the scale of the float weights."""

    @property
    @abc.abstractmethod
    def spec(self) -> NeuronSpec | None:
        """The neuron as the ops of whole layers take it; None for kernels that are cut off."""

    @abc.abstractmethod
    def fire(self, synaptic_input):
        """(spikes, membrane potential) of input (batch, time, ...)."""

    @abc.abstractmethod
    def response(self, synaptic_input):
        """Membrane potential of a neuron that never fires: the linear filter alone."""

    @abc.abstractmethod
    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        """Membrane potential after a unit input at step 0, shape (steps,)."""

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)

    def _check_surrogate(self) -> None:
        checks.number(self.surrogate_tau, "surrogate_tau", open_low=True)
        checks.number(self.surrogate_scale, "surrogate_scale")
        checks.surrogate(self.surrogate)
        checks.gradient(self.gradient)

    @property
    def _surrogate(self) -> dict:
        return {
            "surrogate_tau": self.surrogate_tau,
            "surrogate_scale": self.surrogate_scale,
            "surrogate": self.surrogate,
            "gradient": self.gradient,
        }


def _cascade_kernel(keep_current: float, keep_voltage: float, steps: int) -> np.ndarray:
    """Impulse response of two leaky integrators in a row."""
    kernel, current, voltage = np.empty(steps), 1.0, 0.0
    for k in range(steps):
        voltage = keep_voltage * voltage + current
        kernel[k] = voltage
        current *= keep_current
    return kernel


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

    Args:
        threshold: firing threshold.
        tau_response: time constant of the spike response, ms.
        tau_refractory: time constant of the refractory response, ms.
        refractory_scale: depth of the refractory response, in thresholds.
        dt: length of a time step, ms.
        kernel_cutoff: None for kernels without truncation; 0.01 truncates as
            the original code does (``keras_slayer.ops.srm``).
        surrogate_tau: width of the surrogate, in thresholds.
        surrogate_scale: factor of the surrogate gradient.
        surrogate: shape of rho. ``"exponential"`` as above, or ``"triangle"``:
            surrogate_scale / (surrogate_tau threshold)
            max(0, 1 - |u - threshold| / (2 surrogate_tau threshold)), of the same
            peak and area. Zero away from threshold, it lets the gradient of a
            convolution's input run over the neurons and steps near threshold
            alone: faster training, and (like any other surrogate) another
            gradient.
        gradient: ``"slayer"`` or ``"exodus"``. The exact gradient of exodus grows
            along trains of spikes where the surrogate is steep: with it, use
            ``surrogate_scale`` 0.25 or less, or ``surrogate_tau`` 1.

    Raises:
        ValueError: a parameter out of its range.
    """

    threshold: float = 10.0
    tau_response: float = 10.0
    tau_refractory: float = 1.0
    refractory_scale: float = 2.0
    dt: float = 1.0
    kernel_cutoff: float | None = None
    surrogate_tau: float = 0.3
    surrogate_scale: float = 1.0
    surrogate: str = "exponential"
    gradient: str = "slayer"

    def __post_init__(self):
        for name in ("threshold", "tau_response", "tau_refractory", "dt"):
            checks.number(getattr(self, name), name, open_low=True)
        checks.number(self.refractory_scale, "refractory_scale")
        if self.kernel_cutoff is not None:
            checks.number(self.kernel_cutoff, "kernel_cutoff", open_low=True, high=1.0)
        self._check_surrogate()

    @property
    def firing_threshold(self) -> float:
        return self.threshold

    @property
    def _options(self) -> dict:
        return {
            "threshold": self.threshold,
            "tau_response": self.tau_response / self.dt,
            "tau_refractory": self.tau_refractory / self.dt,
            "refractory_scale": self.refractory_scale,
            **self._surrogate,
        }

    @property
    def spec(self) -> NeuronSpec | None:
        return srm_spec(**self._options) if self.kernel_cutoff is None else None

    def fire(self, synaptic_input):
        return ops.srm(synaptic_input, kernel_cutoff=self.kernel_cutoff, **self._options)

    def response(self, synaptic_input):
        tau = self.tau_response / self.dt
        if self.kernel_cutoff is None:
            return ops.alpha_filter(synaptic_input, tau)
        return ops.temporal_filter(synaptic_input, ops.alpha_kernel(tau, cutoff=self.kernel_cutoff))

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        tau = self.tau_response / self.dt
        kernel = ops.alpha_kernel(tau, steps=steps)
        if self.kernel_cutoff is not None:
            kernel[len(ops.alpha_kernel(tau, cutoff=self.kernel_cutoff)) :] = 0.0
        return kernel


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class CUBA(Neuron):
    """Current-based leaky integrate-and-fire neuron with hard reset, in floating point.

    ::

        i[t] = (1 - current_decay) i[t-1] + z[t]
        v[t] = (1 - voltage_decay) v[t-1] + i[t]
        s[t] = 1, and v[t] = 0 afterwards, where v[t] >= threshold

    Args:
        threshold: firing threshold.
        current_decay: fraction of the synaptic current lost per step, 0 to 1.
        voltage_decay: fraction of the voltage lost per step, 0 to 1.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``SRM``; ``"exodus"``
            adds the gradient through the reset.
    """

    threshold: float = 1.25
    current_decay: float = 0.25
    voltage_decay: float = 0.03
    surrogate_tau: float = 0.3
    surrogate_scale: float = 1.0
    surrogate: str = "exponential"
    gradient: str = "slayer"

    def __post_init__(self):
        checks.number(self.threshold, "threshold", open_low=True)
        checks.number(self.current_decay, "current_decay", high=1.0)
        checks.number(self.voltage_decay, "voltage_decay", high=1.0)
        self._check_surrogate()

    @property
    def firing_threshold(self) -> float:
        return self.threshold

    @property
    def _options(self) -> dict:
        return {
            "threshold": self.threshold,
            "current_decay": self.current_decay,
            "voltage_decay": self.voltage_decay,
            **self._surrogate,
        }

    @property
    def spec(self) -> NeuronSpec:
        return cuba_spec(**self._options)

    def fire(self, synaptic_input):
        return ops.cuba(synaptic_input, **self._options)

    def response(self, synaptic_input):
        current = ops.exponential_filter(synaptic_input, 1 - self.current_decay)
        return ops.exponential_filter(current, 1 - self.voltage_decay)

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        return _cascade_kernel(1 - self.current_decay, 1 - self.voltage_decay, steps)


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class LoihiCUBA(Neuron):
    """The CUBA neuron exactly as Loihi computes it, in integers (``ops.loihi_cuba``).

    Layers with this neuron round their weights to the chip's (straight-through
    in training), so that the network trains on what the chip will run. A spike
    takes one step from layer to layer. Weights act in float32 even under mixed
    precision, which the 16-bit types could not hold exactly.

    Args:
        threshold_mantissa: chip integer, 1 to 131071; the float threshold times 64.
        current_decay, voltage_decay: chip integers, 0 to 4096; the fraction
            lost per step times 4096. A time constant of tau steps is
            4096 (1 - exp(-1 / tau)).
        weight_bits: 1 to 8, sign included in the range -256 .. 254: weights are
            integers in steps of 2^(9 - weight_bits), over 64.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``CUBA``.
    """

    threshold_mantissa: int = 80
    current_decay: int = 1024
    voltage_decay: int = 128
    weight_bits: int = 8
    surrogate_tau: float = 0.3
    surrogate_scale: float = 1.0
    surrogate: str = "exponential"
    gradient: str = "slayer"

    def __post_init__(self):
        limits = {
            "threshold_mantissa": (1, 131071),
            "current_decay": (0, 4096),
            "voltage_decay": (0, 4096),
            "weight_bits": (1, 8),
        }
        for name, (low, high) in limits.items():
            checks.integer(getattr(self, name), name, low=low, high=high)
        self._check_surrogate()

    @property
    def firing_threshold(self) -> float:
        return self.threshold_mantissa / 64

    @property
    def _options(self) -> dict:
        return {
            "threshold_mantissa": self.threshold_mantissa,
            "current_decay": self.current_decay,
            "voltage_decay": self.voltage_decay,
            **self._surrogate,
        }

    @property
    def spec(self) -> NeuronSpec:
        return loihi_cuba_spec(**self._options)

    def fire(self, synaptic_input):
        return ops.loihi_cuba(synaptic_input, **self._options)

    def response(self, synaptic_input):
        """The linear filter in floating point, the step from layer to layer included."""
        current = ops.exponential_filter(synaptic_input, 1 - self.current_decay / 4096)
        voltage = ops.exponential_filter(current, 1 - self.voltage_decay / 4096)
        return ops.temporal_filter(voltage, [0.0, 1.0])

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        kernel = _cascade_kernel(
            1 - self.current_decay / 4096, 1 - self.voltage_decay / 4096, steps
        )
        return np.concatenate([[0.0], kernel[:-1]])


def decay_from_tau(tau: float, dt: float = 1.0) -> int:
    """Loihi decay of a time constant: round(4096 (1 - exp(-dt / tau))), both in ms."""
    checks.number(tau, "tau", open_low=True)
    checks.number(dt, "dt", open_low=True)
    return round(4096 * (1 - math.exp(-dt / tau)))


_BY_NAME = {"srm": SRM, "cuba": CUBA, "loihi": LoihiCUBA}


def get(identifier, argument: str = "neuron") -> Neuron:
    """A neuron from its name, its instance or its serialised config.

    Args:
        identifier: any of these.
        argument: what the caller's argument is called, for the error.

    Raises:
        ValueError: anything else.
    """
    if isinstance(identifier, Neuron):
        return identifier
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]()
    if isinstance(identifier, dict):
        neuron = keras.saving.deserialize_keras_object(identifier)
        if isinstance(neuron, Neuron):
            return neuron
    raise ValueError(
        f"{argument} must be one of {', '.join(map(repr, _BY_NAME))}, or an instance of SRM, "
        f"CUBA or LoihiCUBA. Received: {argument}={identifier!r}"
    )
