"""Models within models, whose layers may share names and paths."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from own_neuron_cases import Least
from stream_cases import STEPS, excitable, spikes

import keras_slayer as ks


def block(name, seed):
    """A functional model; Keras gives the layers of each such model the same paths."""
    inputs = keras.Input((None, 12))
    layer = ks.SpikingDense(
        12, "cuba", kernel_initializer=keras.initializers.RandomNormal(0.3, 1.0, seed), name="same"
    )
    return keras.Model(inputs, layer(inputs), name=name)


def in_a_row():
    inputs = keras.Input((None, 12))
    return keras.Model(inputs, block("second", 2)(block("first", 1)(inputs)))


def side_by_side():
    inputs = keras.Input((None, 12))
    both = [block("first", 1)(inputs), block("second", 2)(inputs)]
    return keras.Model(inputs, keras.layers.Concatenate()(both))


@pytest.mark.parametrize("make", [in_a_row, side_by_side])
def test_layers_of_one_path_keep_their_own_states(make):
    model, recording = make(), spikes(12, density=0.1)
    stream = ks.Stream(model)
    whole = stream(recording).numpy()
    assert 0.05 < whole.mean() < 0.95
    assert list(stream.state) == ["same", "same:1"]
    stream.reset()
    parts = [stream(recording[:, a:b]) for a, b in ((0, 3), (3, 4), (4, STEPS))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    chunks = ks.TruncatedTime(model, steps=5).predict(recording, verbose=0)
    np.testing.assert_array_equal(chunks, whole)


def test_layers_of_one_path_take_single_steps():
    """Nested functional models are a chain, and so is a layer that is used twice in a row."""
    inputs = keras.Input((None, 12))
    inner = block("first", 1)
    shared = keras.Model(inputs, inner(keras.layers.Dropout(0.5)(inner(inputs))))
    for model in (in_a_row(), shared):
        recording = spikes(12, batch=1, density=0.1)
        stream = ks.Stream(model)
        whole = stream(recording).numpy()
        stream.reset()
        for t in range(STEPS):
            places = stream.step(np.flatnonzero(recording[0, t]))
            np.testing.assert_array_equal(places, np.flatnonzero(whole[0, t]))


def test_exact_gradients_of_layers_of_one_path():
    model, recording = in_a_row(), spikes(12, density=0.1)
    before = model.get_weights()
    sgd = {"optimizer": keras.optimizers.SGD(1.0), "loss": "mse"}
    target = np.ones((2, STEPS, 12), np.float32)
    model.compile(**sgd)
    model.train_on_batch(recording, target)
    wanted = model.get_weights()
    model.set_weights(before)
    chunked = ks.TruncatedTime(model, steps=4, truncate=False)
    chunked.compile(**sgd)
    chunked.train_on_batch(recording, target)
    for old, new, found in zip(before, wanted, model.get_weights(), strict=True):
        assert np.abs(new - old).max() > 1e-3
        np.testing.assert_allclose(found, new, rtol=0, atol=1e-6)


def test_a_layer_used_outside_is_still_of_the_chain():
    inputs = keras.Input((None, 12))
    model = excitable(keras.Model(inputs, ks.SpikingDense(5, "cuba", name="d")(inputs)))
    model.get_layer("d")(keras.Input((7, 12)))
    recording = spikes(12, batch=1, density=0.3)
    whole = model(tf.constant(recording))
    stream = ks.Stream(model)
    for t in range(STEPS):
        places = stream.step(np.flatnonzero(recording[0, t]))
        np.testing.assert_array_equal(places, np.flatnonzero(whole[0, t]))


def test_single_steps_have_one_output():
    inputs = keras.Input((None, 12))
    hidden = ks.SpikingDense(5)(inputs)
    stream = ks.Stream(keras.Model(inputs, [hidden, ks.SpikingDense(3)(hidden)]))
    with pytest.raises(ValueError, match=r"with one output.*with 2 outputs"):
        stream.step([])


def test_states_go_to_a_loaded_model(tmp_path):
    """Keras' paths of its layers are others; the names of the states are not."""
    inner = keras.Sequential([keras.Input((None, 12)), ks.DelayLayer(3.0), ks.SpikingDense(9)])
    layers = [keras.Input((None, 12)), block("first", 1), inner, ks.SpikingRecurrentDense(4)]
    model, recording = keras.Sequential(layers, name="net"), spikes(12, density=0.1)
    stream = ks.Stream(model)
    stream(recording[:, :9])
    names = [f"net/{inner.name}/{layer.name}" for layer in inner.layers]
    assert list(stream.state) == ["net/same", *names, f"net/{model.layers[-1].name}"]
    model.save(tmp_path / "model.keras")
    loaded = ks.Stream(keras.models.load_model(tmp_path / "model.keras"))
    loaded.state = stream.state
    np.testing.assert_array_equal(loaded(recording[:, 9:]), stream(recording[:, 9:]))


def test_layers_of_one_name_run_natively_and_in_tensorflow():
    """Single steps give each its own state."""
    inputs, x = keras.Input((None, 12)), None
    for i, neuron in enumerate(("cuba", Least(), "cuba", Least())):
        layer = ks.SpikingDense(12, neuron, kernel_initializer="ones", name="same")
        part = keras.Input((None, 12))
        x = keras.Model(part, layer(part), name=f"part{i}")(inputs if x is None else x)
    recording = spikes(12, batch=1, density=0.1)
    stream = ks.Stream(keras.Model(inputs, x))
    whole = stream(recording).numpy()
    assert whole.any()
    stream.reset()
    for t in range(STEPS):
        places = stream.step(np.flatnonzero(recording[0, t]))
        np.testing.assert_array_equal(places, np.flatnonzero(whole[0, t]))
