"""Data and models of the tests of firing rates."""

import keras
import numpy as np
import pytest

import keras_slayer as ks

STEPS = 40
NEURONS = {
    "srm": ks.SRM(threshold=3.0, tau_response=4.0),
    "cuba": ks.CUBA(2.0, 0.25, 0.03),
    "loihi": ks.LoihiCUBA(100, 1024, 128),
}
every_neuron = pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS.keys())


def spikes(*shape, density=0.05, seed=0):
    return (np.random.default_rng(seed).random(shape) < density).astype("float32")


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def normal(scale):
    return keras.initializers.RandomNormal(0.0, scale)


def near(rate):
    """Within the default tolerance, a ratio."""
    return pytest.approx(rate, rel=0.0501)
