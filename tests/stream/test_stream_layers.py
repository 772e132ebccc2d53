"""Layers take and return their states, as Keras' recurrent layers do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from stream_cases import spikes

import keras_slayer as ks


def test_layers_take_and_return_states():
    """As Keras' recurrent layers do, one by one and in a functional model."""
    recording = tf.constant(spikes(6))
    whole_layer = ks.SpikingDense(5, name="d")
    layer = ks.SpikingDense(5, return_state=True, name="d2")
    whole = whole_layer(recording)
    layer.build(recording.shape)
    layer.kernel.assign(whole_layer.kernel)
    first, state = layer(recording[:, :7])
    second, _ = layer(recording[:, 7:], initial_state=state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)

    inputs, before = keras.Input((None, 6)), keras.Input((4, 5), dtype="float64")
    outputs, after = layer(inputs, initial_state=before)
    model = keras.Model([inputs, before], [outputs, after])
    again, _ = model([recording[:, 7:], state])
    np.testing.assert_array_equal(again, second)
    assert outputs.shape == (None, None, 5) and after.dtype == "float64"
    copy = ks.SpikingDense.from_config(layer.get_config())
    assert copy.return_state and not whole_layer.return_state


@pytest.mark.parametrize(
    "layer",
    [
        ks.SpikingActivation(),
        ks.DelayLayer(3.0, delay_initializer="ones"),
        ks.TemporalFilter([1.0, 0.5]),
        ks.TemporalFilter("cuba"),
        ks.WinnerTakeAll(duration=3.0),
    ],
)
def test_every_layer_goes_on_from_its_state(layer):
    config = {**layer.get_config(), "return_state": True}
    kept = type(layer).from_config(config)
    recording = spikes(6, density=0.4)
    whole = layer(recording)
    first, state = kept(recording[:, :7])
    second, _ = kept(recording[:, 7:], initial_state=state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    _, symbolic = kept(keras.Input((None, 6)))
    assert symbolic.dtype == state.dtype == kept.state_at_rest(tf.constant(recording)).dtype
    with pytest.raises(ValueError, match=r"the shape \(2, (\d|steps), 6\). Received: a state"):
        kept(recording, initial_state=tf.zeros([2, 1, 5]))
