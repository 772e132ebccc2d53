"""Neurons that feed each other: the native loop, its twin, and the equations of both."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import NEURONS
from recurrent_cases import KINDS, STEPS, arrays, each_kind, run

import keras_slayer as ks
from keras_slayer import ops
from keras_slayer.ops.synapses.matmul import matmul_synapse


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@each_kind
def test_native_equals_reference(kind, dtype):
    z, weights = arrays(dtype)
    outputs, gradients = run(z, weights, KINDS[kind])
    expected, expected_gradients = run(z, weights, KINDS[kind], "reference")
    assert 0.03 < np.mean(outputs[0].numpy().astype("float64")) < 0.7
    for actual, other in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(actual, other)
    tolerance = {"float64": 1e-13, "float32": 1e-5, "float16": 0.015, "bfloat16": None}[dtype]
    if tolerance is None:  # the native gradient reads the membrane potential as it was rounded
        expected_gradients = gradients
    for actual, other in zip(gradients, expected_gradients, strict=True):
        assert actual.dtype == dtype and np.any(actual)
        cases.assert_close(actual, other, tolerance or 0)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 1, 7), (3, 2, 520), (0, 4, 3), (2, 0, 3), (19, 3, 40)], ids=str
)
def test_shapes(shape):
    """No sample, no step; two blocks of neurons; more samples than a work item holds."""
    batch, steps, units = shape
    z, weights = arrays("float64", batch, steps, units)
    for kind in ("srm-exponential-exodus", "loihi-exponential-slayer"):
        found, gradients = run(z, weights, KINDS[kind])
        expected, others = run(z, weights, KINDS[kind], "reference")
        assert found[0].shape == shape
        np.testing.assert_array_equal(found[0], expected[0])
        for actual, other in zip(gradients, others, strict=True):
            cases.assert_close(actual, other, 1e-12)


@each_kind
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_without_recurrent_weights_it_is_the_plain_neuron(kind, backend):
    z, weights = arrays()
    neuron = KINDS[kind]
    found, gradients = run(z, 0 * weights, neuron, backend)
    with cases.backend(backend), tf.GradientTape() as tape:
        tape.watch(z)
        spikes, membrane = ops.fire(z, neuron)
        noise = tf.constant(np.random.default_rng(1).normal(size=spikes.shape))
        dz = tape.gradient(spikes, z, output_gradients=noise)
    np.testing.assert_array_equal(found[0], spikes)
    cases.assert_close(found[1], membrane, 1e-14)
    cases.assert_close(gradients[0], dz, 1e-13)
    # The gradient of the weights, zero as they are: sum_t s[t-1]^T dz[t].
    expected = np.einsum("bti,btj->ij", spikes[:, :-1], dz[:, 1:])
    cases.assert_close(gradients[1], expected, 1e-13)


@pytest.mark.parametrize("kind", ["srm", "cuba", "alif", "rf"])
def test_a_spike_acts_one_step_later(kind):
    """As an input of the same size would."""
    neuron = NEURONS[f"{kind}-exponential-slayer"]
    z = np.zeros((1, STEPS, 2))
    z[0, 0, 0] = 40.0  # the first unit fires, and feeds the second
    weights = tf.constant([[0.0, 3.0], [0.0, 0.0]], tf.float64)
    spikes, membrane = ops.fire_recurrent(tf.constant(z), weights, neuron)
    assert np.any(spikes[0, :, 0]) and np.any(spikes[0, :, 1])
    fed = z.copy()
    fed[0, 1:, 1] = 3.0 * spikes[0, :-1, 0]
    expected = ops.fire(tf.constant(fed), neuron)
    np.testing.assert_array_equal(spikes, expected[0])
    np.testing.assert_array_equal(membrane, expected[1])


def test_a_spike_moves_the_current_of_the_chip_two_steps_later():
    z = np.zeros((1, 8, 2))
    z[0, 0, 0] = 4.0
    weights = tf.constant([[0.0, 0.5], [0.0, 0.0]], tf.float64)
    spikes, membrane = ops.fire_recurrent(tf.constant(z), weights, ks.LoihiCUBA(90, 4096, 0))
    np.testing.assert_array_equal(spikes[0, :, 0], [0, 1, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(membrane[0, :, 1], [0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
def test_the_gradient_is_that_of_the_equations(gradient):
    """Of ALIF, written out over the whole future without recursion."""
    neuron = NEURONS[f"alif-exponential-{gradient}"]
    z, weights = arrays(batch=1)
    (spikes, u), (dz, dweights) = run(z, weights, neuron)
    ds = np.random.default_rng(1).normal(size=spikes.shape)[0]
    u, spikes, r = u.numpy()[0], spikes.numpy()[0], weights.numpy()
    width = neuron.surrogate_tau * neuron.threshold
    rho = neuron.surrogate_scale / width * np.exp(-np.abs(u - neuron.threshold) / width)
    keep, slow = (
        np.exp(-np.arange(STEPS) / tau) for tau in (neuron.tau_membrane, neuron.tau_adaptation)
    )
    felt, expected = np.zeros_like(u), np.zeros_like(u)
    for t in reversed(range(STEPS)):
        whole = ds[t] + (r @ expected[t + 1] if t + 1 < STEPS else 0)
        if gradient == "exodus":
            for k in range(1, STEPS - t):
                nu = -neuron.threshold * keep[k - 1] - neuron.beta * slow[k - 1]
                whole = whole + nu * felt[t + k]
        felt[t] = rho[t] * whole
        expected[t] = sum(keep[k] * felt[t + k] for k in range(STEPS - t))
    cases.assert_close(dz[0], expected, 1e-13)
    cases.assert_close(dweights, spikes[:-1].T @ expected[1:], 1e-13)


@pytest.mark.parametrize("kind", ["srm", "alif", "rf"])  # the reset of CUBA is all or nothing
def test_exodus_is_the_derivative_where_spikes_are_smooth(kind):
    """Of the loop with the integral of the surrogate in place of spikes, by finite differences."""
    plain = NEURONS[f"{kind}-exponential-exodus"]
    threshold, surrogate = plain.firing_threshold, plain.surrogate_gradient
    width = plain.surrogate_tau * threshold

    class Smooth(type(plain)):
        native = None  # a neuron of the user's own

        def spike(self, u):
            @tf.custom_gradient
            def fire(u):
                x = (u - threshold) / width
                rest = plain.surrogate_scale * tf.exp(-tf.abs(x))
                value = tf.where(x < 0, rest, 2 * plain.surrogate_scale - rest)
                return value, lambda grad: grad * surrogate.density(u, threshold)

            return fire(u)

    neuron = Smooth(**plain.get_config())
    z, weights = arrays(batch=1, steps=7, units=2)
    factors = np.random.default_rng(4).normal(size=z.shape)

    @tf.function
    def loss(z, weights):
        return tf.reduce_sum(ops.fire_recurrent(z, weights, neuron)[0] * factors)

    x = [z, weights / 2]
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(*x)
    analytic = tape.gradient(value, x)
    numeric = _difference(lambda z: loss(z, x[1]), x[0]), _difference(lambda w: loss(z, w), x[1])
    for actual, expected in zip(analytic, numeric, strict=True):
        assert np.abs(expected).max() > 0.05
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def _difference(function, x, step=1e-6):
    x, out = x.numpy(), np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            values.append(float(function(tf.constant(moved))))
        out[place] = (values[0] - values[1]) / (2 * step)
    return out


def test_a_synapse_goes_in_as_it_is():
    """A product with events in a graph: the same spikes and gradients as of a dense product."""
    rng = np.random.default_rng(0)
    x = tf.constant((rng.random((3, STEPS, 90)) < 0.1).astype("float32"))
    kernel = tf.constant(np.round(64 * rng.normal(size=(90, 70)) * 0.3) / 64, tf.float32)
    weights = tf.constant(np.round(64 * rng.normal(size=(70, 70)) * 0.1) / 64, tf.float32)
    neuron = KINDS["alif-exponential-slayer"]

    @tf.function
    def gradients(of):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel, weights])
            z = of(x, kernel)
            spikes, _ = ops.fire_recurrent(z, weights, neuron)
            loss = tf.reduce_sum(tf.square(spikes) * tf.range(70.0))
        return spikes, *tape.gradient(loss, [x, kernel, weights])

    found, expected = gradients(matmul_synapse), gradients(tf.matmul)
    assert np.mean(found[0]) > 0.02
    np.testing.assert_array_equal(found[0], expected[0])
    for actual, other in zip(found[1:], expected[1:], strict=True):
        cases.assert_close(actual, other, 1e-5)


def test_gradients_that_nobody_asks_for_are_not_computed():
    values = [x.numpy() for x in arrays("float32")]
    metadata = tf.compat.v1.RunMetadata()
    options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session, cases.backend("native"):
        inputs = [tf.compat.v1.placeholder(tf.float32, v.shape) for v in values]
        spikes, _ = ops.fire_recurrent(*inputs, KINDS["srm-exponential-slayer"])
        gradient = tf.gradients(spikes, inputs[0])
        feed = dict(zip(inputs, values, strict=True))
        session.run(gradient, feed, options=options, run_metadata=metadata)
    ran = {node.node_name for device in metadata.step_stats.dev_stats for node in device.node_stats}
    assert any("RecurrentLayerGrad" in name for name in ran)
    assert not any("WeightsGrad" in name or "Find" in name for name in ran)


def test_each_sample_by_itself_gives_the_same_bits():
    """Whatever shares a work item with it, and however many threads there are."""
    z, weights = arrays("float32", batch=37, units=70)
    (spikes, membrane), (dz, _) = run(z, weights, KINDS["cuba-exponential-exodus"])
    noise = tf.cast(np.random.default_rng(1).normal(size=spikes.shape), tf.float32)
    for at in (0, 17, 36):
        with tf.GradientTape() as tape:
            one = z[at : at + 1]
            tape.watch(one)
            outputs = ops.fire_recurrent(one, weights, KINDS["cuba-exponential-exodus"])
            gradient = tape.gradient(outputs[0], one, output_gradients=noise[at : at + 1])
        for actual, expected in zip((*outputs, gradient), (spikes, membrane, dz), strict=True):
            np.testing.assert_array_equal(actual[0], expected[at])


def test_integers_too_large_for_floats():
    """The chip's current wraps; the loop carries doubles then."""
    z, weights = arrays("float32", units=5)
    z = z * 4000.0
    neuron = KINDS["loihi-exponential-slayer"]
    found, expected = (run(z, weights, neuron, b)[0] for b in ("native", "reference"))
    for actual, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(actual, other)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_the_chip_has_no_infinity(backend):
    z, weights = arrays("float32")
    z = tf.tensor_scatter_nd_update(z, [[1, 3, 2]], [np.inf])
    with cases.backend(backend), pytest.raises(tf.errors.InvalidArgumentError, match="finite"):
        ops.fire_recurrent(z, weights, KINDS["loihi-exponential-slayer"])
