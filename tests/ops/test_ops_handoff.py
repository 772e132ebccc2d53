"""What is recognised in a graph as a copy of bytes, or as the gradient before a pool."""

import numpy as np
import pytest
import tensorflow as tf
from layer_ops import LAYERS, NEURONS, sum_pool2d_layer

from keras_slayer.ops import handoff

NEURON = NEURONS["srm-exponential-slayer"]
BYTES = np.array([[[0, 1, 2, 255]]], np.uint8)


def found_in(function, x=BYTES):
    """(whether bytes were found behind what ``function`` returns, their values, its values)."""

    @tf.function
    def run(x):
        floats = function(x)
        found = handoff.bytes_of(floats)
        kinds.append(found.dtype.name)
        return found, floats

    kinds = []
    found, floats = run(tf.constant(x))
    return kinds[0] in ("uint8", "bool"), found.numpy(), floats.numpy()


@tf.custom_gradient
def with_a_gradient_of_its_own(x):
    return x, lambda grad: 3 * grad


COPIES = {
    "cast": lambda x: tf.cast(x, tf.float32),
    "half": lambda x: tf.cast(x, tf.float16),
    "half, then float": lambda x: tf.cast(tf.cast(x, tf.bfloat16), tf.float32),
    "identity": lambda x: tf.identity(tf.cast(x, tf.float32)),
    "stop_gradient": lambda x: tf.stop_gradient(tf.cast(x, tf.float32)),
    "custom gradient": lambda x: with_a_gradient_of_its_own(tf.cast(x, tf.float32)),
    "second of two": lambda x: tf.identity_n([tf.zeros([3]), tf.cast(x, tf.float32)])[1],
    "reshape": lambda x: tf.reshape(tf.cast(x, tf.float32), [1, 2, -1]),
    "reshape of unknown size": lambda x: tf.reshape(tf.cast(x, tf.float32), [tf.size(x), 1]),
    "bytes themselves": lambda x: x,
}
OTHERS = {
    "a product": lambda x: 2 * tf.cast(x, tf.float32),
    "a sum": lambda x: tf.cast(x, tf.float32) + 0,
    "through integers": lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32),
    "back to few bits": lambda x: tf.cast(tf.cast(tf.cast(x, tf.float32), tf.int8), tf.float32),
    "first of two": lambda x: tf.identity_n([tf.ones([3]), tf.cast(x, tf.float32)])[0],
    "transposed": lambda x: tf.transpose(tf.cast(x, tf.float32)),
}


@pytest.mark.parametrize("function", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("byte", ["uint8", "bool"])
def test_copies_of_bytes(function, byte):
    is_found, found, floats = found_in(function, BYTES.astype(byte))
    assert is_found
    np.testing.assert_array_equal(found.astype("float32"), floats)


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS)
def test_other_tensors(function):
    is_found, found, floats = found_in(function)
    assert not is_found
    np.testing.assert_array_equal(found, floats)


def test_in_eager_mode_and_of_constants_floats_are_read():
    x = tf.cast(BYTES, tf.float32)
    assert handoff.bytes_of(x) is x
    is_found, found, _ = found_in(lambda _: x)  # an eager tensor in a graph
    assert not is_found
    np.testing.assert_array_equal(found, x)


def test_bytes_of_an_outer_graph():
    """A layer in a branch: the tensor was made outside."""

    @tf.function
    def run(x):
        floats = tf.cast(x, tf.float32)
        return tf.cond(tf.size(x) > 0, lambda: handoff.bytes_of(floats) + 1, lambda: x)

    np.testing.assert_array_equal(run(tf.constant(BYTES)), BYTES + 1)


@pytest.mark.parametrize("name", [n for n in LAYERS if n != "matmul, one of each"])
def test_layers_hand_on_bytes(name):
    """The op of every layer, between any two: nothing announces them."""
    layer = LAYERS[name]
    spikes, *rest = layer.arrays(0.05)
    is_found, found, floats = found_in(lambda x: layer.run(x, *rest, NEURON)[0], spikes.numpy())
    assert is_found and np.any(floats)
    np.testing.assert_array_equal(found, floats)


def test_gradients_that_are_no_pools():
    layer = LAYERS["conv"]
    spikes, weights, _ = layer.arrays(0.05)
    seen = []

    @tf.custom_gradient
    def look(x):
        return tf.identity(x), lambda grad: seen.append(handoff.before_pool(grad)) or grad

    @tf.function
    def gradient(spikes, after):
        with tf.GradientTape() as tape:
            tape.watch(spikes)
            fired = look(layer.run(spikes, weights, None, NEURON)[0])
            pooled, _ = sum_pool2d_layer(fired, 0.5, NEURON, (2, 2), (2, 2), "valid")
            total = tf.reduce_sum(pooled) + (tf.reduce_sum(fired) if after else 0)
        return tape.gradient(total, spikes)

    gradient(spikes, False)
    assert isinstance(seen[-1], handoff.GradientBeforePool)
    arguments = seen[-1].arguments
    assert arguments["pool_size"] == arguments["strides"] == [2, 2]
    assert arguments["neuron"] == "srm" and arguments["exodus"] is False
    gradient(spikes, True)  # of two readers, the sum
    assert isinstance(seen[-1], handoff.Gradient)
    assert isinstance(handoff.before_pool(tf.ones([2, 3])), handoff.Gradient)
