"""The leaky integrate-and-fire neuron of Xylo, in its integer arithmetic."""

from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import checks
from keras_slayer.export.xylo.chip import (
    HIDDEN_SPIKES,
    MAX_DASH,
    OUTPUT_SPIKES,
    STATE_MAX,
    STATE_MIN,
    WEIGHT_SCALE,
)
from keras_slayer.neurons import HORIZON, Neuron
from keras_slayer.neurons.kernels import leaks_kernel
from keras_slayer.neurons.time_constants import DEFAULT_DT, fraction_lost, time_constant


@keras.saving.register_keras_serializable(package="keras_slayer")
@dataclasses.dataclass(frozen=True)
class XyloLIF(Neuron):
    """The neuron of SynSense Xylo, equal to the chip to the bit.

    With z in units of 1 / 64 (rounded), and lost(x, dash) = x >> dash, at least 1 where x > 0::

        i[t] = i[t-1] + z[t] - lost(i[t-1] + z[t], dash_syn)
        v[t] = v[t-1] + (i[t] - lost(v[t-1], dash_mem))
        s[t] = min(floor(v[t] / threshold), max_spikes), where v[t] > 0
        v[t] = v[t] - s[t] threshold afterwards

    i, v and what is added to v saturate at 16 bits. A hidden neuron of the chip gives up to 31
    spikes in a step, an output neuron one. The chip saturates i after each of its inputs, this
    neuron after all of them: the two differ where the inputs of one step exceed 16 bits on the way
    to a sum that does not.

    The membrane potential is v on the scale of the float weights, integer / 64. The gradient goes
    through the decays as factors 1 - 2^-dash; rounding is ignored (straight-through). The surrogate
    of a spike is that of the nearest multiple of the threshold.

    Layers that round their weights to the chip's are ``XyloDense`` and ``XyloRecurrentDense``.

    Args:
        threshold: chip integer, 1 to 32767; the float threshold times 64. None: dt / 14 ms, at
            most a third, times the sum of the response, as for ``CUBA``, at most 32767.
        dash_syn, dash_mem: bit shifts, 1 to 15, of current and membrane: the fraction lost per step
            is 2^-dash. ``from_tau`` takes time constants in ms. Default: those nearest to 5 ms in
            steps of 1 ms.
        max_spikes: 31 for hidden neurons, 1 for those of the last layer.
        dt: length of a time step, ms, or None where it is not known.
        surrogate_tau, surrogate_scale, surrogate, gradient: as for ``CUBA``.

    Raises:
        ValueError: a parameter out of the chip's range.

    Example:

    >>> keras_slayer.export.XyloLIF.from_tau(4.0, 16.0, max_spikes=1)
    """

    threshold: int | None = None
    dash_syn: int = 2
    dash_mem: int = 2
    max_spikes: int = HIDDEN_SPIKES
    dt: float | None = dataclasses.field(default=None, kw_only=True)

    states = 2

    @classmethod
    def from_tau(
        cls, tau_syn: float, tau_mem: float, dt: float = DEFAULT_DT, **parameters
    ) -> XyloLIF:
        """The neuron whose bit shifts are nearest to time constants: 2^-dash = 1 - exp(-dt / tau).

        Args:
            tau_syn, tau_mem: time constants of current and membrane, ms.
            dt: length of a time step, ms.
            **parameters: the others, by name.

        Raises:
            ValueError: a parameter out of its range; a time constant whose bit shift is above 15.
        """
        shifts = {
            f"dash_{name}": nearest_dash(tau, f"tau_{name}", dt)
            for name, tau in (("syn", tau_syn), ("mem", tau_mem))
        }
        return cls(**shifts, dt=dt, **parameters)

    def __post_init__(self):
        for name in ("dash_syn", "dash_mem"):
            checks.integer(getattr(self, name), name, low=1, high=MAX_DASH)
        if self.threshold is None:
            threshold = round(WEIGHT_SCALE * self._default_threshold())
            object.__setattr__(self, "threshold", min(threshold, STATE_MAX))  # the class is frozen
        checks.integer(self.threshold, "threshold", low=1, high=STATE_MAX)
        if self.max_spikes not in (HIDDEN_SPIKES, OUTPUT_SPIKES):
            raise ValueError(
                f"max_spikes must be {HIDDEN_SPIKES}, as for hidden neurons of the chip, or "
                f"{OUTPUT_SPIKES}, as for its output neurons. "
                f"Received: max_spikes={self.max_spikes!r}"
            )
        if self.dt is not None:
            checks.number(self.dt, "dt", open_low=True)
        super().__post_init__()

    @property
    def firing_threshold(self) -> float:
        return self.threshold / WEIGHT_SCALE

    @property
    def time_constants(self) -> tuple[float, float] | None:
        """Those of current and membrane, ms; None where ``dt`` is not known."""
        if self.dt is None:
            return None
        return tuple(time_constant(2.0**-dash, self.dt) for dash in (self.dash_syn, self.dash_mem))

    def response_kernel(self, steps: int = HORIZON) -> np.ndarray:
        """That of the decays as factors. A step of the integers would decay faster near 0."""
        kept = [1 - 2.0**-dash for dash in (self.dash_syn, self.dash_mem)]
        return kept[0] * leaks_kernel(kept, steps)

    def step(self, state, z):
        """One step in the chip's integers, held in the dtype of z."""
        i, v = state
        units = z * WEIGHT_SCALE
        i = _held(i + _straight(tf.round(units), units))
        i = i - _lost(i, self.dash_syn)
        v = _held(v + _held(i - _lost(v, self.dash_mem)))
        membrane = v / WEIGHT_SCALE
        spikes = self.spike(membrane)
        return (i, v - self.threshold * spikes), spikes, membrane

    def spike(self, membrane) -> tf.Tensor:
        """How many times the membrane potential reaches the threshold, ``max_spikes`` at most."""
        threshold, surrogate = self.firing_threshold, self.surrogate_gradient

        @tf.custom_gradient
        def fire(u):
            def grad(grad_spikes):
                nearest = tf.clip_by_value(tf.round(u / threshold), 1, self.max_spikes)
                return grad_spikes * surrogate.density(u - (nearest - 1) * threshold, threshold)

            return tf.clip_by_value(tf.floor(u / threshold), 0, self.max_spikes), grad

        return fire(membrane)


def nearest_dash(tau: float, name: str, dt: float) -> int:
    """The bit shift of a time constant: the integer nearest to -log2(1 - exp(-dt / tau))."""
    checks.number(tau, name, open_low=True)
    checks.number(dt, "dt", open_low=True)
    dash = max(round(-math.log2(fraction_lost(tau, dt))), 1)
    if dash > MAX_DASH:
        longest = time_constant(2.0 ** -(MAX_DASH + 0.5), dt)
        raise ValueError(
            f"{name} must be at most {longest:.6g} ms with steps of {dt:g} ms: a longer one needs "
            f"a bit shift above {MAX_DASH}. Received: {name}={tau!r}, dt={dt!r}"
        )
    return dash


def _straight(value, like):
    """``value``, with the gradient of ``like``."""
    return tf.stop_gradient(value) + (like - tf.stop_gradient(like))


def _held(x):
    return tf.clip_by_value(x, STATE_MIN, STATE_MAX)


def _lost(x, dash: int):
    share = x * 2.0**-dash
    lost = tf.floor(share)
    return _straight(tf.where(x > 0, tf.maximum(lost, 1), lost), share)
