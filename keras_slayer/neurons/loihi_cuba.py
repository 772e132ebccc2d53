"""The CUBA neuron in Loihi's integer arithmetic."""

from __future__ import annotations

import copy
import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.loihi import (
    DECAY_BITS,
    DECAY_UNIT,
    MAX_THRESHOLD,
    STATE_RANGE,
    STATE_SHIFT,
    WEIGHT_BITS,
    WEIGHT_SCALE,
)
from keras_slayer.neurons import learned, reference
from keras_slayer.neurons.base import Neuron
from keras_slayer.neurons.loihi_gradient import straight_through
from keras_slayer.neurons.time_constants import (
    DEFAULT_DT,
    DEFAULT_TAU,
    fraction_lost,
    set_time_step,
    time_constant,
)

LEAST_MANTISSA = 64
"""Of a threshold that is not given: the weights' steps of 2 are then small beside it."""
COARSE = {5: 2, 4: 4, 3: 4, 2: 4, 1: 4}
"""Factors of that threshold by bits of the weights, whose steps are larger. Four times the
threshold, and no more, is still in reach of few inputs with weights of at most 4."""
LONGEST_TAU = 2 * DECAY_UNIT - 1
"""Steps. The decays of longer time constants round to 0."""


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class LoihiCUBA(Neuron):
    """The CUBA neuron in Loihi's integer arithmetic, equal to the chip to the bit.

    With rsz(x, b) = sign(x) (|x| >> b) and z in units of 1 / 64 (rounded)::

        u[t] = rsz(u[t-1] (4096 - current_decay), 12) + (z[t-1] << 6)
               wrapped once to 24 bits
        v[t] = rsz(v[t-1] (4096 - voltage_decay), 12) + u[t] + (bias << 6)
               clipped to +-(2^23 - 1)
        s[t] = 1 and v[t] = 0 afterwards, where v[t] > threshold_mantissa << 6

    The input is z[t-1] because a spike takes one step from layer to layer. So step t
    here is step t of the chip. The membrane potential is v on the scale of the float
    weights, integer / 4096. Gradients are those of ``CUBA`` with decays / 4096;
    rounding is ignored (straight-through).

    The bias is that of a layer with ``use_bias=True``, an integer for each unit or filter; other
    neurons have none. It moves the voltage itself, from the first step on, whereas an input moves
    the current a step later.

    Layers with this neuron round their weights to those of the chip (straight-through
    in training), so that the network trains with the weights that the chip will use.
    Weights are used in float32 even under mixed precision, because the 16-bit types
    cannot represent them exactly.

    Args:
        threshold_mantissa: chip integer, 1 to 131071; the float threshold times 64. None:
            that of the default threshold of ``CUBA``, at least 64; twice that with weights of 5
            bits, four times with fewer.
        current_decay, voltage_decay: chip integers, 0 to 4096; the fraction
            lost per step times 4096. None: those of 5 ms, so larger with a longer
            ``dt``. ``from_tau`` takes time constants in ms.
        weight_bits: 1 to 8, sign included in the range -256 .. 254: weights are
            integers in steps of 2^(9 - weight_bits), over 64.
        dt: length of a time step, ms. None: 1.0 where a decay is not given, because the
            default follows from ms; where both are given, not known.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``CUBA``.

    Raises:
        ValueError: a parameter out of the chip's range, or a ``dt`` so short that a default
            decay rounds to 0.
        tf.errors.InvalidArgumentError: when called, an input that is not finite.
    """

    threshold_mantissa: int | None = None
    current_decay: int | None = None
    voltage_decay: int | None = None
    weight_bits: int = 8
    _: dataclasses.KW_ONLY
    dt: float | None = None

    native = "loihi_cuba"
    states = 3
    learnable: ClassVar = {
        "threshold_mantissa": learned.FACTOR,
        "current_decay": learned.TIME_CONSTANT,
        "voltage_decay": learned.TIME_CONSTANT,
    }
    # A float64 tensor (channels,) of the chip's integers, where a layer has one (`with_tensors`).
    bias: ClassVar[tf.Tensor | None] = None

    @classmethod
    def from_tau(
        cls, tau_current: float, tau_voltage: float, dt: float = DEFAULT_DT, **parameters
    ) -> LoihiCUBA:
        """The neuron whose decays are nearest to time constants: 4096 (1 - exp(-dt / tau)).

        Args:
            tau_current: time constant of the synaptic current, ms.
            tau_voltage: time constant of the voltage, ms.
            dt: length of a time step, ms.
            **parameters: the others, by name.

        Raises:
            ValueError: a parameter out of its range; a time constant of more than 8191 steps, whose
                decay rounds to 0.
        """
        return cls(
            current_decay=_nearest_decay("current", tau_current, dt),
            voltage_decay=_nearest_decay("voltage", tau_voltage, dt),
            dt=dt,
            **parameters,
        )

    def __post_init__(self):
        dt = set_time_step(self)
        for name in ("current", "voltage"):
            if getattr(self, f"{name}_decay") is None:
                decay = _nearest_decay(name, DEFAULT_TAU, dt)
                object.__setattr__(self, f"{name}_decay", decay)  # the class is frozen
            checks.integer(getattr(self, f"{name}_decay"), f"{name}_decay", low=0, high=DECAY_UNIT)
        checks.integer(self.weight_bits, "weight_bits", low=1, high=WEIGHT_BITS)
        if self.threshold_mantissa is None:
            mantissa = round(WEIGHT_SCALE * self._default_threshold())
            mantissa = max(mantissa, LEAST_MANTISSA) * COARSE.get(self.weight_bits, 1)
            mantissa = min(mantissa, MAX_THRESHOLD)
            object.__setattr__(self, "threshold_mantissa", mantissa)
        checks.integer(self.threshold_mantissa, "threshold_mantissa", low=1, high=MAX_THRESHOLD)
        super().__post_init__()

    @property
    def time_constants(self) -> tuple[float, float] | None:
        """Those of current and voltage, ms, as rounded; None where ``dt`` is not known."""
        if self.dt is None:
            return None
        lost = (decay / DECAY_UNIT for decay in (self.current_decay, self.voltage_decay))
        return tuple(time_constant(fraction, self.dt) for fraction in lost)

    @property
    def firing_threshold(self) -> float:
        return self.threshold_mantissa / WEIGHT_SCALE

    def unit_of(self, name: str) -> float:
        return 1.0 if name == "threshold_mantissa" else float(DECAY_UNIT)

    def changed(self, name: str, w) -> tf.Tensor:
        """As the chip's integer, straight-through."""
        limits = (1, MAX_THRESHOLD) if name == "threshold_mantissa" else (0, DECAY_UNIT)
        return learned.rounded(super().changed(name, w), *limits)

    @property
    def parameters(self) -> dict[str, float]:
        bias = {} if self.bias is None else {"bias": self.bias}
        return {
            "threshold_mantissa": self.threshold_mantissa,
            "current_decay": self.current_decay,
            "voltage_decay": self.voltage_decay,
            **bias,
        }

    def without_bias(self) -> LoihiCUBA:
        if self.bias is None:
            return self
        other = copy.copy(self)
        for name in ("bias", "native_params"):
            object.__setattr__(other, name, None)  # the class is frozen
        tensors = {name: x for name, x in other.parameters.items() if tf.is_tensor(x)}
        return other.with_tensors(tensors) if tensors else other

    @property
    def filters(self):
        return (
            ("exponential", 1 - self.current_decay / DECAY_UNIT),
            ("exponential", 1 - self.voltage_decay / DECAY_UNIT),
            ("shift", 1),
        )

    def step(self, state, z):
        """One step in int64: z in units of 1 / 64, current and voltage as on the chip."""
        u, v, arriving = state
        limit, span = STATE_RANGE - 1, 2 * STATE_RANGE
        threshold, lost_u, lost_v, *bias = (_integer(value) for value in self.parameters.values())
        u = _decayed(u, DECAY_UNIT - lost_u) + arriving * (1 << STATE_SHIFT)
        u = tf.where(u > STATE_RANGE, u - span, tf.where(u <= -STATE_RANGE, u + span, u))
        v = _decayed(v, DECAY_UNIT - lost_v) + u
        if bias:
            v = v + bias[0] * (1 << STATE_SHIFT)
        v = tf.clip_by_value(v, -limit, limit)
        spikes = tf.cast(v > threshold * (1 << STATE_SHIFT), tf.int64)
        return (u, v * (1 - spikes), z), spikes, v

    def reference(self, z, state=None):
        # The chip's numbers, but for the input that arrives: in units of the current, as in the op.
        units_of = tf.reshape(
            tf.constant([1, 1, 1 << STATE_SHIFT], tf.int64), [3, *[1] * (z.shape.rank - 2)]
        )
        start = None if state is None else tf.cast(state, tf.int64) // units_of

        named = [name for name, value in self.parameters.items() if tf.is_tensor(value)]

        @tf.custom_gradient
        def fire(z, *_):
            wide = reference.widen(z)
            tf.debugging.assert_all_finite(
                wide, "the synaptic input of a Loihi neuron must be finite"
            )
            units = tf.cast(tf.round(tf.cast(wide, tf.float64) * WEIGHT_SCALE), tf.int64)
            spikes, v, after = super(LoihiCUBA, self).reference(units, start)
            kept = [] if after is None else [tf.cast(after * units_of, tf.float64)]
            v = tf.cast(tf.cast(v, tf.float64) / (WEIGHT_SCALE << STATE_SHIFT), z.dtype)

            def grad(grad_spikes, *_):
                wide = reference.widen(v)
                dz, more = straight_through(self, reference.widen(grad_spikes), wide, state)
                return tf.cast(dz, z.dtype), *(more[name] for name in named)

            return (tf.cast(spikes, z.dtype), v, *kept), grad

        spikes, v, *after = fire(z, *(getattr(self, name) for name in named))
        return spikes, v, after[0] if after else None


def _integer(parameter):
    return tf.cast(parameter, tf.int64) if tf.is_tensor(parameter) else parameter


def _decayed(x, keep: int):
    """rsz(x * keep, 12): rounds toward zero, as the chip does."""
    return tf.sign(x) * tf.bitwise.right_shift(tf.abs(x * keep), tf.constant(DECAY_BITS, tf.int64))


def decay_from_tau(tau: float, dt: float = 1.0) -> int:
    """Loihi decay of a time constant: round(4096 (1 - exp(-dt / tau))), both in ms."""
    checks.number(tau, "tau", open_low=True)
    checks.number(dt, "dt", open_low=True)
    return round(DECAY_UNIT * fraction_lost(tau, dt))


def _nearest_decay(name: str, tau: float, dt: float) -> int:
    """``decay_from_tau`` of the time constant ``tau_NAME``, which the chip has to hold."""
    checks.number(tau, f"tau_{name}", open_low=True)
    decay = decay_from_tau(tau, dt)
    if decay == 0:
        raise ValueError(
            f"tau_{name} must be at most {LONGEST_TAU} steps of dt, {LONGEST_TAU * dt:g} ms: with "
            f"the chip's 12 bits, the decay of a longer one rounds to 0. For no leak, give "
            f"{name}_decay=0. Received: tau_{name}={tau!r}, dt={dt!r}"
        )
    return decay
