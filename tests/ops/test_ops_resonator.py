"""What a resonate-and-fire neuron answers to, native and reference."""

import cases
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer import ops

BACKENDS = pytest.mark.parametrize("name", ["native", "reference"])


@BACKENDS
def test_resonate_and_fire_prefers_its_frequency(name):
    """Trains of input spikes: at its period it fires, at half of it and at twice of it not."""
    neuron = ks.ResonateAndFire(threshold=1.4, frequency=25.0, tau=60.0)
    z = np.zeros((1, 400, 3))
    for unit, period in enumerate((20, 40, 80)):
        z[0, ::period, unit] = 1.0
    with cases.backend(name):
        spikes, _ = ops.fire(tf.constant(z), neuron)
    too_fast, right, too_slow = np.sum(spikes, axis=(0, 1))
    assert right >= 3 and too_fast == too_slow == 0


@BACKENDS
def test_inhibition_fires_a_resonator_half_a_period_later(name):
    z = np.zeros((1, 40, 1))
    z[0, 0] = -1.0
    with cases.backend(name):
        spikes, _ = ops.fire(tf.constant(z), ks.ResonateAndFire(0.5, frequency=25.0, tau=60.0))
    (times,) = np.nonzero(spikes[0, :, 0])
    assert times.size and 20 < times[0] < 30
