"""Neurons that feed each other by a convolution: the native loop, its twin, and a matrix."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from recurrent_cases import KINDS

import keras_slayer as ks
from keras_slayer import ops
from keras_slayer.ops.recurrent_reference import reference_recurrent

STEPS, MAPS = 12, (4, 5, 3)
each_kind = pytest.mark.parametrize("kind", KINDS)


def arrays(dtype="float64", batch=2, steps=STEPS, maps=MAPS, kernel=(3, 3, 3), grid=64):
    """Synaptic input and kernel, multiples of 1 / grid: sums are the same in any order."""
    rng = np.random.default_rng(0)
    z = np.round(grid * rng.normal(0.3, 1, size=(batch, steps, *maps))) / grid
    shape = (*kernel, maps[-1])
    weights = np.round(grid * rng.normal(size=shape) / np.prod(kernel) ** 0.5) / grid
    return tf.cast(z, dtype), tf.cast(weights, dtype)


def run(z, weights, neuron, backend="native"):
    """[spikes, membrane], and the gradients of both inputs."""
    with cases.backend(backend), tf.GradientTape() as tape:
        tape.watch([z, weights])
        spikes, membrane = ops.fire_recurrent(z, weights, neuron)
        noise = tf.cast(np.random.default_rng(1).normal(size=spikes.shape), spikes.dtype)
        gradients = tape.gradient(
            spikes, [z, weights], output_gradients=noise, unconnected_gradients="zero"
        )
    return [spikes, membrane], gradients


def matrix_of(kernel, maps):
    """A convolution with padding "same" as weights (units, units)."""
    units = int(np.prod(maps))
    each = np.eye(units).reshape(units, *maps)
    return tf.reshape(tf.nn.conv2d(each, kernel, 1, "SAME"), (units, units))


@each_kind
def test_native_equals_reference(kind):
    z, weights = arrays()
    outputs, gradients = run(z, weights, KINDS[kind])
    expected, others = run(z, weights, KINDS[kind], "reference")
    assert 0.03 < np.mean(outputs[0]) < 0.7
    for actual, other in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(actual, other)
    for actual, other in zip(gradients, others, strict=True):
        assert np.any(actual)
        cases.assert_close(actual, other, 1e-12)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float16", 0.015), ("bfloat16", None)]
)
def test_dtypes(dtype, tolerance):
    z, weights = arrays(dtype)
    kind = KINDS["alif-exponential-exodus"]
    outputs, gradients = run(z, weights, kind)
    expected, others = run(z, weights, kind, "reference")
    for actual, other in zip(outputs, expected, strict=True):
        assert actual.dtype == dtype and np.any(actual)
        np.testing.assert_array_equal(actual, other)
    for actual, other in zip(gradients, others, strict=True):
        assert actual.dtype == dtype and np.any(actual)
        if tolerance is not None:  # the native gradient reads the membrane as it was rounded
            cases.assert_close(actual, other, tolerance)


@pytest.mark.parametrize("kind", ["cuba-exponential-slayer", "loihi-exponential-exodus"])
def test_it_is_the_matrix_of_the_convolution(kind):
    z, weights = arrays()
    maps, (dz, dweights) = run(z, weights, KINDS[kind])
    with tf.GradientTape() as tape:
        tape.watch([z, weights])
        flat = tf.reshape(z, (2, STEPS, -1))
        spikes, _ = ops.fire_recurrent(flat, matrix_of(weights, MAPS), KINDS[kind])
        noise = np.random.default_rng(1).normal(size=z.shape)
        others = tape.gradient(spikes, [z, weights], output_gradients=noise.reshape(flat.shape))
    np.testing.assert_array_equal(tf.reshape(maps[0], spikes.shape), spikes)
    cases.assert_close(dz, others[0], 1e-12)
    cases.assert_close(dweights, others[1], 1e-12)


@pytest.mark.parametrize(
    ("batch", "steps", "maps", "kernel"),
    [
        (0, 4, (3, 3, 2), (3, 3, 2)),
        (2, 0, (3, 3, 2), (3, 3, 2)),
        (1, 1, (1, 1, 1), (1, 1, 1)),
        (3, 3, (5, 4, 4), (2, 4, 2)),  # an even kernel, two groups
        (1, 3, (2, 3, 2), (5, 7, 2)),  # larger than the maps
        (2, 4, (9, 16, 24), (3, 3, 24)),  # several blocks of neurons
    ],
    ids=str,
)
def test_shapes(batch, steps, maps, kernel):
    z, weights = arrays("float64", batch, steps, maps, kernel)
    for kind in ("srm-exponential-exodus", "cuba-exponential-slayer"):
        found, gradients = run(z, weights, KINDS[kind])
        expected, others = run(z, weights, KINDS[kind], "reference")
        assert found[0].shape == (batch, steps, *maps)
        np.testing.assert_array_equal(found[0], expected[0])
        for actual, other in zip(gradients, others, strict=True):
            cases.assert_close(actual, other, 1e-12)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "slayer" in kind])
def test_chunks_are_the_whole(kind):
    z, weights = arrays("float32")
    for backend in ("native", "reference"):
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


@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
def test_learned_parameters(gradient):
    """Per channel, from a state, as the reference has them."""
    neuron, (z, weights) = ks.CUBA(1.0, gradient=gradient, surrogate_tau=0.5), arrays()
    half = ops.fire_recurrent(z[:, :5], weights, neuron, return_state=True)[2]
    found = {}
    for name, fire in {
        "native": ops.recurrent.fire_recurrent_from,
        "reference": reference_recurrent,
    }.items():
        by = {n: tf.constant([0.1, -0.2, 0.05], tf.float64) for n in neuron.learnable}
        with tf.GradientTape() as tape:
            tape.watch(by)
            bound = neuron.with_tensors({n: neuron.changed(n, w) for n, w in by.items()})
            spikes = fire(z, weights, bound, half)[0]
            noise = np.random.default_rng(1).normal(size=spikes.shape)
            found[name] = spikes, tape.gradient(spikes, by, output_gradients=noise)
    np.testing.assert_array_equal(*(spikes for spikes, _ in found.values()))
    for parameter in neuron.learnable:
        mine, twin = (np.asarray(gradients[parameter]) for _, gradients in found.values())
        assert np.all(twin != 0)
        np.testing.assert_allclose(mine, twin, rtol=1e-9)


Z, W = np.zeros((2, 5, 4, 4, 3), "float32"), np.zeros((3, 3, 3, 3), "float32")


@pytest.mark.parametrize(
    ("z", "weights", "state", "message"),
    [
        (Z[:, :, 0], W, None, r"\(batch, time, height, width, filters\). Received: .*\(2, 5, 4, 3"),
        (Z, W[..., :2], None, r"as many filters. Received: weights of shape \(3, 3, 3, 2\)"),
        (Z, W[:, :, :2], None, r"\(kernel height, kernel width, filters / groups, filters\)"),
        (Z, W.astype("float64"), None, "Received: weights of float64, synaptic_input of float32"),
        (Z, W, np.zeros((2, 4, 4, 4, 3)), r"has the shape \(2, 5, 4, 4, 3\)"),
    ],
)
def test_errors(z, weights, state, message):
    with pytest.raises(ValueError, match=message):
        ops.fire_recurrent(z, weights, ks.SRM(), initial_state=state)


def test_errors_of_the_ops():
    native = cases.native_ops()
    options = {"names": [], "params": [], "neuron": "srm", "strides": [1, 1], "dilations": [1, 1]}
    options |= {"padding_before": [1, 1], "input_size": [4, 4, 3]}
    for z, size in ((Z, [4, 3]), (Z[:, :, :3], [4, 4]), (Z[0], [4, 4])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be maps"):
            native.keras_slayer_recurrent_conv2d_layer(
                synaptic_input=z, weights=W, output_size=size, state=[], **options
            )
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be maps"):
            native.keras_slayer_recurrent_conv2d_layer_grad(
                grad_spikes=z, membrane=z, weights=W, output_size=size, later=[], **options
            )
    with pytest.raises(tf.errors.InvalidArgumentError, match="params must have"):
        native.keras_slayer_recurrent_conv2d_layer(
            synaptic_input=Z, weights=W, output_size=[4, 4], state=[], **options
        )
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be finite"):
        ops.fire_recurrent(np.nan * Z, W, ks.LoihiCUBA())
