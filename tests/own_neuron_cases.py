"""Neurons of a user, in Python alone, for the tests."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

import keras_slayer as ks

STEPS = 20


def noise(*shape, scale=0.6, dtype="float32"):
    return np.random.default_rng(0).normal(0.1, scale, shape).astype(dtype)


def network(neuron, steps=STEPS):
    return keras.Sequential(
        [
            keras.Input((steps, 12)),
            ks.SpikingDense(16, neuron, name="own"),
            ks.DelayLayer(3.0),
            ks.SpikingDense(3, "cuba", name="out"),
        ]
    )


class Least(ks.neurons.Neuron):
    """As little as there can be: no parameters, no decorator."""

    threshold = 1.5
    states = 1

    def step(self, state, z):
        v = 0.5 * state[0] + z
        spikes = self.spike(v)
        return (v - self.threshold * spikes,), spikes, v


@keras.saving.register_keras_serializable(package="own_neuron_cases")
@dataclasses.dataclass(frozen=True)
class TwinOfALIF(ks.neurons.Neuron):
    """The equations of ALIF."""

    threshold: float = 0.9
    keep: float = 0.8
    keep_adaptation: float = 0.95
    beta: float = 0.3
    states = 3

    def step(self, state, z):
        v, a, spiked = state
        v = (self.keep * v + z) - self.threshold * spiked
        a = self.keep_adaptation * a + spiked
        u = v - self.beta * a
        spikes = self.spike(u)
        return (v, a, spikes), spikes, u

    @classmethod
    def and_native(cls, **options):
        """One of these, and the ALIF that computes the same."""
        own = cls(**options)
        native = ks.ALIF(own.threshold, beta=own.beta, **options)
        lost = native.parameters
        keeps = {"keep": lost["voltage_decay"], "keep_adaptation": lost["adaptation_decay"]}
        return dataclasses.replace(own, **{name: 1 - x for name, x in keeps.items()}), native


@keras.saving.register_keras_serializable(package="own_neuron_cases")
@dataclasses.dataclass(frozen=True)
class HardReset(ks.neurons.Neuron):
    """CUBA without a current: a spike sets the voltage to 0."""

    threshold: float | None = None
    keep: float = 0.75
    states = 1

    def step(self, state, z):
        v = self.keep * state[0] + z
        spikes = self.spike(v)
        return (v * (1 - spikes),), spikes, v


@keras.saving.register_keras_serializable(package="own_neuron_cases")
@dataclasses.dataclass(frozen=True)
class Resonator(ks.neurons.Neuron):
    """A response that changes its sign: Izhikevich, Neural Networks 14 (2001), without reset."""

    threshold: float = 1.0
    keep: float = 0.9
    states = 2

    def step(self, state, z):
        x, y = state
        x, y = self.keep * (0.8 * x - 0.6 * y) + z, self.keep * (0.6 * x + 0.8 * y)
        spikes = self.spike(x)
        return (x, y), spikes, x


@dataclasses.dataclass(frozen=True)
class Wrong(ks.neurons.Neuron):
    """Returns what ``result`` makes of a state, spikes and membrane potential."""

    threshold: float = 1.0
    result: object = None
    states = 2

    def step(self, state, z):
        v = state[0] + z
        return self.result((v, v), self.spike(v), v)


WRONG_RESULTS = {
    "two": (lambda state, spikes, v: (spikes, v), "Wrong.step must return .*: a tuple of 2"),
    "none": (lambda state, spikes, v: None, "Received: a NoneType"),
    "one state": (lambda state, spikes, v: (state[:1], spikes, v), "2 tensors, .*a tuple of 1"),
    "tensor": (lambda state, spikes, v: (v, spikes, v), "Received: a (Eager|Symbolic)?Tensor"),
    "numbers": (lambda state, spikes, v: ((v, 0.0), spikes, v), "number 1 of the state=0.0"),
    "sums": (
        lambda state, spikes, v: (state, spikes, tf.reduce_sum(v)),
        r"float32 of shape \(2, 3\). Received: membrane potential=float32 of shape \(\)",
    ),
    "doubles": (
        lambda state, spikes, v: (state, tf.cast(spikes, tf.float64), v),
        "Received: spikes=float64",
    ),
    "changed": (
        lambda state, spikes, v: (state, spikes * 1.0, v),
        'spikes that self.spike.* as they are: .* gradient="exodus"',
    ),
}


@keras.saving.register_keras_serializable(package="tests")
@dataclasses.dataclass(frozen=True)
class OfEach(ks.neurons.Neuron):
    """One parameter for each neuron, in a field of its own kind."""

    threshold: float = 1.5
    keep: tuple = (0.9, 0.7, 0.5)
    gain: object = None
    states = 1

    def step(self, state, z):
        gain = 1.0 if self.gain is None else tf.constant(self.gain, z.dtype)
        v = tf.constant(self.keep, z.dtype) * state[0] + gain * z
        spikes = self.spike(v)
        return (v * (1 - spikes),), spikes, v
