"""Rounding of weights in one pass against its reference, to the bit."""

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.ops.quantize import quantize

GRID = {"step": 1 / 32, "low": -4.0, "high": 4 - 1 / 32}
# One number, none, odd sizes, and more than a work item.
SHAPES = [(), (0, 3), (7,), (5, 5, 2, 12), (300, 113)]


def evaluate(backend, weights, upstream, grid):
    with cases.backend(backend), tf.GradientTape() as tape:
        tape.watch(weights)
        quantized = quantize(weights, **grid)
    return quantized, tape.gradient(quantized, weights, output_gradients=upstream)


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_native_equals_reference(shape, dtype):
    rng = np.random.default_rng(3)
    weights = tf.cast(rng.normal(scale=2.5, size=shape), dtype)
    upstream = tf.cast(rng.normal(size=shape), dtype)
    for grid in (GRID, {"step": 4.0, "low": -4.0, "high": 0.0}):
        actual, expected = (
            evaluate(backend, weights, upstream, grid) for backend in ("native", "reference")
        )
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype and a.shape == shape
            np.testing.assert_array_equal(tf.cast(a, tf.float64), tf.cast(e, tf.float64))
    if np.prod(shape) > 1000:
        clipped = np.mean(actual[1] == 0)
        assert 0.1 < clipped < 0.9


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_what_is_no_number_stays_none_and_gets_no_gradient(backend):
    weights = tf.constant([np.nan, np.inf, -np.inf, 3e38, -3e38, 1.0])
    quantized, gradient = evaluate(backend, weights, tf.ones(6), GRID)
    np.testing.assert_array_equal(quantized, [np.nan, GRID["high"], -4, GRID["high"], -4, 1])
    np.testing.assert_array_equal(gradient, [0, 0, 0, 0, 0, 1])


def test_halves_go_to_the_even_neighbour():
    halves = (np.arange(-9, 9) + 0.5) / 32
    quantized, _ = evaluate("native", tf.constant(halves, tf.float32), tf.ones(18), GRID)
    np.testing.assert_array_equal(quantized * 32, np.rint(halves * 32))


def test_the_upstream_gradient_is_left_alone():
    """It may be written over only where nobody else reads it."""
    weights, upstream = tf.constant([1.0, 9.0]), tf.constant([2.0, 3.0])
    _, gradient = evaluate("native", weights, upstream, GRID)
    np.testing.assert_array_equal(gradient, [2, 0])
    np.testing.assert_array_equal(upstream, [2, 3])


def test_persistent_tape_in_a_function():
    @tf.function
    def gradients(weights):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(weights)
            loss = tf.reduce_sum(quantize(weights, **GRID) * [3.0, 5.0])
        return tape.gradient(loss, weights), tape.gradient(loss, weights)

    for gradient in gradients(tf.constant([0.3, 4.2])):
        np.testing.assert_array_equal(gradient, [3, 0])


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_weights_must_be_floats(backend):
    with (
        cases.backend(backend),
        pytest.raises(ValueError, match=r"weights must have one of the dtypes .* dtype=int32"),
    ):
        quantize(tf.constant([1, 2]), **GRID)


@pytest.mark.parametrize(
    "grid", [{"step": 0.3}, {"step": 0.0}, {"step": -0.5}, {"low": 5.0}, {"step": np.inf}], ids=str
)
def test_grids_that_are_none(grid):
    ops = cases.native_ops()
    for run in (
        lambda **grid: ops.keras_slayer_quantize(weights=[1.0], **grid),
        lambda **grid: ops.keras_slayer_quantize_grad(weights=[1.0], grad=[1.0], **grid),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="step must be a power of two"):
            run(**{**GRID, **grid})


def test_gradient_of_another_shape():
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same shape"):
        cases.native_ops().keras_slayer_quantize_grad(
            weights=tf.zeros([2, 3]), grad=tf.zeros([3, 2]), **GRID
        )
