"""What the products share: shapes known at run time only, persistent tapes, limits of density."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from product_cases import BACKENDS, exactly_dense, product_and_gradients

from keras_slayer import ops
from keras_slayer.ops import selection


@BACKENDS
@pytest.mark.parametrize("density", [0.02, 0.5])
def test_unknown_static_shapes_in_a_function(name, density):
    rng = np.random.default_rng(7)
    rows, matrix = exactly_dense(rng, (2, 5, 30), density), rng.normal(size=(30, 4))
    frames, kernel = exactly_dense(rng, (2, 5, 4, 3, 2), density), rng.normal(size=(2, 2, 2, 4))
    upstream = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 3, 2, 4))

    def both(rows, matrix, frames, kernel):
        return [
            *product_and_gradients(ops.spike_matmul, rows, matrix, upstream[0]),
            *product_and_gradients(ops.spike_conv2d, frames, kernel, upstream[1]),
        ]

    inputs = [tf.constant(x) for x in (rows, matrix, frames, kernel)]
    shapes = [[None] * 3, [None] * 2, [None, None, 4, 3, 2], [2, 2, 2, 4]]
    signature = [tf.TensorSpec(shape, tf.float64) for shape in shapes]
    with cases.backend(name):
        traced = tf.function(both, input_signature=signature)(*inputs)
        for actual, expected in zip(traced, both(*inputs), strict=True):
            cases.assert_close(actual, expected, 1e-14)


def test_densities_up_to_which_events_are_used(monkeypatch):
    """More units and wider runs of filters move more numbers per event, which costs less each."""
    monkeypatch.undo()
    limits = [selection.matmul_max_density(units) for units in (1, 32, 64, 128, 512, 10**9)]
    assert limits == sorted(limits) and 0.05 < limits[0] < limits[-1] < 0.2
    assert selection.matmul_max_density(None) <= selection.matmul_max_density(64)
    few, many = (selection.conv2d_max_density(w) for w in ((5, 5, 2, 12), (5, 5, 12, 64)))
    assert 0.1 < few < many < 0.3


@BACKENDS
@pytest.mark.parametrize("density", [0.05, 0.5])
def test_persistent_tapes(name, density):
    """In a function they look into the branches of the products, events' and dense."""
    rng = np.random.default_rng(5)
    given = {
        ops.spike_matmul: ((2, 9, 30), (30, 70)),
        ops.spike_conv2d: ((2, 3, 6, 7, 2), (3, 3, 2, 4)),
    }
    for op, (shape, weights) in given.items():
        x = tf.constant(cases.spikes_like(rng, shape, density), tf.float32)
        w = tf.constant(rng.normal(size=weights), tf.float32)

        def gradients(x, w, persistent, op=op):
            with tf.GradientTape(persistent=persistent) as tape:
                tape.watch([x, w])
                loss = tf.reduce_sum(op(x, w) ** 2)
            return tape.gradient(loss, [x, w])

        with cases.backend(name):
            actual = tf.function(gradients)(x, w, True)
            expected = gradients(x, w, False)
        for a, e in zip(actual, expected, strict=True):
            assert np.any(e)
            cases.assert_close(a, e, 1e-6)
