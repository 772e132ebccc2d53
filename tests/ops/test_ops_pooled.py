"""Gradients of convolutions under pools: read as those of the pools' spikes, where graphs allow."""

import functools

import cases
import layer_ops
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import LAYERS, NEURONS, evaluate_pooled, sum_pool2d_layer

from keras_slayer.ops import handoff

CONVOLUTIONS = [name for name in LAYERS if "conv" in name]
POOLS = {
    "one each": ((1, 1), (1, 1), "valid"),
    "pairs": ((2, 2), (2, 2), "valid"),
    "same": ((2, 3), (2, 3), "same"),
    "overlapping": ((3, 2), (1, 1), "same"),
    "gaps": ((1, 2), (2, 3), "same"),
    "wide": ((9, 9), (9, 9), "same"),
}
SPARSE, DENSE = 0.05, 0.5
each_pool = pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
# All pools under some convolutions, and one of them under all.
PAIRS = [
    *((name, pool) for name in ("conv", "conv, many bands", "conv, groups") for pool in POOLS),
    *((name, "pairs") for name in CONVOLUTIONS if name != "conv, one pixel"),
    ("conv, one pixel", "one each"),
]


def without_handoff(monkeypatch):
    """The gradient of every spike is read."""
    monkeypatch.setattr(handoff, "before_pool", handoff.Gradient)


def assert_same(layer, geometry, inputs, neuron, pool, monkeypatch):
    """As of every spike, to the bit, and as the reference has it."""
    run = functools.partial(evaluate_pooled, layer, geometry, inputs, neuron, pool=pool)
    read, gradient_of = [], handoff.GradientBeforePool.conv2d_layer_grad

    def recorded(self, **arguments):
        read.append(self)
        return gradient_of(self, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(handoff.GradientBeforePool, "conv2d_layer_grad", recorded)
        gradients = run("native")
        assert read
        read.clear()
        without_handoff(patch)
        whole = run("native")
        assert not read
    plain = run("reference")
    assert np.any(gradients[1])
    for actual, expected, p in zip(gradients, whole, plain, strict=True):
        np.testing.assert_array_equal(actual, expected)
        cases.assert_close(actual, p, 1e-4)


@pytest.mark.parametrize(("name", "pool"), sorted(set(PAIRS)))
def test_the_same_as_of_every_spike(name, pool, monkeypatch):
    layer, geometry = LAYERS[name], POOLS[pool]
    for density, kind in ((SPARSE, "srm-exponential-slayer"), (DENSE, "loihi-triangle-exodus")):
        inputs, neuron = layer.arrays(density), NEURONS[kind]
        assert_same(layer, geometry, inputs, neuron, layer_ops.POOL, monkeypatch)


@pytest.mark.parametrize("pool", NEURONS)
def test_neurons_of_the_pool(pool, monkeypatch):
    """All kinds, surrogates and gradients, other than those of the convolution."""
    layer, neuron = LAYERS["conv"], NEURONS["srm-exponential-slayer"]
    inputs = layer.arrays(SPARSE)
    assert_same(layer, POOLS["pairs"], inputs, neuron, NEURONS[pool], monkeypatch)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@each_pool
def test_other_types(pool, dtype):
    layer, neuron = LAYERS["conv"], NEURONS["srm-exponential-slayer"]
    inputs = layer.arrays(SPARSE, dtype=dtype)
    gradients = evaluate_pooled(layer, pool, inputs, neuron, "native")
    eager = evaluate_pooled(layer, pool, inputs, neuron, "native", graph=False)
    tolerance = {"float64": 1e-12, "float16": 2e-2, "bfloat16": 0.1}[dtype]
    for actual, expected in zip(gradients, eager, strict=True):
        assert actual.dtype == dtype
        cases.assert_close(actual, expected, tolerance)


@pytest.mark.parametrize("density", [SPARSE, DENSE])
def test_with_a_bias(density):
    layer, pool, neuron = LAYERS["conv"], POOLS["pairs"], NEURONS["cuba-exponential-slayer"]
    inputs = layer.arrays(density, bias=True)
    gradients = evaluate_pooled(layer, pool, inputs, neuron, "native")
    plain = evaluate_pooled(layer, pool, inputs, neuron, "reference")
    for actual, expected in zip(gradients, plain, strict=True):
        assert np.any(actual)
        cases.assert_close(actual, expected, 1e-4)


@pytest.mark.parametrize("batch", [0, 1, 4, 20])
def test_batches(batch):
    layer, pool, neuron = LAYERS["conv, many channels"], POOLS["pairs"], layer_ops.POOL
    inputs = layer.arrays(SPARSE, batch=batch, steps=9)
    gradients = evaluate_pooled(layer, pool, inputs, neuron, "native")
    plain = evaluate_pooled(layer, pool, inputs, neuron, "reference")
    for actual, expected in zip(gradients, plain, strict=True):
        cases.assert_close(actual, expected, 1e-4)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_spikes_with_another_reader(backend):
    """Whose gradient is added to the pool's: nothing is to be had from the pool's alone."""
    layer, neuron = LAYERS["conv"], NEURONS["srm-exponential-slayer"]
    given = layer.arrays(SPARSE)[:2]

    def gradients(*given):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(given)
            spikes, _ = layer.run(*given, None, neuron)
            pooled, _ = sum_pool2d_layer(spikes, 0.75, layer_ops.POOL, *POOLS["pairs"])
            losses = [tf.reduce_sum(pooled**2), tf.reduce_sum(tf.sin(spikes) * spikes)]
            total = tf.add_n(losses)
        return [tape.gradient(loss, given) for loss in (*losses, total)]

    with cases.backend(backend):
        first, second, both = tf.function(gradients)(*given)
    for a, b, sum_ in zip(first, second, both, strict=True):
        assert np.any(a) and np.any(b)
        cases.assert_close(sum_, a + b, 1e-5)
