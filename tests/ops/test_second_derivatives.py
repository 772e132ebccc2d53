"""Spikes have one derivative: a tape that could take a second one is no reason to fail, a second
one is refused."""

import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.ops import second_derivatives

VECTOR, IMAGE = (12, 9), (8, 6, 6, 2)
LAYERS = {
    "dense": (VECTOR, lambda **how: ks.SpikingDense(4, **how)),
    "loihi": (VECTOR, lambda **how: ks.SpikingDense(40, "loihi", use_bias=True, **how)),
    "cutoff": (VECTOR, lambda **how: ks.SpikingDense(4, ks.SRM(kernel_cutoff=0.01), **how)),
    "conv": (IMAGE, lambda **how: ks.SpikingConv2D(4, 3, learn="threshold", **how)),
    "recurrent": (VECTOR, lambda **how: ks.SpikingRecurrentDense(4, "alif", **how)),
    "maps": (IMAGE, lambda **how: ks.SpikingRecurrentConv2D(3, 3, neuron="cuba", **how)),
}


def model_of(name):
    shape, make = LAYERS[name]
    start = keras.initializers.RandomNormal(0.4, 1.0, seed=1)
    layers = [ks.SpikingSumPooling2D(2)] if shape == IMAGE else []
    layers = [make(kernel_initializer=start), *layers, ks.DelayLayer(2.0), ks.TemporalFilter()]
    model = keras.Sequential([keras.Input(shape), *layers])
    x = (np.random.default_rng(0).random((2, *shape)) < 0.3).astype("float32")
    return model, x, [w.value for w in model.trainable_weights]


@pytest.mark.parametrize("name", LAYERS)
def test_a_persistent_tape_around_a_function(name):
    model, x, weights = model_of(name)
    loss = tf.function(lambda: tf.reduce_sum(model(x) ** 2))
    with tf.GradientTape() as tape:
        value = loss()
    expected = tape.gradient(value, weights)
    assert all(np.any(gradient) for gradient in expected)
    with tf.GradientTape(persistent=True) as tape:
        value = loss()
    for _ in range(2):
        for gradient, once in zip(tape.gradient(value, weights), expected, strict=True):
            np.testing.assert_array_equal(gradient, once)


def second(model, x, weight):
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            value = tf.reduce_sum(model(x) ** 2)
        length = tf.reduce_sum(inner.gradient(value, weight) ** 2)
    return outer.gradient(length, weight)


@pytest.mark.parametrize("name", LAYERS)
def test_a_second_derivative_is_refused(name):
    model, x, weights = model_of(name)
    message = "a spiking layer has one derivative.*a derivative of the native op KerasSlayer>"
    with pytest.raises(NotImplementedError, match=message):
        second(model, x, weights[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tf.function(second)(model, x, weights[0])


def test_each_op_with_a_gradient_is_known():
    package = pathlib.Path(ks.__file__).parent / "ops"
    ops = {
        name
        for file in (package / "csrc").rglob("*.cc")
        for name in re.findall(r'REGISTER_OP\("KerasSlayer>(\w+)"\)', file.read_text())
    }
    own = {
        name
        for file in package.rglob("*.py")
        for name in re.findall(r'RegisterGradient\("KerasSlayer>(\w+)"\)', file.read_text())
    }
    known = own | set(second_derivatives.OPS)
    assert known <= ops and not own & set(second_derivatives.OPS)
    of_events = {name for name in ops - known if re.search("Events|Bins|Spans|Surface", name)}
    assert ops - known - of_events == set()
