"""Bins of events as spike tensors: the native op against TensorFlow's scatter."""

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events.binning import scatter_bins

DTYPES = [
    *("float16", "bfloat16", "float32", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
]


def scatter(backend, bins, rows, batch, shape, dtype):
    with cases.backend(backend):
        return scatter_bins(bins, rows, tf.constant(batch, tf.int64), shape, tf.as_dtype(dtype))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_twins(dtype, index):
    """In no order and more than once, in memory that held other spikes before; and none."""
    rng = np.random.default_rng(1)
    for batch, shape, events in ((3, (7, 5, 2), 40), (2, (300, 34, 34, 2), 900), (2, (4, 3), 0)):
        for _ in range(3):
            bins = tf.constant(rng.integers(0, np.prod(shape), events), index)
            rows = tf.constant(rng.integers(0, batch, events), tf.int64)
            actual = scatter("native", bins, rows, batch, shape, dtype)
            expected = scatter("reference", bins, rows, batch, shape, dtype)
            assert actual.dtype == expected.dtype and actual.shape == (batch, *shape)
            same = tf.reduce_all(tf.cast(actual, tf.float64) == tf.cast(expected, tf.float64))
            assert same, (batch, shape)
            assert np.count_nonzero(tf.cast(actual, tf.float32)) == len(
                set(zip(rows.numpy(), bins.numpy(), strict=True))
            )


def test_no_samples():
    none = tf.zeros([0], tf.int64)
    assert scatter("native", none, none, 0, (4, 3), "float32").shape == (0, 4, 3)


@pytest.mark.parametrize(("bin", "row"), [(12, 0), (-1, 0), (0, 2), (0, -1)])
def test_a_place_outside_is_an_error(bin, row):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"bins\[1\] = .*rows\[1\] = "):
        scatter("native", tf.constant([3, bin]), tf.constant([0, row], tf.int64), 2, (4, 3), "bool")


def test_errors():
    op = cases.native_ops().keras_slayer_scatter_bins
    good = {
        "bins": tf.constant([1, 2]),
        "rows": tf.constant([0, 0], tf.int64),
        "one": tf.ones([]),
        "batch": tf.constant(1, tf.int64),
    }
    for wrong, message in (
        ({"rows": tf.constant([0], tf.int64)}, "one length"),
        ({"bins": tf.constant([[1], [2]])}, "one length"),
        ({"one": tf.ones([1])}, "scalars"),
        ({"batch": tf.constant([1], tf.int64)}, "scalars"),
        ({"batch": tf.constant(-1, tf.int64)}, "not be negative"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            op(**{**good, **wrong}, size=5)
