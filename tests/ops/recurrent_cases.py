"""Neurons that feed each other, and inputs for them: what their tests run over."""

import dataclasses

import cases
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import NEURONS

import keras_slayer as ks
from keras_slayer import ops

STEPS, UNITS = 20, 11
CUT = ks.SRM(1.0, tau_response=2.0, kernel_cutoff=0.05, surrogate_tau=0.4)
KINDS = {
    **{name: neuron for name, neuron in NEURONS.items() if "exponential" in name},
    "truncated-slayer": CUT,
    "truncated-exodus": dataclasses.replace(CUT, gradient="exodus"),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def arrays(dtype="float64", batch=3, steps=STEPS, units=UNITS, grid=64, seed=0):
    """Synaptic input and weights, multiples of 1 / grid: sums are the same in any order."""
    rng = np.random.default_rng(seed)
    z = np.round(grid * rng.normal(0.3, 1, size=(batch, steps, units))) / grid
    weights = np.round(grid * rng.normal(size=(units, units)) / np.sqrt(units)) / grid
    return tf.cast(z, dtype), tf.cast(weights, dtype)


def run(z, weights, neuron, backend="native", seed=1):
    """[spikes, membrane], and the gradients of both inputs."""
    with cases.backend(backend), tf.GradientTape() as tape:
        tape.watch([z, weights])
        spikes, membrane = ops.fire_recurrent(z, weights, neuron)
        noise = tf.cast(np.random.default_rng(seed).normal(size=spikes.shape), spikes.dtype)
        gradients = tape.gradient(
            spikes, [z, weights], output_gradients=noise, unconnected_gradients="zero"
        )
    return [spikes, membrane], gradients
