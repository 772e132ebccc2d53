"""Sparse inputs of products, and the check of a product and its gradients against an oracle."""

import cases
import numpy as np
import pytest
import tensorflow as tf

BACKENDS = pytest.mark.parametrize("name", ["native", "reference"])
TOLERANCE = {"float32": 2e-6, "float64": 1e-14, "float16": 4e-3, "bfloat16": 3e-2}


def densities(crossover):
    return (0.0, 0.005, crossover - 0.02, crossover + 0.02, 0.5, 1.0)


def exactly_dense(rng, shape, density):
    """Values other than 0 and 1 among them, and that fraction of nonzeros to the element."""
    size = int(np.prod(shape))
    values = np.zeros(size)
    values[rng.permutation(size)[: round(density * size)]] = 1
    return values.reshape(shape) * rng.choice([1, 1, 2, -0.5], size=shape)


def product_and_gradients(function, spikes, weights, upstream):
    inputs = [spikes, weights]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        out = function(*inputs)
    return [out, *tape.gradient(out, inputs, output_gradients=tf.cast(upstream, out.dtype))]


def check(name, dtype, function, oracle, spikes, weights):
    """``oracle(spikes, weights, upstream)``: output, dspikes and dweights in float64."""
    spikes, weights = tf.cast(spikes, dtype), tf.cast(weights, dtype)
    exact = [tf.cast(x, tf.float64).numpy() for x in (spikes, weights)]
    with cases.backend(name):
        shape = function(spikes, weights).shape
        upstream = tf.cast(np.random.default_rng(8).normal(size=shape), dtype)
        actual = product_and_gradients(function, spikes, weights, upstream)
    expected = oracle(*exact, tf.cast(upstream, tf.float64).numpy())
    for what, a, e in zip(("output", "dspikes", "dweights"), actual, expected, strict=True):
        assert a.dtype == dtype
        cases.assert_close(a, e, TOLERANCE[dtype], what)
