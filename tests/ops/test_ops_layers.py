"""Synapses and neurons in one pass against their references, one after the other."""

import dataclasses

import cases
import layer_ops
import numpy as np
import pytest
import tensorflow as tf
from layer_ops import LAYERS, NEURONS, STEPS, evaluate

import keras_slayer as ks
from keras_slayer.ops import selection

each_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
each_neuron = pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
SPARSE, DENSE = 0.05, 0.5


def assert_same(layer, inputs, neuron, tolerance=1e-4):
    """Outputs to the bit, gradients to rounding."""
    outputs, gradients = evaluate(layer, inputs, neuron, "native")
    expected, expected_gradients = evaluate(layer, inputs, neuron, "reference")
    for actual, e in zip(outputs, expected, strict=True):
        assert actual.dtype == e.dtype
        np.testing.assert_array_equal(actual, e)
    for i, (actual, e) in enumerate(zip(gradients, expected_gradients, strict=True)):
        assert actual.dtype == e.dtype
        cases.assert_close(actual, e, tolerance, f"gradient {i}")
    return outputs, gradients


@each_neuron
@each_layer
def test_one_pass_equals_two(layer, neuron):
    assert_same(layer, layer.arrays(SPARSE), neuron)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("density", [0.0, 0.2, DENSE, 1.0])
@each_layer
def test_densities(layer, density, dtype):
    # With seed 0 the terms of a layer's only weight nearly cancel at one density: the reference
    # itself is then 8e-5 off in float32, and the native op 5e-5 to the other side.
    for name in ("srm-triangle-slayer", "cuba-exponential-exodus"):
        inputs = layer.arrays(density, dtype=dtype, seed=1)
        assert_same(layer, inputs, NEURONS[name], 1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize(("batch", "steps"), [(0, 3), (1, 1), (1, 8), (3, 9), (20, 4)])
@each_layer
def test_batches_and_steps(layer, batch, steps):
    """None, one, whole tiles of steps and more; more samples than gradients are summed apart."""
    for name in ("srm-triangle-exodus", "loihi-triangle-slayer"):
        inputs = layer.arrays(0.1, batch, steps)
        outputs, _ = assert_same(layer, inputs, NEURONS[name])
        assert outputs[0].shape[:2] == (batch, steps)


@each_layer
def test_no_steps_at_all(layer):
    inputs = layer.arrays(0.1, steps=0)
    outputs, gradients = evaluate(layer, inputs, NEURONS["srm-triangle-slayer"], "native")
    assert outputs[0].shape[:2] == (2, 0)
    for x, gradient in zip(inputs, gradients, strict=False):
        np.testing.assert_array_equal(gradient, tf.zeros_like(x))


@pytest.mark.parametrize("density", [SPARSE, DENSE])
@pytest.mark.parametrize("name", [n for n in LAYERS if "pool" not in n])
def test_bias(name, density):
    for kind in ("srm-exponential-slayer", "cuba-triangle-slayer"):
        inputs = LAYERS[name].arrays(density, bias=True)
        assert_same(LAYERS[name], inputs, NEURONS[kind])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_more_weights_than_a_cache_holds(dtype):
    layer = layer_ops.Layer(layer_ops.matmul_layer, (9000,), (9000, 150))
    neuron = NEURONS["srm-triangle-slayer"]
    inputs = layer.arrays(0.09, batch=2, steps=60, dtype=dtype, bias=True)
    # Of so many, those that excite would make all neurons fire all the time.
    inputs[1] = tf.round(64 * (inputs[1] - tf.reduce_mean(inputs[1]))) / 64
    outputs, _ = assert_same(layer, inputs, neuron)
    assert 0.01 < np.mean(outputs[0]) < 0.9


@each_neuron
def test_the_neurons_under_test_fire(neuron):
    """And some of their gradients vanish with the triangle, none with the exponential."""
    layer = LAYERS["conv, many bands"]
    (spikes, membrane), (grad, *_) = evaluate(layer, layer.arrays(SPARSE), neuron, "native")
    assert set(np.unique(spikes)) == {0.0, 1.0}
    assert 0.01 < np.mean(spikes) < 0.6
    assert np.std(membrane) > 0.1 and np.mean(np.abs(grad)) > 1e-3
    threshold = neuron.firing_threshold
    near = np.abs(membrane - threshold) < 2 * neuron.surrogate_tau * threshold
    assert 0.02 < np.mean(near) < 0.9


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(("kind", "fires"), [("cuba", [0, 1, 1]), ("loihi", [0, 0, 1])])
def test_at_the_threshold(kind, fires, dtype):
    """A neuron fires from the threshold on, the chip's above it: below, at and above."""
    # Without memory, so that each input spike acts in one step alone.
    neuron = ks.CUBA(1.5, 1.0, 1.0) if kind == "cuba" else ks.LoihiCUBA(96, 4096, 4096)
    weights = tf.constant([[95 / 64, 96 / 64, 97 / 64] * 40], dtype)
    inputs = [tf.cast(tf.one_hot([0], 3, axis=1)[..., tf.newaxis], dtype), weights, None]
    outputs, _ = evaluate(LAYERS["matmul"], inputs, neuron, "native")
    np.testing.assert_array_equal(tf.reduce_sum(outputs[0], 1)[0], fires * 40)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@each_layer
def test_16_bit_types_are_computed_in_float32_and_rounded_once(layer, dtype):
    neuron = NEURONS["srm-triangle-slayer"]
    inputs = layer.arrays(SPARSE, dtype=dtype)
    wide = [None if x is None else tf.cast(x, tf.float32) for x in inputs]
    outputs, gradients = evaluate(layer, inputs, neuron, "native")
    assert {y.dtype for y in (*outputs, *gradients)} == {tf.dtypes.as_dtype(dtype)}
    # The gradient sees the membrane as it was stored.
    upstream = tf.cast(np.random.default_rng(99).normal(size=outputs[0].shape), dtype)
    expected, expected_gradients = evaluate(
        layer, wide, neuron, "native", tf.cast(upstream, tf.float32)
    )
    for actual, e in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(actual, tf.cast(e, dtype))
    tolerance = {"float16": 2e-2, "bfloat16": 0.1}[dtype]
    for actual, e in zip(gradients, expected_gradients, strict=True):
        cases.assert_close(actual, e, tolerance)


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("density", [SPARSE, DENSE])
@each_layer
def test_unknown_sizes_in_a_function(layer, density, backend):
    """Batch and time known at run time only, and of a pool height and width."""
    neuron = NEURONS["srm-triangle-slayer"]
    inputs = layer.arrays(density)
    given = [x for x in inputs if x is not None]
    image = [None, None] if layer.weights is None else layer.shape[:-1]
    if layer.weights is None and "same" in str(layer.run.__closure__[0].cell_contents):
        image = layer.shape[:-1]
    shapes = [[None, None, *image, layer.shape[-1]], layer.weights]
    signature = [tf.TensorSpec(s, x.dtype) for s, x in zip(shapes, given, strict=False)]

    def outputs_and_gradients(*given):
        outputs, gradients = evaluate(
            layer, [*given, *[None] * (3 - len(given))], neuron, backend, upstream
        )
        assert outputs[0].shape.rank == inputs[0].shape.rank
        return outputs, gradients

    upstream = tf.ones(evaluate(layer, inputs, neuron, backend)[0][0].shape)
    traced = tf.function(outputs_and_gradients, input_signature=signature)
    outputs, gradients = traced(*given)
    eager_outputs, eager_gradients = outputs_and_gradients(*given)
    for actual, e in zip(outputs, eager_outputs, strict=True):
        np.testing.assert_array_equal(actual, e)
    for actual, e in zip(gradients, eager_gradients, strict=True):
        cases.assert_close(actual, e, 1e-6)


@each_layer
def test_the_membrane_lets_no_gradient_through(layer):
    inputs = layer.arrays(SPARSE)
    with tf.GradientTape() as tape:
        tape.watch(inputs[0])
        _, membrane = layer.run(*inputs, NEURONS["srm-exponential-slayer"])
    assert tape.gradient(membrane, inputs[0]) is None


@pytest.mark.parametrize("density", [SPARSE, DENSE])
@each_layer
def test_persistent_tapes(layer, density):
    """In a function they look into the branches of ops, events' and dense."""
    inputs, neuron = layer.arrays(density), NEURONS["srm-exponential-slayer"]
    given = [x for x in inputs if x is not None]

    @tf.function
    def gradients(*given):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(given)
            spikes, _ = layer.run(*given, *[None] * (3 - len(given)), neuron)
            losses = [tf.reduce_sum(spikes), tf.reduce_sum(tf.sin(spikes) * spikes)]
        return [tape.gradient(loss, given) for loss in losses]

    spikes, _ = layer.run(*inputs, neuron)
    upstreams = [tf.ones_like(spikes), tf.sin(spikes) + spikes * tf.cos(spikes)]
    for actual, upstream in zip(gradients(*given), upstreams, strict=True):
        _, expected = evaluate(layer, inputs, neuron, "native", upstream)
        for a, e in zip(actual, expected, strict=True):
            cases.assert_close(a, e, 1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_input(value):
    """Reaches the neurons under it and their future; a Loihi neuron refuses it."""
    for name in ("matmul", "conv", "pool"):
        layer = LAYERS[name]
        spikes, *rest = layer.arrays(0.0)
        spikes = spikes.numpy()
        spikes[0, 5, ..., 0] = value
        inputs = [tf.constant(spikes), *rest]
        neuron = NEURONS["srm-exponential-slayer"]
        actual, expected = (evaluate(layer, inputs, neuron, b)[0] for b in ("native", "reference"))
        np.testing.assert_array_equal(actual[0], expected[0])
        np.testing.assert_array_equal(np.isfinite(actual[1]), np.isfinite(expected[1]))
        assert np.isfinite(actual[1][:, :5]).all() and np.isfinite(actual[1][1]).all()
        assert not np.isfinite(actual[1][0, 6:]).all()
        for backend in ("native", "reference"):
            with pytest.raises(tf.errors.InvalidArgumentError, match="must be finite"):
                evaluate(layer, inputs, NEURONS["loihi-exponential-slayer"], backend)


def test_which_ops_are_used():
    """The event-driven ones for sparse input; for the gradient of the input, always."""
    conv = LAYERS["conv"]
    expected = {
        SPARSE: {"conv2d_layer", "conv2d_layer_grad"},
        DENSE: {"neuron_bytes", "neuron_grad", "conv2d_layer_grad"},
    }
    for density, ops in expected.items():
        with layer_ops.ops_used() as used:
            inputs = conv.arrays(density)
            with tf.GradientTape() as tape:
                tape.watch(inputs[:2])
                spikes, _ = conv.run(*inputs, NEURONS["srm-exponential-slayer"])
            tape.gradient(spikes, inputs[:2])
        assert used - {"find_events"} == ops


@pytest.mark.parametrize("surrogate_tau", [0.01, 0.1, 0.3, 1.0, 100.0])
@pytest.mark.parametrize("name", [n for n in LAYERS if "conv" in n])
def test_gradients_of_the_input_however_many_neurons_are_near_threshold(name, surrogate_tau):
    """Few: their weights are summed one by one; many: a dense product; pixel by pixel."""
    near = dataclasses.replace(NEURONS["srm-triangle-slayer"], surrogate_tau=surrogate_tau)
    assert_same(LAYERS[name], LAYERS[name].arrays(SPARSE), near)


def test_few_units_and_more_axes_go_one_after_the_other(monkeypatch):
    neuron = NEURONS["srm-exponential-slayer"]
    monkeypatch.setattr(selection, "MIN_UNITS", 32)
    for shape, units, fused in (((2, 9, 20), 32, True), ((2, 9, 20), 31, False),
                                ((2, 9, 3, 20), 32, False)):  # fmt: skip
        rng = np.random.default_rng(1)
        spikes = tf.constant(cases.spikes_like(rng, shape, 0.05), tf.float32)
        weights = tf.constant(rng.normal(size=(20, units)), tf.float32)
        with layer_ops.ops_used() as used:
            LAYERS["matmul"].run(spikes, weights, None, neuron)
        assert ("matmul_layer" in used) == fused


def test_layers_train_alike_over_many_steps():
    """The losses of 20 steps, with and without native ops."""
    losses = {}
    for backend in ("native", "reference"):
        with cases.backend(backend):
            srm, cuba = NEURONS["srm-triangle-slayer"], NEURONS["cuba-triangle-slayer"]
            loud = [
                {"kernel_initializer": ks.FluctuationDriven(n, xi=0.9, mean=0.0, seed=1)}
                for n in (srm, cuba)
            ]
            ks_layers = [
                ks.SpikingConv2D(5, 3, neuron=srm, **loud[0]),
                ks.SpikingSumPooling2D(2, neuron=srm),
                ks.Flatten(),
                ks.SpikingDense(3, cuba, **loud[1]),
            ]
            losses[backend] = train(ks_layers)
    assert len(set(losses["native"])) > 10
    np.testing.assert_allclose(losses["native"], losses["reference"], rtol=1e-5)


def train(layers):
    import keras

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((STEPS, 8, 8, 2)), *layers])
    model.compile(keras.optimizers.Adam(0.01), ks.SpikeMaxLoss(0.1, label_smoothing=0.0))
    rng = np.random.default_rng(4)
    x = (rng.random((4, STEPS, 8, 8, 2)) < 0.05).astype("float32")
    y = np.arange(4) % 3
    return [float(model.train_on_batch(x, y)) for _ in range(20)]
