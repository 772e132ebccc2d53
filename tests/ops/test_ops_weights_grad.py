"""The gradient of weights over many events: sorted by rows, and summed in parts of the cache."""

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.ops.synapses.events import find_events


@pytest.mark.parametrize("rows", [6000, 6007, 300])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_sums_of_many_events(rows, dtype):
    """Exact ones: multiples of 1 / 4 that stay small, so that no order of them rounds."""
    random = np.random.default_rng(0)
    x = random.choice([0.0, 1.0, -1.0], p=[0.9, 0.06, 0.04], size=(rows, 40))
    x[:, 7] = 0
    grad = random.integers(-1, 2, size=(rows, 131)) / 4
    expected = x.T @ grad
    events, _ = find_events(tf.cast(x, dtype), tf.as_dtype(dtype), 1.0)
    found = cases.native_ops().keras_slayer_event_matmul_weights_grad(
        **events, grad=tf.cast(grad, dtype), columns=40
    )
    assert found.dtype == dtype and np.count_nonzero(expected) > 4000
    np.testing.assert_array_equal(found, tf.cast(expected, dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_in_parts_are_those_of_all_rows_in_order(dtype):
    """A column of the gradient by itself is small enough to be summed as a whole."""
    random = np.random.default_rng(1)
    x = tf.cast(random.random((6007, 40)) < 0.1, dtype)
    grad = tf.cast(random.normal(size=(6007, 300)), dtype)
    events, _ = find_events(x, x.dtype, 1.0)

    def sums(grad):
        op = cases.native_ops().keras_slayer_event_matmul_weights_grad
        return op(**events, grad=grad, columns=40).numpy()

    whole = sums(grad)
    for column in (0, 127, 128, 255, 256, 299):
        one = sums(grad[:, column : column + 1])
        np.testing.assert_array_equal(whole[:, column], one[:, 0])


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "uint8"])
@pytest.mark.parametrize("steps", [1, 7, 200])
def test_events_of_the_step_before(steps, dtype):
    """Each sample starts with a step that nothing was before; more rows than one work item has."""
    x = np.random.default_rng(2).random((11, steps, 70)) < 0.1
    x = tf.cast(x, dtype)
    before = tf.concat([tf.zeros_like(x[:, :1]), x], axis=1)[:, :-1]
    wanted = tf.float32 if dtype == "uint8" else x.dtype
    expected, _ = find_events(tf.reshape(before, [-1, 70]), wanted, 1.0)
    found, _ = find_events(x, wanted, 1.0, earlier=True)
    for name in ("offsets", "index", "value"):
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("columns", [15, 16, 63, 64, 65, 1000])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "uint8"])
def test_events_are_found_in_order(columns, dtype):
    """In groups of 16 and of 64, and in what is left of a row."""
    random = np.random.default_rng(columns)
    x = np.where(random.random((9, columns)) < 0.2, random.integers(1, 5, (9, columns)), 0)
    x[3], x[4] = 0, 1
    wanted = "float32" if dtype == "uint8" else dtype
    events, dense = find_events(tf.cast(x, dtype), tf.as_dtype(wanted), 1.0)
    counts = np.count_nonzero(x, axis=1)
    np.testing.assert_array_equal(events["offsets"], np.concatenate([[0], np.cumsum(counts)]))
    np.testing.assert_array_equal(events["index"], np.nonzero(x)[1])
    np.testing.assert_array_equal(tf.cast(events["value"], "float64"), x[x != 0])
    assert events["value"].dtype == wanted and not dense
