"""What a Stream refuses, and how it says so."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from stream_cases import sequential

import keras_slayer as ks


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (keras.layers.GRU(3, return_sequences=True, name="g"), "g (GRU): it may look over"),
        (keras.layers.Flatten(name="f"), "f (Flatten): it moves the time axis: use keras_slayer."),
        (keras.layers.Conv1D(3, 2, name="c"), "c (Conv1D): it may look over the whole time axis"),
        (
            keras.layers.BatchNormalization(axis=1, name="b"),
            "b (BatchNormalization): it computes along time",
        ),
        (keras.layers.PReLU(name="p"), "p (PReLU): it has a weight for each step"),
        (
            keras.layers.TimeDistributed(keras.layers.Dense(2), name="t"),
            "t (TimeDistributed): it needs a known number of steps: use PerStep",
        ),
        (ks.SpikingDense(3, return_state=True, name="s"), "s (SpikingDense): it returns its state"),
    ],
)
def test_refused_by_name(layer, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        if getattr(layer, "return_state", False):
            inputs = keras.Input((24, 6))
            ks.Stream(keras.Model(inputs, layer(inputs)[0]))
        ks.Stream(sequential(layer))


def test_operations_of_keras():
    inputs = keras.Input((24, 6))
    x = ks.SpikingDense(6)(inputs)
    ks.Stream(keras.Model(inputs, 0.5 * x + inputs))
    message = "keras.ops.sum may look along time"
    with pytest.raises(ValueError, match=message):
        ks.Stream(keras.Model(inputs, keras.ops.sum(x, axis=1)))


def test_constants():
    inputs = keras.Input((24, 6))
    for constant in (2.0, np.arange(6.0), np.ones((1, 1, 6))):
        stream = ks.Stream(keras.Model(inputs, inputs / constant))
        assert stream(np.ones((1, 1, 6))).shape == (1, 1, 6)
    for constant in (np.ones((24, 1)), np.ones((1, 24, 6))):
        with pytest.raises(ValueError, match=r"multiply.*: it has a constant for each step"):
            ks.Stream(keras.Model(inputs, inputs * constant))


class OwnCall(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("net", "model must be a keras.Model. Received: model='net'"),
        (OwnCall(), "needs a model that is built"),
        (keras.Sequential([ks.SpikingDense(3)]), "needs a model that is built"),
    ],
)
def test_models_that_cannot_stream(model, message):
    with pytest.raises(ValueError, match=message):
        ks.Stream(model)


def test_two_inputs():
    one, two = keras.Input((24, 6)), keras.Input((24, 6))
    model = keras.Model([one, two], keras.layers.Add()([one, two]))
    with pytest.raises(ValueError, match=r"takes a model with one input.*with 2 inputs"):
        ks.Stream(model)


def test_wrong_chunks_masks_and_states():
    stream = ks.Stream(sequential(ks.SpikingDense(3)))
    message = r"A chunk for 'net' has the shape \(batch, steps, 6\). Received: \(2, 24, 5\)"
    with pytest.raises(ValueError, match=message):
        stream(np.zeros((2, 24, 5)))
    with pytest.raises(ValueError, match=r"has the shape"):
        stream(np.zeros((24, 6)))
    with pytest.raises(ValueError, match=r"there was no chunk since the last reset"):
        stream.reset(np.array([True]))
    stream(np.ones((2, 3, 6)))
    with pytest.raises(ValueError, match=r"state is of 2 samples.*Received: a chunk of 3"):
        stream(np.zeros((3, 3, 6)))
    with pytest.raises(ValueError, match=r"booleans of the shape \(2,\). Received: bool of"):
        stream.reset(np.array([True]))
    state = stream.state
    with pytest.raises(ValueError, match=r"another model: this one has states of \['net/spiking_"):
        stream.state = {"dense": np.zeros((2, 4, 3))}
    (name,) = state
    with pytest.raises(ValueError, match=r"must have the shape \(1, 4, 3\). Received: \(1, 4, 2"):
        stream.state = {name: np.zeros((1, 4, 2))}
    for wrong in ([1, 2], {name: 5}, {name: np.zeros((1, 4, 3)), "more": 5}):
        with pytest.raises(ValueError, match=r"A state is a dict of layer names to arrays"):
            stream.state = wrong
    assert stream.steps == 3 and np.any(state[name])  # nothing is lost
    np.testing.assert_array_equal(stream.state[name], state[name])


def test_a_graph_keeps_no_state():
    stream = ks.Stream(sequential(ks.SpikingDense(3)))
    with pytest.raises(ValueError, match=r"call it outside.*Received: a call within a graph"):
        tf.function(stream)(tf.zeros([2, 3, 6]))
    assert stream.state == {} and stream(tf.zeros([2, 3, 6])).shape == (2, 3, 3)
