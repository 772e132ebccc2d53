"""`DelayLayer` shifts each channel or neuron by its delay, in whole steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import STEPS, spikes

import keras_slayer as ks


def output_of(layer, x):
    return keras.ops.convert_to_numpy(layer(x))


def test_delay_per_channel_in_ms():
    """2.9 ms at 0.5 ms per step are 5 whole steps, 0.49 ms none."""
    layer = ks.DelayLayer(dt=0.5)
    x = spikes((2, STEPS, 3, 2))
    layer.build(x.shape)
    layer.delay.assign([2.9, 0.49])
    y = output_of(layer, x)
    np.testing.assert_array_equal(y[:, 5:, :, 0], x[:, :-5, :, 0])
    np.testing.assert_array_equal(y[:, :5, :, 0], 0)
    np.testing.assert_array_equal(y[..., 1], x[..., 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dt", [0.1, 0.3, 1 / 3, 1.0, 7.0])
def test_delays_of_whole_steps(dt, dtype):
    """In float32 1.3 ms / 0.1 ms is a little less than 13."""
    whole = np.arange(63)
    layer = ks.DelayLayer(62 * dt, dt=dt, dtype=dtype)
    x = np.zeros((1, 64, 63), "float32")
    x[:, 0] = 1
    layer.build(x.shape)
    layer.delay.assign(whole * dt)
    assert np.argmax(layer(x)[0], axis=0).tolist() == whole.tolist()
    layer.delay.assign((whole + 0.9999) * dt)
    assert np.argmax(layer(x)[0], axis=0).tolist() == whole.tolist()


def test_delays_of_whole_steps_have_a_gradient():
    layer, x = ks.DelayLayer(dt=0.1), spikes((2, 30, 1), 0.4)
    layer.build(x.shape)
    gradients = []
    for late in (1.3, 1.34):  # ms: both are 13 steps
        layer.delay.assign([late])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) * x[::-1])
        gradients += tape.gradient(loss, layer.delay.value).numpy().tolist()
    assert gradients[0] == gradients[1] != 0


def test_delay_per_neuron():
    layer = ks.DelayLayer(per="neuron")
    x = spikes((2, STEPS, 2, 3, 2))
    layer.build(x.shape)
    assert layer.delay.shape == (2, 3, 2)
    delays = np.arange(12.0).reshape(2, 3, 2) * 2  # up to 22: past the end
    layer.delay.assign(delays)
    y = output_of(layer, x)
    for place in np.ndindex(2, 3, 2):
        d = int(delays[place])
        series = (slice(None), slice(None), *place)
        padded = np.concatenate([np.zeros((2, d)), x[series]], axis=1)[:, :STEPS]
        np.testing.assert_array_equal(y[series], padded)


def test_delays_start_within_their_range():
    """As the constraint keeps them: a layer that is not trained has the same bounds."""
    far = keras.initializers.Constant([-3.0, 2.0, 100.0])
    layer, x = ks.DelayLayer(5.0, delay_initializer=far), spikes((2, 12, 3), 0.4)
    y = output_of(layer, x)
    assert layer.delay.numpy().tolist() == [0.0, 2.0, 5.0]
    for channel, steps in enumerate((0, 2, 5)):
        np.testing.assert_array_equal(y[:, steps:, channel], x[:, : 12 - steps, channel])
