"""Neurons that feed each other, in chunks of time; and what they refuse."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from recurrent_cases import KINDS, STEPS, arrays, each_kind

import keras_slayer as ks
from keras_slayer import ops


@each_kind
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_chunks_are_the_whole(kind, backend):
    """Also a chunk of no steps, and of one."""
    z, weights = arrays("float32")
    with cases.backend(backend):
        spikes, _, last = ops.fire_recurrent(z, weights, KINDS[kind], return_state=True)
        parts, state = [], None
        for start, stop in ((0, 5), (5, 5), (5, 6), (6, STEPS)):
            part, _, state = ops.fire_recurrent(
                z[:, start:stop], weights, KINDS[kind], initial_state=state, return_state=True
            )
            parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), spikes)
    np.testing.assert_array_equal(state, last)
    np.testing.assert_array_equal(last[:, -1], spikes[:, -1])


@each_kind
def test_the_backends_have_one_state(kind):
    """Saved by one, read by the other, with the same gradients from there."""
    z, weights = arrays()
    found = {}
    for backend in ("native", "reference"):
        with cases.backend(backend), tf.GradientTape() as tape:
            _, _, state = ops.fire_recurrent(z, weights, KINDS[kind], return_state=True)
            tape.watch(weights)
            spikes, _ = ops.fire_recurrent(z, weights, KINDS[kind], initial_state=state)
            found[backend] = state, spikes, tape.gradient(spikes, weights)
    for actual, expected in zip(*found.values(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)


Z, W = np.zeros((2, 5, 4), "float32"), np.zeros((4, 4), "float32")


@pytest.mark.parametrize(
    ("z", "weights", "state", "message"),
    [
        (Z[0], W, None, r"input of the axes \(batch, time, units\)"),
        (Z[..., None], W, None, r"Received: synaptic_input of shape \(2, 5, 4, 1\)"),
        (Z, W[:3], None, r"weights must be a square matrix .* weights of shape \(3, 4\)"),
        (Z, W.astype("float64"), None, "Received: weights of float64, synaptic_input of float32"),
        (Z, W, np.zeros((2, 4, 4)), r"has the shape \(2, 5, 4\)"),
    ],
)
def test_errors(z, weights, state, message):
    with pytest.raises(ValueError, match=message):
        ops.fire_recurrent(z, weights, ks.SRM(), initial_state=state)


def test_errors_of_the_ops():
    native, options = cases.native_ops(), {"names": [], "params": [], "neuron": "srm"}
    for z, weights in ((Z, W[:3]), (Z[0], W)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="weights must be"):
            native.keras_slayer_recurrent_layer(
                synaptic_input=z, weights=weights, state=[], **options
            )
        with pytest.raises(tf.errors.InvalidArgumentError, match="weights must be"):
            native.keras_slayer_recurrent_layer_grad(
                grad_spikes=z, membrane=z, weights=weights, later=[], **options
            )
