"""Gradients of convolutions under pools: read as those of the pools' spikes, where graphs allow."""

import cases
import layer_ops
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import LAYERS, NEURONS, evaluate_pooled

from keras_slayer.ops import pooled_gradient
from keras_slayer.ops.pooled_gradient import PooledGradient
from keras_slayer.ops.sum_pool2d import sum_pool2d_layer

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


@pytest.mark.parametrize(("name", "pool"), sorted(set(PAIRS)))
def test_the_same_as_of_every_spike(name, pool, monkeypatch):
    """To the bit, and as the plain twin has it."""
    layer, pool = LAYERS[name], POOLS[pool]
    read, options = [], PooledGradient.native_options
    monkeypatch.setattr(
        PooledGradient, "native_options", lambda self: read.append(self) or options(self)
    )
    for density, kind in ((SPARSE, "srm-exponential-slayer"), (DENSE, "loihi-triangle-exodus")):
        inputs, spec = layer.arrays(density), NEURONS[kind].spec
        gradients = evaluate_pooled(layer, pool, inputs, spec, "native")
        assert read
        with monkeypatch.context() as patch:
            patch.setattr(pooled_gradient, "remember", lambda gradient, pooled: gradient)
            read.clear()
            whole = evaluate_pooled(layer, pool, inputs, spec, "native")
            assert not read
        plain = evaluate_pooled(layer, pool, inputs, spec, "reference")
        assert np.any(gradients[1])
        for actual, expected, p in zip(gradients, whole, plain, strict=True):
            np.testing.assert_array_equal(actual, expected)
            cases.assert_close(actual, p, 1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@each_pool
def test_other_types(pool, dtype):
    layer, spec = LAYERS["conv"], NEURONS["srm-exponential-slayer"].spec
    inputs = layer.arrays(SPARSE, dtype=dtype)
    gradients = evaluate_pooled(layer, pool, inputs, spec, "native")
    eager = evaluate_pooled(layer, pool, inputs, spec, "native", graph=False)
    tolerance = {"float64": 1e-12, "float16": 2e-2, "bfloat16": 0.1}[dtype]
    for actual, expected in zip(gradients, eager, strict=True):
        assert actual.dtype == dtype
        cases.assert_close(actual, expected, tolerance)


@pytest.mark.parametrize("density", [SPARSE, DENSE])
def test_with_a_bias(density):
    layer, pool, spec = LAYERS["conv"], POOLS["pairs"], NEURONS["cuba-exponential-slayer"].spec
    inputs = layer.arrays(density, bias=True)
    gradients = evaluate_pooled(layer, pool, inputs, spec, "native")
    plain = evaluate_pooled(layer, pool, inputs, spec, "reference")
    for actual, expected in zip(gradients, plain, strict=True):
        assert np.any(actual)
        cases.assert_close(actual, expected, 1e-4)


@pytest.mark.parametrize("batch", [0, 1, 4, 20])
def test_batches(batch):
    layer, pool, spec = LAYERS["conv, many channels"], POOLS["pairs"], layer_ops.POOL
    inputs = layer.arrays(SPARSE, batch=batch, steps=9)
    gradients = evaluate_pooled(layer, pool, inputs, spec, "native")
    plain = evaluate_pooled(layer, pool, inputs, spec, "reference")
    for actual, expected in zip(gradients, plain, strict=True):
        cases.assert_close(actual, expected, 1e-4)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_spikes_with_another_reader(backend):
    """Whose gradient is added to the pool's: nothing is to be had from the pool's alone."""
    layer, spec = LAYERS["conv"], NEURONS["srm-exponential-slayer"].spec
    given = layer.arrays(SPARSE)[:2]

    def gradients(*given):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(given)
            spikes, _ = layer.run(*given, None, spec)
            pooled, _ = sum_pool2d_layer(spikes, 0.75, layer_ops.POOL, *POOLS["pairs"])
            losses = [tf.reduce_sum(pooled**2), tf.reduce_sum(tf.sin(spikes) * spikes)]
            total = tf.add_n(losses)
        return [tape.gradient(loss, given) for loss in (*losses, total)]

    with cases.backend(backend):
        first, second, both = tf.function(gradients)(*given)
    for a, b, sum_ in zip(first, second, both, strict=True):
        assert np.any(a) and np.any(b)
        cases.assert_close(sum_, a + b, 1e-5)
