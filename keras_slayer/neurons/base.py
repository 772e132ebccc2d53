"""The base class of all neuron models."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import reference
from keras_slayer.neurons.kernels import leaks_kernel
from keras_slayer.neurons.surrogate import Surrogate

# Initialisation and scaling ignore a response after this many steps, the length of a usual
# recording.
HORIZON = 300

# A constant input of 1 per step settles at this many thresholds where the threshold is not given.
# A step of Adam, of the same length for every weight, then moves the membrane of every neuron by
# about the same fraction of its threshold, whatever its time constants.
DRIVE = 6.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neuron(abc.ABC):
    """A neuron: its parameters, and one step of it in plain TensorFlow.

    Subclasses are frozen dataclasses. ``native`` is the name of the neuron in the native ops
    (``ops/csrc/neurons/list.h``). Its C++ header reads ``parameters`` by their names.

    Args:
        surrogate_tau, surrogate_scale, surrogate, gradient: ``tau``, ``scale``, ``shape`` and
            ``gradient`` of the ``Surrogate``.
    """

    surrogate_tau: float = Surrogate.tau
    surrogate_scale: float = Surrogate.scale
    surrogate: str = Surrogate.shape
    gradient: str = Surrogate.gradient

    native: ClassVar[str]
    states: ClassVar[int]  # numbers that `step` carries from one step to the next

    def __post_init__(self):
        self.surrogate_gradient  # noqa: B018 - checks its parameters

    @property
    def surrogate_gradient(self) -> Surrogate:
        return Surrogate(self.surrogate_tau, self.surrogate_scale, self.surrogate, self.gradient)

    @property
    @abc.abstractmethod
    def firing_threshold(self) -> float:
        """Threshold on the scale of the float weights."""

    @property
    @abc.abstractmethod
    def parameters(self) -> dict[str, float]:
        """Parameters by the names that the C++ header reads; times are in steps."""

    @abc.abstractmethod
    def step(self, state, z):
        """(state, spikes, membrane potential before reset) from the state before and the input.

        ``state`` is a sequence of ``states`` tensors like ``z``.
        """

    @property
    @abc.abstractmethod
    def filters(self) -> tuple[tuple[str, float | complex], ...]:
        """The linear response, as filters applied one after the other.

        Each is ``("alpha", tau)``, ``("exponential", kept per step)``, ``("oscillator", complex
        pole)`` or ``("shift", steps)``.
        """

    @property
    def kernels(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Taps of the response and the refractory kernel, if they are truncated; else None."""
        return None

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        """Membrane potential after a unit input at step 0 and no spike, shape (steps,)."""
        kernel = leaks_kernel([value for name, value in self.filters if name != "shift"], steps)
        for name, shift in self.filters:
            if name == "shift":
                kernel = np.concatenate([np.zeros(shift), kernel])[:steps]
        return kernel

    def reference(self, z, state=None) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """(spikes, membrane potential, state) of input (batch, time, ...), in plain TensorFlow.

        Starts at rest, or from a state (batch, ``states``, ...), the numbers that ``step`` carries;
        returns that after the last step.
        """

        def step(state, now):
            state, spikes, membrane = self.step(state, now)
            return state, (spikes, membrane)

        wide = reference.widen(z)
        (spikes, membrane), after = reference.through_time(step, wide, self.states, state)
        return tf.cast(spikes, z.dtype), tf.cast(membrane, z.dtype), after

    def spike(self, membrane) -> tf.Tensor:
        """1 where the membrane potential reaches threshold; its derivative is the surrogate."""
        return reference.spike(membrane, self.firing_threshold, self.surrogate_gradient)

    # The ops import this module, so the two convenience methods import the ops when called.

    def fire(self, synaptic_input) -> tuple[tf.Tensor, tf.Tensor]:
        """(spikes, membrane potential) of input (batch, time, ...)."""
        from keras_slayer import ops

        return ops.fire(synaptic_input, self)

    def response(self, synaptic_input) -> tf.Tensor:
        """Membrane potential of a neuron that never fires: only its linear filters."""
        from keras_slayer import ops

        return ops.response(synaptic_input, self)

    def _default_threshold(self) -> float:
        """sum_k h[k] / ``DRIVE`` of the response h, to three digits."""
        return float(f"{self.response_kernel().sum() / DRIVE:.3g}")

    def _set_threshold(self) -> None:
        """Checks ``threshold``, and sets it where it is None."""
        if self.threshold is None:
            threshold = self._default_threshold()
            if threshold == 0:
                raise ValueError(
                    "a neuron whose response is over before its first step has no default "
                    f"threshold: give it one, or a shorter dt. Received: {self!r}"
                )
            object.__setattr__(self, "threshold", threshold)  # the class is frozen
        checks.number(self.threshold, "threshold", open_low=True)

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)
