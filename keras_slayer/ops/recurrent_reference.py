"""Neurons that feed each other in a loop of plain TensorFlow, which differentiates each step."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf

from keras_slayer.loihi import DECAY_UNIT, STATE_SHIFT, WEIGHT_SCALE
from keras_slayer.neurons import LoihiCUBA, Neuron, reference
from keras_slayer.ops import state
from keras_slayer.ops.feedback import feedback_of


def reference_recurrent(z, weights, neuron: Neuron, start=None):
    """(spikes, membrane, state or None) of ``ops.fire_recurrent``."""
    inputs, wide = reference.widen(z), reference.widen(weights)
    feed = feedback_of(z, weights).step
    kind = _Chip if isinstance(neuron, LoihiCUBA) else _Recursive
    stepper = (kind if neuron.kernels is None else _Truncated)(neuron)
    before = None if start is None else start[:, :-1]
    parts = stepper.start(before, inputs)
    spiked = _zeros(inputs) if start is None else tf.cast(start[:, -1], inputs.dtype)

    def step(carry, now):
        *parts, spiked = carry
        total = now + feed(spiked, wide)
        parts, spikes, membrane = stepper.step(parts, total)
        return (*parts, spikes), (spikes, membrane, total)

    series = _swapped(inputs)
    (spikes, membrane, totals), (*parts, spiked) = _loop(step, series, (*parts, spiked))
    after = None
    if start is not None:
        numbers = stepper.state(parts, before, totals, spikes)
        after = tf.concat([tf.cast(x, start.dtype) for x in (numbers, spiked[:, None])], axis=1)
        after = state.without_gradient(after)
    return tf.cast(spikes, z.dtype), tf.cast(membrane, z.dtype), after


def _zeros(inputs, dtype=None):
    """Of one step of (batch, time, ...), of which there may be none."""
    shape = tf.shape(inputs)
    zeros = tf.zeros(tf.concat([shape[:1], shape[2:]], axis=0), dtype or inputs.dtype)
    return tf.ensure_shape(zeros, [inputs.shape[0], *inputs.shape[2:]])


def _swapped(x):
    """(time, batch, ...) of (batch, time, ...), and back."""
    return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])


def _loop(step, series, carry):
    """``step(carry, series[t]) -> (carry, outputs)`` over a series (time, batch, ...).

    Returns the three outputs (batch, time, ...) and the carry after the last step.
    """
    steps, one = tf.shape(series)[0], series.shape[1:]
    arrays = [
        tf.TensorArray(series.dtype, steps + 1, element_shape=one, clear_after_read=False)
        for _ in range(3)
    ]

    def body(t, carry, arrays):
        after, outputs = step(carry, series[t])
        for x, y in zip(carry, after, strict=True):
            y.set_shape(x.shape)
        return t + 1, after, [a.write(t, y) for a, y in zip(arrays, outputs, strict=True)]

    _, carry, arrays = tf.while_loop(lambda t, *_: t < steps, body, (0, tuple(carry), arrays))
    # One element more than there are steps, for no elements at all have no shape.
    silence = tf.zeros(tf.shape(series)[1:], series.dtype)
    stacked = [_swapped(a.write(steps, silence).stack()[:-1]) for a in arrays]
    for y in stacked:
        y.set_shape([one[0], series.shape[0], *one[1:]])
    return stacked, carry


class _Stepper(Protocol):
    """One step of a neuron whose spikes carry the gradient of the surrogate."""

    def start(self, before, inputs) -> list:
        """What ``step`` carries: from the numbers of a state, or at rest (None)."""

    def step(self, parts, z) -> tuple:
        """(parts, spikes, membrane)."""

    def state(self, parts, before, totals, spikes) -> tf.Tensor:
        """The numbers of the state (batch, numbers, ...) after the last step."""


class _Recursive(_Stepper):
    """A neuron as ``Neuron.step`` has it."""

    def __init__(self, neuron: Neuron):
        self.neuron, self.advance = neuron, neuron.differentiable_step()

    def start(self, before, inputs):
        if before is None:
            return [_zeros(inputs)] * self.neuron.states
        return tf.unstack(tf.cast(before, inputs.dtype), self.neuron.states, axis=1)

    def step(self, parts, z):
        return self.advance(parts, z)

    def state(self, parts, before, totals, spikes):
        return tf.stack(parts, axis=1)


class _Chip(_Stepper):
    """The integers of ``LoihiCUBA.step``, as doubles, with the gradient of ``CUBA``.

    The gradients of current and voltage are on the scale of the float weights.
    """

    def __init__(self, neuron: LoihiCUBA):
        self.neuron = neuron

    def start(self, before, inputs):
        if before is None:
            return [_zeros(inputs, tf.float64)] * self.neuron.states
        return tf.unstack(tf.cast(before, tf.float64), self.neuron.states, axis=1)

    def step(self, parts, z):
        z = tf.debugging.assert_all_finite(z, "the synaptic input of a Loihi neuron must be finite")
        neuron = self.neuron
        surrogate, given = neuron.surrogate_gradient, neuron.parameters
        p = {name: tf.cast(value, tf.float64) for name, value in given.items()}
        threshold = p["threshold_mantissa"] / WEIGHT_SCALE
        keep_current, keep_voltage = (
            1 - p[f"{name}_decay"] / DECAY_UNIT for name in ("current", "voltage")
        )
        learned = [name for name, value in given.items() if tf.is_tensor(value)]

        @tf.custom_gradient
        def fire(current, voltage, arriving, z, *_):
            units = tf.cast(tf.round(tf.cast(z, tf.float64) * WEIGHT_SCALE), tf.int64)
            due = tf.cast(arriving, tf.int64) // (1 << STATE_SHIFT)
            before = [tf.cast(current, tf.int64), tf.cast(voltage, tf.int64), due]
            (u, v, _), spikes, membrane = neuron.step(before, units)
            felt = tf.cast(membrane, tf.float64) / (WEIGHT_SCALE << STATE_SHIFT)
            fired = tf.cast(spikes, tf.float64)

            def grad(d_current, d_voltage, d_arriving, d_spikes, _):
                rho = surrogate.density(felt, threshold)
                passed = (1 - fired) - felt * rho if surrogate.exodus else tf.ones_like(felt)
                d_spikes = tf.cast(d_spikes, tf.float64)
                d_spike = d_spikes - felt * d_voltage if surrogate.exodus else d_spikes
                d_voltage = rho * d_spikes + passed * d_voltage
                d_current = d_current + d_voltage
                scale = DECAY_UNIT * (WEIGHT_SCALE << STATE_SHIFT)
                more = {
                    "threshold_mantissa": -rho * d_spike / WEIGHT_SCALE,
                    "current_decay": -d_current * current / scale,
                    "voltage_decay": -d_voltage * voltage / scale,
                    "bias": d_voltage / WEIGHT_SCALE,
                }
                return (
                    keep_current * d_current,
                    keep_voltage * d_voltage,
                    d_current,
                    tf.cast(d_arriving, z.dtype),
                    *(reference.sum_to_channels(more[name], given[name]) for name in learned),
                )

            after = [tf.cast(x, tf.float64) for x in (u, v, units * (1 << STATE_SHIFT))]
            return (*after, tf.cast(spikes, z.dtype), tf.cast(felt, z.dtype)), grad

        *parts, spikes, membrane = fire(*parts, z, *(given[name] for name in learned))
        return parts, spikes, membrane

    def state(self, parts, before, totals, spikes):
        return tf.stack(parts, axis=1)


class _Truncated(_Stepper):
    """A neuron with truncated kernels. It carries what the past adds to the steps to come.

    Its state is the last inputs and the last spikes.
    """

    def __init__(self, neuron: Neuron):
        self.neuron = neuron
        self.response, self.refractory = neuron.kernels

    def start(self, before, inputs):
        ahead = [len(taps) - 1 for taps in (self.response, self.refractory)]
        if before is None:
            parts = [tf.cast(state.at_rest(n, inputs), inputs.dtype) for n in ahead]
        else:
            past = tf.split(tf.cast(before, inputs.dtype), ahead, axis=1)
            taps = (self.response, self.refractory)
            parts = [_still_to_come(x, t) for x, t in zip(past, taps, strict=True)]
        for x, n in zip(parts, ahead, strict=True):
            x.set_shape([inputs.shape[0], n, *inputs.shape[2:]])
        return parts

    def step(self, parts, z):
        psp, refractory = parts
        u = float(self.response[0]) * z + (psp[:, 0] + refractory[:, 0])
        surrogate = self.neuron.surrogate_gradient
        spikes = reference.spike(u, self.neuron.firing_threshold, surrogate)
        felt = spikes if surrogate.exodus else tf.stop_gradient(spikes)
        parts = [_later(psp, self.response, z), _later(refractory, self.refractory, felt)]
        return parts, spikes, u

    def state(self, parts, before, totals, spikes):
        sizes = [len(taps) - 1 for taps in (self.response, self.refractory)]
        past = tf.split(before, sizes, axis=1)
        # What later steps feel has a gradient with EXODUS alone.
        felt = spikes if self.neuron.surrogate_gradient.exodus else tf.stop_gradient(spikes)
        kept = [
            state.history(state.with_history(old, new), size)
            for old, new, size in zip(past, (totals, felt), sizes, strict=True)
        ]
        return tf.concat(kept, axis=1)


def _later(pending, taps, x):
    """What comes at the steps after this one, once ``x`` has come in at this one."""
    shifted = tf.concat([pending[:, 1:], tf.zeros_like(pending[:, :1])], axis=1)
    kernel = tf.reshape(tf.constant(taps[1:], x.dtype), [-1, *[1] * (x.shape.rank - 1)])
    return shifted + kernel * x[:, None]


def _still_to_come(past, taps):
    """What the last inputs (batch, taps - 1, ...) add at each of the next steps."""
    size = len(taps) - 1
    matrix = np.zeros((size, size))  # from the step of the past to the step ahead
    for ahead in range(size):
        for k in range(ahead + 1, size + 1):
            matrix[size - (k - ahead), ahead] = taps[k]
    return tf.einsum("bk...,ka->ba...", past, tf.constant(matrix, past.dtype))
