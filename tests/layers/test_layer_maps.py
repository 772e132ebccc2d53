"""Layers mapped over a further axis: `tf.map_fn` for all, `tf.vectorized_map` one by one."""

import numpy as np
import pytest
import tensorflow as tf
from layer_cases import CASES

import keras_slayer as ks

MAPPED = ("dense-srm", "conv-loihi", "pool-cuba", "activation-srm-cutoff", "delay", "filter-srm")


def mapped(name):
    """A layer, inputs with a further axis in front, and its outputs one by one."""
    case = CASES[name]
    layer = case.make()
    x = tf.stack([case.spikes(seed=seed, density=0.2 * seed) for seed in range(1, 4)])
    outputs = np.stack([layer(part) for part in x])
    assert np.any(outputs[0] != outputs[1])
    return layer, x, outputs


@pytest.mark.parametrize("name", MAPPED)
def test_map_fn(name):
    layer, x, outputs = mapped(name)
    np.testing.assert_array_equal(tf.function(lambda x: tf.map_fn(layer, x))(x), outputs)


@pytest.mark.parametrize("name", [name for name in MAPPED if not name.startswith("conv")])
def test_vectorized_map(name):
    layer, x, outputs = mapped(name)
    np.testing.assert_array_equal(tf.vectorized_map(layer, x), outputs)


def test_jacobian():
    """It maps the gradient over the outputs: one row each, that of the gradient."""
    layer, x = ks.SpikingDense(3), tf.constant(CASES["dense-srm"].spikes(batch=1))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = layer(x)
        last = y[0, -1, 1]
    jacobian = tape.jacobian(y, x)
    assert jacobian.shape == (*y.shape, *x.shape)
    np.testing.assert_allclose(jacobian[0, -1, 1], tape.gradient(last, x), rtol=1e-6)
    assert np.any(jacobian[0, -1, 1] != 0)
