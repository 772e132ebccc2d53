"""Time constants in milliseconds and decays, the fractions lost per step."""

from __future__ import annotations

import math

import tensorflow as tf

from keras_slayer import checks

DEFAULT_DT = 1.0
"""Milliseconds per step of a neuron that has a time constant in ms and no ``dt`` of its own."""

DEFAULT_TAU = 5.0
"""Time constant of current and voltage, ms, where neither it nor a decay is given."""


def fraction_lost(tau: float, dt: float = DEFAULT_DT) -> float:
    """Lost in ``dt`` ms with the time constant ``tau`` (ms): 1 - exp(-dt / tau)."""
    if tf.is_tensor(tau):
        return -tf.math.expm1(-dt / tau)
    return -math.expm1(-dt / tau)


def time_constant(decay: float, dt: float = DEFAULT_DT) -> float:
    """The time constant, ms, with which the fraction ``decay`` is lost in ``dt`` ms."""
    if decay == 0:
        return math.inf
    return -dt / math.log1p(-decay) if decay < 1 else 0.0


def set_time_step(neuron) -> float | None:
    """Checks ``neuron.dt``, and sets it where a decay is missing, which then follows from ms."""
    if neuron.dt is not None:
        checks.number(neuron.dt, "dt", open_low=True)
    elif neuron.current_decay is None or neuron.voltage_decay is None:
        object.__setattr__(neuron, "dt", DEFAULT_DT)  # the class is frozen
    return neuron.dt
