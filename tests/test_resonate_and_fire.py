"""The parameters of ResonateAndFire, and weights for a response that swings to both sides."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer import ops

FREQUENCIES = [3.0, 20.0, 90.0, 250.0, 490.0]  # Hz; steps of 1 ms end at 500


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_input_that_follows_the_swings_settles_at_fourteen_thresholds(frequency):
    neuron = ks.ResonateAndFire(frequency=frequency)
    kernel = neuron.response_kernel()
    follows = np.sign(kernel[::-1])[None, :, None]
    settled = float(ops.response(tf.constant(follows), neuron)[0, -1, 0]) / neuron.threshold
    assert settled == pytest.approx(14.0, rel=0.01)


def test_the_response_is_a_damped_swing():
    """Of the period and the time constant that were given, whatever the step."""
    neuron = ks.ResonateAndFire(frequency=10.0, tau=40.0, dt=2.0)
    assert neuron.period == 100.0
    ms = 2.0 * np.arange(120)
    expected = np.exp(-ms / 40) * np.sin(2 * np.pi * ms / 100)
    np.testing.assert_allclose(neuron.response_kernel(120), expected, atol=1e-12)
    impulse = np.zeros((1, 120, 1))
    impulse[0, 0] = 1.0
    np.testing.assert_allclose(ops.response(impulse, neuron)[0, :, 0], expected, atol=1e-12)


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_the_mean_of_default_weights_stays_small_beside_their_spread(frequency):
    """sum_k h[k] is next to nothing at high frequencies, and would call for any mean."""
    made = ks.FluctuationDriven(ks.ResonateAndFire(frequency=frequency))
    assert abs(made.mean_weight(500)) < made.deviation(500)


@pytest.mark.parametrize("frequency", [5.0, 20.0, 100.0, 300.0])
def test_a_default_layer_fires_now_and_then(frequency):
    keras.utils.set_random_seed(0)
    x = (np.random.default_rng(0).random((4, 200, 300)) < 0.05).astype("float32")
    fired = ks.SpikingDense(100, ks.ResonateAndFire(frequency=frequency))(x).numpy()
    assert 0.001 < fired.mean() < 0.05
    assert (fired.mean(axis=(0, 1)) > 0.5).mean() < 0.03


@pytest.mark.parametrize(("frequency", "dt"), [(500.0, 1.0), (60.0, 10.0)])
def test_at_least_two_steps_per_period(frequency, dt):
    with pytest.raises(ValueError, match="less than half a period per step") as caught:
        ks.ResonateAndFire(frequency=frequency, dt=dt)
    assert str(caught.value).endswith(f"Received: frequency={frequency!r}")
