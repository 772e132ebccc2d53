"""The backward pass of a chunk continues that of the next one: together they are the whole, to the
bit, whatever the neuron."""

from itertools import pairwise

import cases
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import NEURONS

from keras_slayer.neurons import LoihiCUBA
from keras_slayer.ops import filters, neurons, state
from keras_slayer.ops.feedback import feedback_of

CUTS = [0, 4, 4, 5, 13, 20]  # a chunk of no steps, and one of a single step
CHUNKS = list(pairwise(CUTS))[::-1]
KINDS = {name: neuron for name, neuron in NEURONS.items() if "exponential" in name}
NEURONS_OF_A_STEP = 133  # more than a block of the kernels takes
each_kind = pytest.mark.parametrize("kind", KINDS)


def series(*shape, dtype, seed=0):
    return tf.cast(np.random.default_rng(seed).normal(size=(2, CUTS[-1], *shape)), dtype)


def in_chunks(backward, *given):
    """What ``backward(*given of a chunk, later)`` returns before ``earlier``, for every chunk."""
    later, parts = tf.cast(given[0][:, :0], "float64"), []
    for first, last in CHUNKS:
        *part, later = backward(*(x[:, first:last] for x in given), later)
        parts.append(part)
    return list(zip(*parts[::-1], strict=True))


@each_kind
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_neurons(kind, dtype):
    neuron = KINDS[kind]
    u = series(NEURONS_OF_A_STEP, dtype=dtype) * neuron.firing_threshold
    grad = series(NEURONS_OF_A_STEP, dtype=dtype, seed=1)
    whole, _ = neurons.native_grad(grad, u, neuron)
    (parts,) = in_chunks(
        lambda g, u, later: neurons.native_grads(g, u, neuron, later=[later]), grad, u
    )
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    alone, _ = neurons.native_grad(grad[:, :4], u[:, :4], neuron)
    assert np.any(alone != whole[:, :4])


@each_kind
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_learned_parameters(kind, dtype):
    neuron = KINDS[kind]
    per = () if isinstance(neuron, LoihiCUBA) else (NEURONS_OF_A_STEP,)
    values = {
        name: neuron.changed(name, tf.fill(per, tf.constant(0.1, "float64")))
        for name in neuron.learnable
    }
    neuron = neuron.with_tensors(values)
    u = series(NEURONS_OF_A_STEP, dtype=dtype) * float(KINDS[kind].firing_threshold)
    grad = series(NEURONS_OF_A_STEP, dtype=dtype, seed=1)
    whole, sums = neurons.native_grads(grad, u, neuron)

    def backward(g, u, later):
        return neurons.native_grads(g, u, neuron, later=[later])

    parts, of_parts = in_chunks(backward, grad, u)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    scale = np.abs(sums).max(axis=-1, keepdims=True) if per else np.abs(sums)
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    error = np.abs(np.sum([np.asarray(p) for p in of_parts], axis=0) - sums)
    assert np.all(error <= tolerance * np.maximum(scale, 1e-30))


@each_kind
@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("shape", [(NEURONS_OF_A_STEP,), (5, 4, 3)], ids=["matrix", "maps"])
def test_neurons_that_feed_each_other(kind, dtype, shape):
    neuron = KINDS[kind]
    u = series(*shape, dtype=dtype) * neuron.firing_threshold
    grad = series(*shape, dtype=dtype, seed=1)
    size = (shape[0],) * 2 if len(shape) == 1 else (3, 2, shape[-1], shape[-1])
    weights = tf.cast(0.3 * np.random.default_rng(2).normal(size=size), dtype)
    feedback = feedback_of(u, weights)
    whole, _ = feedback.input_grad(grad, u, weights, neuron)

    def backward(g, u, later):
        dz, (earlier,) = feedback.input_grad(g, u, weights, neuron, [later])
        return dz, earlier

    (parts,) = in_chunks(backward, grad, u)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize(
    "options", [("alpha", 0.7, 1.3), ("exponential", 0.8, 1.0), ("oscillator", 0.6, 0.5)]
)
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_gradients_of_the_state_of_a_filter(options, backend):
    """Of any function of outputs and last state; the filter is linear, so differences are exact."""
    x, random = series(3, dtype="float64"), np.random.default_rng(1)
    numbers = 1 if options[0] == "exponential" else 2
    start, of_state = (tf.constant(random.normal(size=(2, numbers, 3))) for _ in range(2))
    of_output = tf.constant(random.normal(size=x.shape))

    def value(x, start):
        y, after = filters.filter_with_state(x, *options, start)
        return tf.reduce_sum(of_output * y) + tf.reduce_sum(of_state * after)

    with cases.backend(backend), state.linked():
        with tf.GradientTape() as tape:
            tape.watch([x, start])
            loss = value(x, start)
        for given, gradient in zip((x, start), tape.gradient(loss, [x, start]), strict=True):
            direction = tf.constant(random.normal(size=given.shape))
            moved = [given + direction if y is given else y for y in (x, start)]
            change = float(value(*moved) - loss)
            assert change == pytest.approx(float(tf.reduce_sum(direction * gradient)), rel=1e-9)


def test_errors():
    neuron = KINDS["srm-exponential-slayer"]
    x = series(3, dtype="float32")
    for wrong in (tf.zeros((2, 3, 3), "float64"), tf.zeros((1, 0, 3), "float64")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"later must have the shape \["):
            neurons.native_grads(x, x, neuron, later=[wrong])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"later must .* shape \[2,5,3\]"):
        wrong = tf.zeros((2, 4, 3), "float64")
        feedback = feedback_of(x, tf.zeros((3, 3)))
        feedback.input_grad(x, x, feedback.weights, neuron, [wrong])
