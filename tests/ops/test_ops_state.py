"""A series in chunks, each from the state after the one before, gives what it gives as a whole."""

import itertools

import cases
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import NEURONS

import keras_slayer as ks
from keras_slayer.ops import neurons, responses, state
from keras_slayer.ops.filters import fir_with_state
from keras_slayer.ops.synapses.conv2d import conv2d_synapse
from keras_slayer.ops.synapses.matmul import matmul_synapse
from keras_slayer.ops.synapses.sum_pool2d import sum_pool2d_synapse
from keras_slayer.ops.synapses.synaptic_input import fire

CUTS = [0, 4, 4, 5, 13, 20]  # a chunk of no steps, and one of a single step
KINDS = {
    **{
        name: NEURONS[f"{name}-exponential-slayer"]
        for name in ("srm", "cuba", "loihi", "alif", "rf")
    },
    "truncated": ks.SRM(threshold=1.0, tau_response=2.0, kernel_cutoff=0.05),
}


@pytest.fixture(params=["native", "reference"])
def backend(request):
    with cases.backend(request.param):
        yield request.param


each_backend = pytest.mark.usefixtures("backend")


def random(seed: int = 0):
    return np.random.default_rng(seed)


def spikes(*shape, density=0.05):
    return (random(1).random(shape) < density).astype("float32")


def weights(*shape, dtype="float32"):
    return tf.cast(1.5 * random(2).normal(size=shape) + 0.3, dtype)


# What a neuron is fed from a chunk of the input.
INPUTS = {
    "tensor": (lambda d: random().normal(size=(2, 20, 300)), lambda x, d: x),
    "matmul": (
        lambda d: spikes(2, 20, 60),
        lambda x, d: matmul_synapse(x, weights(60, 80, dtype=d)) + weights(80, dtype=d),
    ),
    "few units": (
        lambda d: spikes(2, 20, 60),
        lambda x, d: matmul_synapse(x, weights(60, 7, dtype=d)),
    ),
    "dense": (
        lambda d: spikes(2, 20, 60, density=0.6),
        lambda x, d: matmul_synapse(x, weights(60, 80, dtype=d) / 4),
    ),
    "conv": (
        lambda d: spikes(2, 20, 6, 5, 2),
        lambda x, d: conv2d_synapse(
            x, weights(3, 3, 2, 4, dtype=d), strides=(1, 1), padding="same", dilations=(1, 1)
        ),
    ),
    "pool": (
        lambda d: spikes(2, 20, 6, 5, 2, density=0.3),
        lambda x, d: sum_pool2d_synapse(
            x, (2, 2), strides=(2, 2), padding="valid", weight=1.1, dtype=d
        ),
    ),
}


def in_chunks(run, series, cuts):
    """Outputs over time, and the state after the last chunk; ``run(chunk, state)``."""
    parts, carried = [], None
    for start, stop in itertools.pairwise(cuts):
        *outputs, carried = run(series[:, start:stop], carried)
        parts.append(outputs)
    return [np.concatenate(part, axis=1) for part in zip(*parts, strict=True)], carried.numpy()


def assert_chunks_are_the_whole(run, series, cuts=CUTS):
    whole, last = in_chunks(run, series, [0, series.shape[1]])
    chunks, carried = in_chunks(run, series, cuts)
    for actual, expected in zip([*chunks, carried], [*whole, last], strict=True):
        np.testing.assert_array_equal(actual, expected)
    return whole


def runs(kind, source, dtype):
    make, feed = INPUTS[source]
    neuron = KINDS[kind]

    def run(chunk, carried):
        return fire(feed(chunk, dtype), neuron, initial_state=carried, return_state=True)

    return tf.cast(make(dtype), dtype), run


@each_backend
@pytest.mark.parametrize("source", INPUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_neurons(kind, source):
    series, run = runs(kind, source, "float32")
    fired, _ = assert_chunks_are_the_whole(run, series)
    assert fired.any()


@pytest.mark.parametrize("dtype", [d for d in cases.DTYPES if d != "float32"])
@pytest.mark.parametrize("source", ["tensor", "matmul", "conv"])
@pytest.mark.parametrize("kind", ["srm", "alif", "truncated"])
def test_dtypes(kind, source, dtype):
    series, run = runs(kind, source, dtype)
    assert_chunks_are_the_whole(run, series)


@pytest.mark.parametrize("kind", KINDS)
def test_one_chunk_is_a_call_without_a_state(kind):
    series, run = runs(kind, "matmul", "float32")
    fired, membrane = fire(INPUTS["matmul"][1](series, "float32"), KINDS[kind])
    for actual, expected in zip(run(series, None)[:2], (fired, membrane), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_each_step_by_itself():
    series, run = runs("srm", "matmul", "float32")
    assert_chunks_are_the_whole(run, series, list(range(21)))


def test_the_backends_have_one_state(monkeypatch):
    """Saved by one, read by the other."""
    found = {}
    for backend in ("native", "reference"):
        with cases.backend(backend):
            for kind in KINDS:
                series, run = runs(kind, "tensor", "float64")
                found[backend, kind] = run(series, None)[-1].numpy()
    for kind, neuron in KINDS.items():
        native, reference = found["native", kind], found["reference", kind]
        assert native.shape[1] == neurons.state_size(neuron)
        np.testing.assert_allclose(native, reference, rtol=1e-12, atol=1e-12)


def test_inputs_too_large_for_floats_are_exact_in_the_next_chunk():
    """The chip's integers then are doubles, and stay so where the state needs them."""
    z = np.zeros((1, 8, 3), np.float32)
    z[0, 1] = [3000.0, 2.0**20, 1.0]
    z[0, 5] = 0.25

    def run(chunk, carried):
        neuron = ks.LoihiCUBA(90, 100, 100)
        return fire(tf.constant(chunk), neuron, initial_state=carried, return_state=True)

    assert_chunks_are_the_whole(run, z, list(range(9)))


@each_backend
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_filters(dtype):
    series = tf.cast(random().normal(size=(2, 20, 300)), dtype)
    for neuron in KINDS.values():
        size = responses.response_state_size(neuron)

        def run(chunk, carried, neuron=neuron, size=size):
            before = state.at_rest(size, chunk) if carried is None else carried
            return responses.response_with_state(chunk, neuron, before)

        (y,) = assert_chunks_are_the_whole(run, series)
        np.testing.assert_array_equal(y, ks.ops.response(series, neuron))

    def fir(chunk, carried):
        before = state.at_rest(3, chunk) if carried is None else carried
        return fir_with_state(chunk, [0.5, -1.0, 0.25, 2.0], before)

    (y,) = assert_chunks_are_the_whole(fir, series)
    np.testing.assert_array_equal(y, ks.ops.temporal_filter(series, [0.5, -1.0, 0.25, 2.0]))


def test_gradients_end_at_the_state():
    """Those of a chunk are those of the ops; the state itself has none."""
    x, w = tf.constant(spikes(2, 20, 60)), weights(60, 80)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        *_, carried = fire(matmul_synapse(x[:, :9], w), KINDS["srm"], return_state=True)
        fired, *_ = fire(
            matmul_synapse(x[:, 9:], w), KINDS["srm"], initial_state=carried, return_state=True
        )
    grad_x, grad_w = tape.gradient(fired, [x, w])
    assert not np.any(grad_x[:, :9]) and np.any(grad_x[:, 9:]) and np.any(grad_w)


@each_backend
def test_a_state_of_another_shape():
    z = np.zeros((2, 5, 3), np.float32)
    for shape in ((2, 3, 3), (1, 4, 3), (2, 4, 4), (4,)):
        with pytest.raises(ValueError, match=r"has the shape \(2, 4, 3\)\. Received: a state of s"):
            fire(z, ks.SRM(), initial_state=np.zeros(shape))
