"""Every native op against its reference: outputs to the bit, gradients to rounding."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from cases import BLOCK, DTYPES, FILTERS, NEURONS, SERIES_CASES, SHAPES, Case

from keras_slayer.neurons import BY_NAME
from keras_slayer.ops import library, neurons

# Gradients: the order of summation differs, and (half types) the reference keeps
# the membrane in float32 where the native op stores it rounded.
GRADIENT_TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "float16": 1e-2, "bfloat16": 6e-2}
GRID = [(shape, "float32") for shape in SHAPES] + [
    (shape, dtype) for dtype in DTYPES[1:] for shape in ((2, 9, 5), (1, 3, BLOCK + 7), (2, 1, 3))
]


def assert_same(case: Case, inputs, tolerance: float) -> list[np.ndarray]:
    outputs, gradients = cases.evaluate(case, inputs, "native")
    expected_outputs, expected_gradients = cases.evaluate(case, inputs, "reference")
    for i, (actual, expected) in enumerate(zip(outputs, expected_outputs, strict=True)):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected, err_msg=f"output {i}")
    for i, (actual, expected) in enumerate(zip(gradients, expected_gradients, strict=True)):
        assert actual.dtype == expected.dtype
        cases.assert_close(actual, expected, tolerance, f"gradient {i}")
    return outputs


@pytest.mark.parametrize(("shape", "dtype"), GRID, ids=str)
@pytest.mark.parametrize("case", SERIES_CASES, ids=str)
def test_native_equals_reference(case, shape, dtype):
    assert_same(case, case.arrays(shape, dtype), GRADIENT_TOLERANCE[dtype])


@pytest.mark.parametrize("case", NEURONS, ids=str)
def test_the_neurons_under_test_fire(case):
    (spikes, membrane), (gradient,) = cases.evaluate(case, case.arrays((4, 30, 40)), "native")
    assert set(np.unique(spikes)) == {0.0, 1.0}
    assert 0.02 < spikes.mean() < 0.6
    assert membrane.std() > 0.1
    assert np.abs(gradient).mean() > 1e-3


@pytest.mark.parametrize(
    "case", [c for c in SERIES_CASES if not c.name.startswith("loihi")], ids=str
)
def test_non_finite_input_propagates_alike(case):
    """NaN and infinities stay in their own neuron and their own future."""
    x, *rest = case.arrays((1, 8, 4))
    x = x.numpy()
    x[0, 3, 0], x[0, 3, 1], x[0, 3, 2] = np.nan, np.inf, -np.inf
    inputs = [tf.constant(x), *rest]
    outputs, gradients = cases.evaluate(case, inputs, "native")
    expected_outputs, expected_gradients = cases.evaluate(case, inputs, "reference")
    for actual, expected in zip(outputs, expected_outputs, strict=True):
        np.testing.assert_array_equal(actual, expected)
        assert np.isfinite(actual[:, :3]).all() and np.isfinite(actual[:, :, 3]).all()
    assert not np.isfinite(outputs[-1][0, 3:, :3]).all()
    # Where v is infinite, v rho(v) of the CUBA neuron's exodus is infinity times 0.
    neurons = slice(3, 4) if case.name == "cuba-exodus" else slice(None)
    cases.assert_close(gradients[0][..., neurons], expected_gradients[0][..., neurons], 1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["native", "reference"])
@pytest.mark.parametrize("case", [c for c in NEURONS if c.name.startswith("loihi")], ids=str)
def test_loihi_refuses_non_finite_input(case, name, value):
    z = np.zeros((2, 3, BLOCK + 7), np.float32)
    z[1, 2, -1] = value
    with cases.backend(name), pytest.raises(tf.errors.InvalidArgumentError, match="must be finite"):
        case.run(tf.constant(z))


@pytest.mark.parametrize("name", ["native", "reference"])
@pytest.mark.parametrize("case", SERIES_CASES, ids=str)
def test_unknown_static_shapes_in_a_function(case, name):
    """Traced once with no size known, the op gives what it gives eagerly, for any size."""
    wide, small = case.arrays((2, 5, 6)), case.arrays((1, 3, 6), seed=1)
    # The trailing axis of the delays of delay-neuron follows that of x.
    signature = [tf.TensorSpec([None] * x.shape.rank, x.dtype) for x in wide]
    traces = []

    def outputs_and_gradients(*inputs):
        traces.append(inputs)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = case.run(*inputs)
        assert outputs[0].shape.rank == 3
        return outputs, tape.gradient(outputs[0], inputs, unconnected_gradients="zero")

    with cases.backend(name):
        function = tf.function(outputs_and_gradients, input_signature=signature)
        for inputs in (wide, small):
            outputs, gradients = function(*inputs)
            ones = tf.ones_like(outputs[0])
            eager_outputs, eager_gradients = cases.evaluate(case, inputs, name, ones)
            for actual, expected in zip(outputs, eager_outputs, strict=True):
                np.testing.assert_array_equal(actual, expected)
            for actual, expected in zip(gradients, eager_gradients, strict=True):
                cases.assert_close(actual, expected, 1e-5)
    assert len(traces) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "case",  # with a cutoff the SRM is two ops, each of which rounds
    [c for c in FILTERS + NEURONS if not c.name.startswith("srm_cutoff")],
    ids=str,
)
def test_half_types_are_computed_in_float32_and_rounded_once(case, dtype):
    inputs = case.arrays((2, 9, BLOCK + 7), dtype)
    widened = [tf.cast(x, tf.float32) for x in inputs]
    outputs, _ = cases.evaluate(case, inputs, "native")
    wide, _ = cases.evaluate(case, widened, "native")
    for actual, expected in zip(outputs, wide, strict=True):
        np.testing.assert_array_equal(actual, tf.cast(expected, dtype).numpy())


def _neuron_grad(**inputs):
    return library.native().keras_slayer_neuron_grad(later=[], **inputs)[0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
@pytest.mark.parametrize("name", ["srm", "srm_fir", "cuba", "loihi_cuba"])
def test_half_gradients_are_computed_in_float32_and_rounded_once(name, gradient, dtype):
    rng = np.random.default_rng(5)
    if name == "srm_fir":
        op = library.native().keras_slayer_srm_fir_grad
        exodus = gradient == "exodus"
        options = {"params": [0.8, 0.8, 1.25], "refractory": cases.REFRACTORY, "exodus": exodus}
    else:
        _, parameters = cases.NEURON_OPTIONS[name]
        kind = {neuron.native: neuron for neuron in BY_NAME.values()}[name]
        neuron = kind(gradient=gradient, **parameters)
        op = _neuron_grad
        options = neurons.native_gradient_options(neuron)
    grad, membrane = (tf.cast(rng.normal(size=(2, 9, BLOCK + 7)), dtype) for _ in range(2))
    actual = op(grad_spikes=grad, membrane=membrane, **options)
    wide = op(
        grad_spikes=tf.cast(grad, tf.float32), membrane=tf.cast(membrane, tf.float32), **options
    )
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, tf.cast(wide, dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_conversions_agree_with_tensorflow(dtype):
    """All 16-bit patterns, and sums of neighbours: subnormal, tied, past the largest, NaN."""
    patterns = np.arange(2**16, dtype=np.uint16)
    if dtype == "bfloat16":  # a subnormal bfloat16 is a subnormal float: TensorFlow flushes both
        patterns = patterns[((patterns & 0x7F80) != 0) | ((patterns & 0x7F) == 0)]
    x = tf.reshape(tf.bitcast(np.stack([patterns, np.roll(patterns, 1)]), dtype), [1, 2, -1])
    with cases.backend("native"):
        (same,) = FILTERS[0].run(x, tf.constant([1.0], dtype))
        (sums,) = FILTERS[0].run(x, tf.constant([1.0, 1.0], dtype))
    wide = tf.cast(x, tf.float32)
    cases.assert_close(same, wide, 0)
    total = tf.cast(wide[:, 1] + wide[:, 0], dtype)
    assert np.isinf(tf.cast(total, tf.float32)).sum() > 100
    cases.assert_close(tf.cast(sums[:, 1], tf.float32), tf.cast(total, tf.float32), 0)


@pytest.mark.parametrize("case", SERIES_CASES, ids=str)
def test_inputs_are_left_alone(case):
    """The ops write over inputs that nobody needs, and only over those."""
    inputs = case.arrays((2, 5, 6))
    kept = [x.numpy().copy() for x in inputs]

    @tf.function
    def used_later(x, *rest):
        own = x + 0.0
        outputs = case.run(own, *rest)
        return outputs[0], own * 1.0

    with cases.backend("native"):
        case.run(*inputs)
        for x, before in zip(inputs, kept, strict=True):
            np.testing.assert_array_equal(x, before)
        _, own = used_later(*inputs)
    np.testing.assert_array_equal(own, kept[0])


@pytest.mark.parametrize("case", SERIES_CASES, ids=str)
def test_no_steps_at_all(case):
    with cases.backend("native"):
        assert case.run(*case.arrays((2, 0, 3)))[0].shape == (2, 0, 3)
