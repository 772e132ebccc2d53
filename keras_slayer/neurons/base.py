"""The base class of all neuron models."""

from __future__ import annotations

import abc
import copy
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import learned, own, reference
from keras_slayer.neurons.kernels import leaks_kernel
from keras_slayer.neurons.surrogate import Surrogate

# Initialisation and scaling ignore a response after this many steps, the length of a usual
# recording.
HORIZON = 300

# An input of one spike per millisecond with a weight of 1 settles at this many thresholds where the
# threshold is not given. A step of Adam, of the same length for every weight, then moves the
# membrane of every neuron by about the same fraction of its threshold, whatever its time constants
# and the length of a time step.
DRIVE = 14.0
# One spike per step settles at this many or more: no input has more spikes, however long the step.
STEP_DRIVE = 3.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neuron(abc.ABC):
    """A neuron: its parameters, and one step of it in plain TensorFlow.

    Subclasses are frozen dataclasses. Those of the package have ``native``, the name of the neuron
    in the native ops (``ops/csrc/neurons/list.h``), whose C++ header reads ``parameters`` by their
    names.

    A neuron of your own needs ``step``, ``states`` and a field ``threshold`` (or the property
    ``firing_threshold``), and nothing else. It works in every layer. Its steps run one after the
    other as TensorFlow ops, slower than a native neuron::

        @keras.saving.register_keras_serializable(package="mine")
        @dataclasses.dataclass(frozen=True)
        class Leaky(ks.neurons.Neuron):
            threshold: float = 1.0
            keep: float = 0.9
            states = 1

            def step(self, state, z):
                v = self.keep * state[0] + z
                spikes = self.spike(v)
                return (v - self.threshold * spikes,), spikes, v

    Its gradient is TensorFlow's through ``step``, with the surrogate for the derivative of
    ``spike``. For ``"slayer"`` the spikes are constants within ``step``: they have no gradient to
    later steps of their neuron. For ``"exodus"`` they have. Where ``filters`` is not defined, the
    response is what ``step`` gives for an input of 1 at step 0 if ``spike`` gives no spikes. A
    ``threshold`` of None follows from it, as for ``SRM``.

    Args:
        surrogate_tau, surrogate_scale, surrogate, gradient: ``tau``, ``scale``, ``shape`` and
            ``gradient`` of the ``Surrogate``.
    """

    surrogate_tau: float = Surrogate.tau
    surrogate_scale: float = Surrogate.scale
    surrogate: str = Surrogate.shape
    gradient: str = Surrogate.gradient

    native: ClassVar[str | None] = None
    states: ClassVar[int]  # numbers that `step` carries from one step to the next
    # Parameters that layers can learn: `learned.FACTOR` or `learned.TIME_CONSTANT` for each.
    learnable: ClassVar[Mapping[str, str]] = {}
    # Of the native ops, float64 (names,) or (names, channels), where some are tensors.
    native_params: ClassVar[tf.Tensor | None] = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls) and cls.native is not None and "native" not in vars(cls):
            raise TypeError(
                f"{cls.__name__} changes the step of {cls.__base__.__name__}, which runs as a "
                "native op and is exported as what it is: make it a subclass of "
                f"keras_slayer.neurons.Neuron. Received: class {cls.__name__}"
            )

    def __post_init__(self):
        self.surrogate_gradient  # noqa: B018 - checks its parameters
        if self.native is None:
            if getattr(self, "threshold", 1.0) is None:
                self._set_threshold()
            own.check(self)

    @property
    def surrogate_gradient(self) -> Surrogate:
        return Surrogate(self.surrogate_tau, self.surrogate_scale, self.surrogate, self.gradient)

    @property
    def firing_threshold(self) -> float:
        """Threshold on the scale of the float weights."""
        if not hasattr(self, "threshold"):
            raise TypeError(
                f"{type(self).__name__} must have a field `threshold`, or define the property "
                "`firing_threshold`"
            )
        return self.threshold

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters by the names that the C++ header reads; times are in steps."""
        return {}

    @abc.abstractmethod
    def step(self, state, z):
        """(state, spikes, membrane potential before reset) from the state before and the input.

        ``state`` is a sequence of ``states`` tensors like ``z``, which is one step (batch, ...) of
        the input. All are 0 at rest. The spikes are those of ``spike``.
        """

    @property
    def filters(self) -> tuple[tuple[str, float | complex], ...] | None:
        """The linear response, as filters applied one after the other; None: what ``step`` gives.

        Each is ``("alpha", tau)``, ``("exponential", kept per step)``, ``("oscillator", complex
        pole)`` or ``("shift", steps)``.
        """
        return None

    @property
    def kernels(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Taps of the response and the refractory kernel, if they are truncated; else None."""
        return None

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        """Membrane potential after a unit input at step 0 and no spike, shape (steps,)."""
        if self.filters is None:
            longer = own.measured_response(self, steps) if steps > HORIZON else self._measured
            return longer[:steps].copy()
        kernel = leaks_kernel([value for name, value in self.filters if name != "shift"], steps)
        for name, shift in self.filters:
            if name == "shift":
                kernel = np.concatenate([np.zeros(shift), kernel])[:steps]
        return kernel

    @functools.cached_property
    def _measured(self) -> np.ndarray:
        return own.measured_response(self, HORIZON)

    def differentiable_step(self) -> Callable:
        """``step`` for a loop over time: with the gradient that ``gradient`` asks for."""
        return own.step_of(self) if self.native is None else self.step

    def reference(self, z, state=None) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """(spikes, membrane potential, state) of input (batch, time, ...), in plain TensorFlow.

        Starts at rest, or from a state (batch, ``states``, ...), the numbers that ``step`` carries;
        returns that after the last step.
        """

        advance = self.differentiable_step()

        def step(state, now):
            state, spikes, membrane = advance(state, now)
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

    def unit_of(self, name: str) -> float:
        """What a parameter is a multiple of."""
        return 1.0

    def changed(self, name: str, w) -> tf.Tensor:
        """The parameter ``name``, float64, changed by a weight ``w`` of a layer (``Learned``)."""
        unit = self.unit_of(name)
        return unit * learned.changed(getattr(self, name) / unit, self.learnable[name], w)

    def with_tensors(self, values: Mapping[str, tf.Tensor]) -> Neuron:
        """The same neuron with float64 tensors in place of parameters: () or (channels,)."""
        bound = copy.copy(self)
        for name, value in values.items():
            object.__setattr__(bound, name, value)  # the class is frozen
        if self.native is None:
            return bound
        named = bound.native_parameters()
        named = [tf.convert_to_tensor(value, tf.float64) for value in named.values()]
        channels = max((value.shape for value in named), key=len)
        params = tf.stack([tf.broadcast_to(value, channels) for value in named])
        object.__setattr__(bound, "native_params", params)
        return bound

    def without_bias(self) -> Neuron:
        """The same neuron without a constant input, which does not change how the gradient of its
        spikes goes to its input."""
        return self

    def native_parameters(self) -> dict:
        """The parameters of neuron and surrogate by the names that the native ops read."""
        surrogate = self.surrogate_gradient.parameters(self.firing_threshold)
        return {**self.parameters, **surrogate}

    def _default_threshold(self) -> float:
        """sum_k h[k] min(dt / ``DRIVE``, 1 / ``STEP_DRIVE``) of the response h, to three digits;
        dt in ms."""
        return self._threshold_of(float(self.response_kernel().sum()))

    def _threshold_of(self, response: float) -> float:
        # Steps of unknown length count as 1 ms.
        dt = getattr(self, "dt", None) or 1.0
        return float(f"{response * min(dt / DRIVE, 1 / STEP_DRIVE):.3g}")

    def _set_threshold(self) -> None:
        """Checks ``threshold``, and sets it where it is None."""
        if self.threshold is None:
            threshold = self._default_threshold()
            if threshold <= 0:
                raise ValueError(
                    "a neuron whose response is over before its first step, or adds up to less "
                    "than 0, has no default threshold: give it one, or a shorter dt. "
                    f"Received: {self!r}"
                )
            object.__setattr__(self, "threshold", threshold)  # the class is frozen
        checks.number(self.threshold, "threshold", open_low=True)

    def get_config(self) -> dict:
        return own.config_of(self) if self.native is None else dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict):
        return cls(**(own.fields_of(cls, config) if cls.native is None else config))
