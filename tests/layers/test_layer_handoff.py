"""Between layers of this package spikes are bytes: nothing else changes, and floats nobody reads
are not computed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import spikes
from network_cases import CUBA, IMAGE, LOIHI, SRM, conv, dense, sequential
from tensorflow.python.eager import context

import keras_slayer as ks
from keras_slayer.ops import handoff, library

needs_native = pytest.mark.skipif(library.native() is None, reason="the reference has no bytes")


def cnn(neuron, *, policy="float32"):
    keras.utils.set_random_seed(2)
    keras.config.set_dtype_policy(policy)
    try:
        return sequential(
            IMAGE,
            conv(4, 3, neuron, padding="same"),
            ks.SpikingSumPooling2D(2, neuron=neuron),
            conv(6, 2, neuron, groups=2),
            ks.Flatten(),
            dense(70, neuron),  # with events of its own
            dense(65, neuron),
            dense(3, neuron),  # and of few units
        )
    finally:
        keras.config.set_dtype_policy("float32")


def stepper(model):
    """x -> (output, gradients), as a graph for batches of any size, like a training step."""

    @tf.function(input_signature=[tf.TensorSpec((None, *IMAGE))])
    def step(x):
        with tf.GradientTape() as tape:
            output = model(x)
            loss = tf.reduce_sum(tf.cast(output, tf.float32) ** 2 + tf.cast(output, tf.float32))
        return output, tape.gradient(loss, model.trainable_variables)

    return step


def assert_same(actual, expected):
    for a, e in zip(tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True):
        np.testing.assert_array_equal(a, e)


def in_floats(monkeypatch):
    monkeypatch.setattr(handoff, "bytes_of", lambda spikes: spikes)


@pytest.mark.parametrize("density", [0.05, 0.8])  # events, dense products
@pytest.mark.parametrize("neuron", [SRM, CUBA, LOIHI], ids=["srm", "cuba", "loihi"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_same_as_in_floats(neuron, policy, density, monkeypatch):
    model = cnn(neuron, policy=policy)
    x = spikes((3, *IMAGE), density)
    output, gradients = stepper(model)(x)
    eager = model(x)
    in_floats(monkeypatch)
    expected, expected_gradients = stepper(model)(x)
    assert 0 < np.mean(expected) < 1 and all(np.any(g) for g in expected_gradients)
    assert_same([output, gradients, eager], [expected, expected_gradients, model(x)])


def executed(function, *args):
    """Nodes of the graphs that TensorFlow runs for this first call, after its own pruning."""
    context.enable_graph_collection()
    try:
        function(*args)
        graphs = context.export_run_metadata().partition_graphs
    finally:
        context.disable_graph_collection()
    assert graphs
    return [
        node
        for graph in graphs
        for nodes in (graph.node, *(f.node_def for f in graph.library.function))
        for node in nodes
    ]


def widened(nodes):
    uint8 = tf.uint8.as_datatype_enum
    return [n.name for n in nodes if n.op == "Cast" and n.attr["SrcT"].type == uint8]


@needs_native
def test_floats_are_computed_for_nobody(monkeypatch):
    model, x = cnn(SRM), tf.constant(spikes((3, *IMAGE), 0.05))
    outside = [n for n in widened(executed(stepper(model), x)) if "cond" not in n]
    assert not outside
    in_floats(monkeypatch)
    assert len(widened(executed(stepper(model), x))) >= 5


def spread_over_pixels(nodes):
    return [n.name for n in nodes if n.op == "KerasSlayer>SumPool2DLayerInputGrad"]


@needs_native
def test_gradients_of_pools_stay_small(monkeypatch):
    """Those of every pixel are computed for nobody: a convolution reads those of the sums."""
    model, x = cnn(SRM), tf.constant(spikes((3, *IMAGE), 0.05))
    assert not [n for n in spread_over_pixels(executed(stepper(model), x)) if "cond" not in n]
    monkeypatch.setattr(handoff, "before_pool", handoff.Gradient)
    assert len(spread_over_pixels(executed(stepper(model), x))) == 1


def hidden_model():
    inputs = keras.Input((20, 6))
    hidden = dense(70, SRM)(inputs)
    return keras.Model(inputs, [hidden, dense(66, SRM)(hidden), keras.layers.Dense(2)(hidden)])


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_gradient_of_hidden_spikes(graph, monkeypatch):
    keras.utils.set_random_seed(4)
    model, x = hidden_model(), tf.constant(spikes((2, 20, 6)))

    def step(x):
        with tf.GradientTape() as tape:
            hidden, spiking, plain = model(x)
            loss = tf.reduce_sum(spiking**2) + tf.reduce_sum(plain**2)
        return tape.gradient(loss, [hidden, *model.trainable_variables])

    actual = (tf.function(step) if graph else step)(x)
    in_floats(monkeypatch)
    expected = step(x)
    assert all(np.any(g) for g in expected)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6 * np.max(np.abs(e)))


def test_flatten_of_what_is_no_spikes():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(ks.Flatten()(x), x.reshape(2, 3, 20))
