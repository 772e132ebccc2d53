"""Bins of events as spike tensors: the native op against TensorFlow's scatter."""

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events.scatter import scatter_bins

DTYPES = [
    *("float16", "bfloat16", "float32", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
]


def scatter(backend, bins, shape, dtype, shift=None):
    with cases.backend(backend):
        return scatter_bins(tf.constant(bins), shape, tf.as_dtype(dtype), shift)


def by_hand(bins, shape, shift):
    """Event by event, from the place of each."""
    frame = shape[1:] if len(shape) == 4 else (1, shape[1], 1)
    spikes = np.zeros((len(bins), shape[0], *frame))
    for sample, numbers in enumerate(bins):
        for number in numbers[numbers >= 0]:
            step, y, x, channel = np.unravel_index(number, (shape[0], *frame))
            y, x = y + shift[sample, 0], x + shift[sample, 1]
            if 0 <= y < frame[0] and 0 <= x < frame[1]:
                spikes[sample, step, y, x, channel] = 1
    return spikes.reshape(len(bins), *shape)


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_native_equals_reference(dtype, index):
    """In no order, more than once, some left out, in memory that held others before; and none."""
    rng = np.random.default_rng(1)
    for batch, shape, events in (
        (3, (7, 5, 6, 2), 40),
        (2, (9, 11), 30),
        (4, (300, 34, 34, 2), 900),
        (2, (4, 3), 0),
    ):
        for moves in (False, True, True):
            bins = rng.integers(-9, np.prod(shape), (batch, events)).astype(index)
            shift = rng.integers(-3, 4, (batch, 2)).astype("int32")
            shift[0] = 0
            shift = shift * moves * [len(shape) == 4, True]
            given = tf.constant(shift, tf.int32) if moves else None
            actual = scatter("native", bins, shape, dtype, given)
            reference = scatter("reference", bins, shape, dtype, given)
            assert actual.dtype == reference.dtype == dtype
            expected = by_hand(bins, shape, shift)
            np.testing.assert_array_equal(tf.cast(actual, tf.float64), expected)
            np.testing.assert_array_equal(tf.cast(reference, tf.float64), expected)


@pytest.mark.parametrize("far", [2**31 - 1, -(2**31)])
def test_shifts_of_any_size(far):
    shift = tf.constant([[far, 0], [0, far], [far, far]], tf.int32)
    bins = np.arange(30).reshape(1, 30).repeat(3, axis=0)
    assert not np.any(scatter("native", bins, (2, 3, 5, 1), "float32", shift))


def test_no_samples():
    bins = np.zeros([0, 3], "int64")
    assert scatter("native", bins, (4, 3), "float32").shape == (0, 4, 3)


@pytest.mark.parametrize("bins", [[[3, 12, 5], [1, 2, 0]], [[3, 4, 5], [1, 12, 0]]])
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_bin_outside_is_an_error(backend, bins):
    for run in (scatter, tf.function(scatter)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="bins must be below 12"):
            run(backend, bins, (4, 3), "bool")


def test_the_error_says_which():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"below 12. .*bins\[1, 1\] = 12"):
        scatter("native", [[3, 4, 5], [1, 12, 0]], (4, 3), "bool")


def test_errors():
    op = cases.native_ops().keras_slayer_scatter_bins
    good = {
        "bins": tf.constant([[1, 2]]),
        "shift": tf.constant([[0, 0]]),
        "one": tf.ones([]),
        "steps": 5,
        "frame": [1, 2, 1],
    }
    assert op(**good).shape == (1, 10)
    for wrong, message in (
        ({"bins": tf.constant([1, 2])}, r"axes \(batch, events\)"),
        ({"shift": tf.constant([[0]])}, "rows and columns of each sample"),
        ({"shift": tf.constant([[0, 0], [1, 1]])}, "rows and columns of each sample"),
        ({"one": tf.ones([1])}, "a scalar"),
        ({"frame": [1, 2]}, "height, width and channels|at least 3|minimum"),
        ({"frame": [1, 0, 1]}, "height, width and channels"),
        ({"steps": 2**31}, "must be int64"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            op(**{**good, **wrong})
