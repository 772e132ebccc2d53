"""The two gradients of a convolution and its neurons: one op, which computes what is asked for."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import LAYERS, NEURONS

SPARSE = 0.05


@pytest.mark.parametrize("asked", [(0,), (1,), (0, 1)])
def test_each_gradient_is_the_same_whatever_else_is_asked_for(asked):
    """Alone or, where threads and samples suit, in one pass: the same bits."""
    layer = LAYERS["conv, many channels"]
    inputs = layer.arrays(SPARSE, batch=4, steps=9)
    neuron = NEURONS["cuba-exponential-exodus"]

    def gradients(which):
        @tf.function
        def run(*inputs):
            with tf.GradientTape() as tape:
                tape.watch([inputs[i] for i in which])
                spikes, _ = layer.run(*inputs, None, neuron)
            noise = tf.random.stateless_normal(spikes.shape, [1, 2])
            return tape.gradient(spikes, [inputs[i] for i in which], output_gradients=noise)

        return run(*inputs[:2])

    both = gradients((0, 1))
    for i, gradient in zip(asked, gradients(asked), strict=True):
        assert np.any(gradient) and gradient.shape == inputs[i].shape
        np.testing.assert_array_equal(gradient, both[i])


@pytest.mark.parametrize("asked", [(0,), (1,), (0, 1)])
def test_gradients_that_nobody_asks_for_are_not_computed(asked):
    """The op leaves them unset."""
    layer = LAYERS["conv"]
    values = [x.numpy() for x in layer.arrays(SPARSE)[:2]]
    metadata = tf.compat.v1.RunMetadata()
    options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session, cases.backend("native"):
        inputs = [tf.compat.v1.placeholder(tf.float32, v.shape) for v in values]
        spikes, _ = layer.run(*inputs, None, NEURONS["srm-exponential-slayer"])
        gradients = tf.gradients(spikes, [inputs[i] for i in asked])
        feed = dict(zip(inputs, values, strict=True))
        session.run(gradients, feed, options=options, run_metadata=metadata)
    nodes = [node for device in metadata.step_stats.dev_stats for node in device.node_stats]
    (op,) = (node for node in nodes if node.node_name.endswith("Conv2DLayerGrad"))
    assert tuple(output.slot for output in op.output) == asked
