"""The event-driven matrix product against plain dense ones, at every density and dtype."""

import cases
import numpy as np
import pytest
import tensorflow as tf
from product_cases import (
    BACKENDS,
    TOLERANCE,
    check,
    densities,
    exactly_dense,
    product_and_gradients,
)

from keras_slayer import ops
from keras_slayer.ops import selection


def matmul_oracle(spikes, weights, upstream):
    rows, grads = spikes.reshape(-1, weights.shape[0]), upstream.reshape(-1, weights.shape[1])
    return spikes @ weights, upstream @ weights.T, rows.T @ grads


MATMULS = [
    # spikes, units: odd sizes; one of everything; over 128 and 256 columns and many rows
    ((2, 5, 12), 7),
    ((1, 1, 1), 1),
    ((3, 23, 40), 300),
    ((2, 12), 3),
    ((2, 3, 2, 3, 4), 5),
    ((0, 4, 6), 3),
]


@BACKENDS
@pytest.mark.parametrize("density", densities(0.1))  # conftest.py
@pytest.mark.parametrize(("shape", "units"), MATMULS, ids=str)
def test_matmul_at_every_density(name, shape, units, density):
    rng = np.random.default_rng(7)
    spikes, weights = exactly_dense(rng, shape, density), rng.normal(size=(shape[-1], units))
    check(name, "float32", ops.spike_matmul, matmul_oracle, spikes, weights)


@BACKENDS
@pytest.mark.parametrize("dtype", cases.DTYPES[1:])
@pytest.mark.parametrize("density", [0.05, 0.5])
def test_matmul_dtypes(name, dtype, density):
    rng = np.random.default_rng(7)
    spikes, weights = exactly_dense(rng, (2, 20, 30), density), rng.normal(size=(30, 150))
    check(name, dtype, ops.spike_matmul, matmul_oracle, spikes, weights)


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("shape", [(2, 60, 9000), (3, 3000, 120)], ids=str)
def test_matmul_of_more_weights_or_gradients_than_a_cache_holds(dtype, shape):
    """They are copied slice by slice of the units: whole slices and a smaller one."""
    rng = np.random.default_rng(7)
    spikes = exactly_dense(rng, shape, 0.1)
    weights = rng.normal(size=(shape[-1], 150))
    check("native", dtype, ops.spike_matmul, matmul_oracle, spikes, weights)


@pytest.fixture
def few_units(monkeypatch):
    """As it is outside of these tests: no events for layers of few units."""
    monkeypatch.setattr(selection, "MIN_UNITS", 64)


# (batch, time, inputs), units: one of everything, more rows and inputs than are treated at
# once and remainders of both, one unit and as many as are few.
FEW_UNITS = [
    ((1, 1, 1), 1),
    ((3, 23, 40), 10),
    ((2, 33, 300), 16),
    ((1, 64, 128), 17),
    ((2, 50, 131), selection.FEW_UNITS),
    ((0, 4, 6), 3),
]


@BACKENDS
@pytest.mark.parametrize("density", [0.0, 0.005, 0.02, 0.03, 0.5, 1.0])
@pytest.mark.parametrize(("shape", "units"), FEW_UNITS, ids=str)
def test_matmul_of_few_units(few_units, name, shape, units, density):
    rng = np.random.default_rng(7)
    spikes, weights = exactly_dense(rng, shape, density), rng.normal(size=(shape[-1], units))
    check(name, "float32", ops.spike_matmul, matmul_oracle, spikes, weights)


@pytest.mark.parametrize("dtype", cases.DTYPES[1:])
@pytest.mark.parametrize("density", [0.01, 0.5])
def test_matmul_of_few_units_dtypes(few_units, dtype, density):
    rng = np.random.default_rng(7)
    spikes, weights = exactly_dense(rng, (2, 40, 140), density), rng.normal(size=(140, 11))
    check("native", dtype, ops.spike_matmul, matmul_oracle, spikes, weights)


@pytest.mark.parametrize("byte", ["uint8", "bool"])
@pytest.mark.parametrize("density", [0.01, 0.5])
def test_matmul_of_few_units_and_bytes(few_units, density, byte):
    """As the same spikes in floats, to the bit; no gradient for the bytes."""
    rng = np.random.default_rng(7)
    spikes = tf.cast(rng.random((2, 50, 131)) < density, byte)
    weights = tf.constant(rng.normal(size=(131, 10)), tf.float32)
    upstream = rng.normal(size=(2, 50, 10))
    with tf.GradientTape() as tape:
        tape.watch(weights)
        out = ops.spike_matmul(spikes, weights)
    gradient = tape.gradient(out, weights, output_gradients=tf.constant(upstream, tf.float32))
    floats = tf.cast(spikes, tf.float32)
    expected = product_and_gradients(ops.spike_matmul, floats, weights, upstream)
    np.testing.assert_array_equal(out, expected[0])
    np.testing.assert_array_equal(gradient, expected[2])


@pytest.mark.parametrize(
    ("units", "op"),
    [
        (1, "KerasSlayer>FewUnitsMatmulWeightsGrad"),
        (selection.FEW_UNITS, "KerasSlayer>FewUnitsMatmulWeightsGrad"),
        (selection.FEW_UNITS + 1, None),
        (63, None),
        (64, "KerasSlayer>EventMatmulWeightsGrad"),
    ],
)
def test_which_weight_gradient_is_used(few_units, units, op):
    with tf.Graph().as_default() as graph, cases.backend("native"):
        weights = tf.zeros((20, units))
        tf.gradients(ops.spike_matmul(tf.zeros((1, 4, 20)), weights), weights)
        functions = [f.node_def for f in graph.as_graph_def(add_shapes=False).library.function]
        used = {o.type for o in graph.get_operations()} | {n.op for f in functions for n in f}
    ours = {"KerasSlayer>FewUnitsMatmulWeightsGrad", "KerasSlayer>EventMatmulWeightsGrad"}
    assert used & ours == ({op} if op else set())


def test_errors_of_the_ops_for_few_units():
    native = cases.native_ops()
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many columns"):
        native.keras_slayer_few_units_matmul(x=tf.zeros((3, 2)), weights=tf.zeros((3, 2)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be float, uint8 or bool"):
        native.keras_slayer_few_units_matmul(x=tf.zeros((3, 2), tf.half), weights=tf.zeros((2, 2)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows"):
        native.keras_slayer_few_units_matmul_weights_grad(x=tf.zeros((3, 2)), grad=tf.zeros((4, 2)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be float, uint8 or bool"):
        native.keras_slayer_few_units_matmul_weights_grad(
            x=tf.zeros((3, 2), tf.float64), grad=tf.zeros((3, 2))
        )


def sum_over_units(grad, weights):
    """grad @ weights^T to the bit: the sum over the units, one after the other.

    For numbers of 11 bits: their products are exact, as those of the op are.
    """
    arithmetic = np.float64 if grad.dtype == tf.float64 else np.float32
    g, w = (tf.cast(x, arithmetic).numpy() for x in (grad, weights))
    total = np.zeros((len(g), len(w)), arithmetic)
    for k in range(g.shape[1]):
        total += g[:, k : k + 1] * w[:, k]
    return tf.cast(total, grad.dtype)


def check_input_gradient(rows, inputs, units, dtype="float32"):
    rng = np.random.default_rng(7)
    grad, weights = (
        tf.cast(rng.normal(size=(n, units)).astype("float16"), dtype) for n in (rows, inputs)
    )
    actual = cases.native_ops().keras_slayer_matmul_input_grad(grad=grad, weights=weights)
    np.testing.assert_array_equal(actual, sum_over_units(grad, weights), f"{rows} x {inputs}")
    return actual, tf.linalg.matmul(grad, weights, transpose_b=True)


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("units", [0, 1, 7, 17, 33, 130])
def test_input_gradient(units, dtype):
    """Parts of a vector, of a panel and of a block, more than one of each, and nothing."""
    for rows in (0, 1, 13, 61):
        for inputs in (0, 1, 5, 16, 100, 530):
            actual, expected = check_input_gradient(rows, inputs, units, dtype)
            assert actual.shape == expected.shape and actual.dtype == expected.dtype
            if actual.shape.num_elements():
                cases.assert_close(actual, expected, TOLERANCE[dtype], f"{rows} x {inputs}")


@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_input_gradient_larger_than_the_caches(dtype):
    """Written past them, in rows that start anywhere in a cache line."""
    check_input_gradient(901, 7001, 3, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [1, 3, 20, 70])
def test_products_are_not_rounded(units, dtype):
    """Of (1 + e)^2 - (1 + 2 e), e^2 is left, which the product alone, rounded, loses."""
    e = 2.0**-12 if dtype == "float32" else 2.0**-27
    native = cases.native_ops()
    for zeros in (0, 40):  # a dense product, and event by event
        left = np.array([[1 + 2 * e, 1 + e] + zeros * [0.0]], dtype)
        right = np.array([[-1, 1 + e] + zeros * [0.0]], dtype).T.repeat(units, axis=1)
        expected = np.full((1, units), e**2)
        found = native.keras_slayer_few_units_matmul(x=left, weights=right)
        np.testing.assert_array_equal(found, expected)
        found = native.keras_slayer_matmul_input_grad(grad=left, weights=right.T)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("units", [10, 40, 64])
def test_input_gradient_of_any_number_of_units_is_our_own(few_units, units):
    with tf.Graph().as_default() as graph, cases.backend("native"):
        x = tf.zeros((1, 4, 20))
        tf.gradients(ops.spike_matmul(x, tf.zeros((20, units))), x)
        used = [o.type for o in graph.get_operations()]
    assert used.count("KerasSlayer>MatmulInputGrad") == 1


def test_errors_of_the_input_gradient():
    gradient = cases.native_ops().keras_slayer_matmul_input_grad
    for grad, weights in (((3, 2), (4, 3)), ((3, 2), (2,)), ((3,), (4, 3)), ((1, 3, 2), (4, 2))):
        with pytest.raises(tf.errors.InvalidArgumentError, match="as many columns"):
            gradient(grad=tf.zeros(grad), weights=tf.zeros(weights))
        with tf.Graph().as_default(), pytest.raises(ValueError, match=r"rank 2|must be equal"):
            gradient(grad=tf.zeros(grad), weights=tf.zeros(weights))


def test_products_of_nothing_whose_size_is_out_of_range():
    native, long, wide = cases.native_ops(), tf.zeros((2**40, 0)), tf.zeros((0, 2**40))
    events = {"index": tf.zeros([0], tf.int32), "value": tf.zeros([0])}
    products = [
        lambda: native.keras_slayer_matmul_input_grad(grad=long, weights=long),
        lambda: native.keras_slayer_few_units_matmul(x=long, weights=wide),
        lambda: native.keras_slayer_few_units_matmul_weights_grad(x=wide, grad=wide),
        lambda: native.keras_slayer_event_matmul(
            offsets=tf.zeros([2**23 + 1], tf.int64), weights=wide, **events
        ),
        lambda: native.keras_slayer_event_matmul_weights_grad(
            offsets=tf.zeros([1], tf.int64), grad=wide, columns=2**31 - 1, **events
        ),
    ]
    for product in products:
        with pytest.raises(tf.errors.InvalidArgumentError, match="overflow"):
            product()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_spikes_reach_their_row_alone(value):
    spikes, weights = np.zeros((1, 3, 40), np.float32), np.ones((40, 5), np.float32)
    spikes[0, 1, 7] = value
    for name in ("native", "reference"):
        with cases.backend(name):
            out = ops.spike_matmul(spikes, weights).numpy()
        np.testing.assert_array_equal(out[0, 1], [value] * 5)
        np.testing.assert_array_equal(out[0, [0, 2]], 0)


def ops_run(fetch, feed) -> list[tf.compat.v1.NodeDef]:
    """What TensorFlow executes for one tensor of a graph, after its optimisers and pruning."""
    metadata = tf.compat.v1.RunMetadata()
    options = tf.compat.v1.RunOptions(output_partition_graphs=True)
    with tf.compat.v1.Session() as session:
        session.run(fetch, feed_dict=feed, options=options, run_metadata=metadata)
    return [node for graph in metadata.partition_graphs for node in graph.node]


@pytest.mark.parametrize("which", ["spikes", "weights"])
def test_input_gradient_costs_nothing_where_nobody_asks_for_it(which):
    values = {"spikes": np.eye(20)[np.newaxis], "weights": np.ones((20, 3))}
    with tf.Graph().as_default(), cases.backend("native"):
        inputs = {k: tf.compat.v1.placeholder(tf.float64, v.shape) for k, v in values.items()}
        (gradient,) = tf.gradients(ops.spike_matmul(**inputs), inputs[which])
        nodes = ops_run(gradient, {inputs[k]: v for k, v in values.items()})
    used = {node.op for node in nodes}
    assert ("KerasSlayer>MatmulInputGrad" in used) == (which == "spikes")
    assert ("KerasSlayer>EventMatmulWeightsGrad" in used) == (which == "weights")


def test_few_units_are_not_worth_finding_events(monkeypatch):
    monkeypatch.setattr(selection, "MIN_UNITS", 32)
    used = {}
    for units in (31, 32):
        with tf.Graph().as_default() as graph, cases.backend("native"):
            ops.spike_matmul(tf.zeros((1, 4, 20)), tf.zeros((20, units)))
            used[units] = {op.type for op in graph.get_operations()}
    assert "KerasSlayer>FindEvents" not in used[31]
    assert "KerasSlayer>FindEvents" in used[32]
