"""Counts of events and time surfaces: the native ops against TensorFlow's."""

import math

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import values as bin_values

DTYPES = [
    *("float16", "bfloat16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
]
SHAPES = [  # of the sample, events of each of the recordings
    ((7, 5, 6, 2), (3, 400)),
    ((300, 34, 34, 2), (5, 3000)),  # written past the caches
    ((3, 60, 70, 2), (2, 500)),  # more than a tile of units
    ((9, 11), (2, 30)),
    ((1, 1, 1, 2), (2, 700)),  # more in a bin than a byte holds
    ((4, 3), (2, 0)),
    ((4, 3), (0, 5)),
]
DT, TAU = 0.7, 2.5


def dense(backend, values, bins, t, shape, dtype):
    """With the polarity of the last axis."""
    polarity = tf.constant(bins % 2, tf.int32)
    with cases.backend(backend):
        bins = tf.constant(bins)
        return bin_values.dense(values, bins, t, polarity, shape, DT, TAU, tf.as_dtype(dtype))


def random_events(shape, size, index, seed=1):
    """Bins, some of them none, and times within their steps."""
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, math.prod(shape), size)
    bins = np.where(rng.random(size) < 0.3, np.sort(bins, axis=1), bins)
    t = (bins // math.prod(shape[1:]) + rng.random(size)) * DT * 1000
    bins = np.where(rng.random(size) < 0.1, -1, bins)
    return bins.astype(index), tf.constant(t, tf.int64)


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("values", ["count", "signed"])
def test_counts(values, dtype, index):
    for shape, size in SHAPES:
        if values == "signed" and (dtype.startswith("uint") or shape[-1] != 2):
            continue
        if size[1] > 1000 and dtype != "float32":
            continue
        bins, t = random_events(shape, size, index)
        native, reference = (
            dense(name, values, bins, t, shape, dtype) for name in ("native", "reference")
        )
        assert native.dtype == reference.dtype == dtype and native.shape == reference.shape
        as_numbers = [tf.cast(result, tf.float64) for result in (native, reference)]
        np.testing.assert_array_equal(*as_numbers)
        if shape == (1, 1, 1, 2):
            assert 5 < np.abs(as_numbers[0]).max() <= tf.as_dtype(dtype).max


@pytest.mark.parametrize(
    ("dtype", "index"), [("float32", "int32"), ("float32", "int64"), ("float16", "int32")]
)
def test_surfaces(dtype, index):
    for shape, size in SHAPES:
        bins, t = random_events(shape, size, index)
        native, reference = (
            dense(name, "surface", bins, t, shape, dtype) for name in ("native", "reference")
        )
        assert native.dtype == reference.dtype == dtype and native.shape == reference.shape
        # TensorFlow's exp and that of the C library may differ in their last digit.
        np.testing.assert_allclose(native, reference, rtol=2e-7 if dtype != "float16" else 1e-3)


def test_samples_do_not_share_their_events():
    """As many samples as one thread takes after another, with the same units in the same steps."""
    shape = (2, 1, 3, 1)
    bins, t = np.array([[0, 3], [3, 0], [-1, 4], [0, -1]]), tf.constant([[100, 800]] * 4, tf.int64)
    for values in ("count", "surface"):
        whole = dense("native", values, bins, t, shape, "float32")
        alone = [dense("native", values, bins[i : i + 1], t[i : i + 1], shape, "float32")
                 for i in range(4)]  # fmt: skip
        np.testing.assert_array_equal(whole, tf.concat(alone, 0))


@pytest.mark.parametrize("values", ["count", "surface"])
def test_a_bin_outside_is_an_error(values):
    bins = np.array([[3, 4, 5], [1, 12, 0]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"below 12. .*bins\[1, 1\] = 12"):
        dense("native", values, bins, tf.zeros([2, 3], tf.int64), (4, 3), "float32")


def test_errors_of_counts():
    op = cases.native_ops().keras_slayer_scatter_bins
    good = {
        "bins": tf.constant([[1, 2]]),
        "shift": tf.constant([[0, 0]]),
        "one": tf.ones([]),
        "steps": 5,
        "frame": [1, 1, 2],
        "values": "signed",
    }
    assert op(**good).numpy().tolist() == [[1, -1, 0, 0, 0]]
    for wrong, message in (
        ({"one": tf.constant(True)}, "needs numbers. Received: T=bool"),
        ({"frame": [1, 2, 1]}, "needs two channels. Received: 1"),
        ({"values": "sum"}, "not in the list|allowed"),
    ):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
            op(**{**good, **wrong})


def test_errors_of_surfaces():
    op = cases.native_ops().keras_slayer_time_surface
    double = {"dt": 1.0, "tau": 2.0}
    good = {
        "bins": tf.constant([[1, 2]]),
        "t": tf.constant([[100, 1100]], tf.int64),
        **{name: tf.constant(value, tf.float64) for name, value in double.items()},
        "steps": 5,
        "frame": 2,
    }
    assert op(**good).shape == (1, 10)
    for wrong, message in (
        ({"bins": tf.constant([1, 2])}, "axes|rank 2|rank 1"),
        ({"t": tf.zeros([1, 3], tf.int64)}, "same shape|equal"),
        ({"dt": tf.constant(0.0, tf.float64)}, "dt and tau must be positive"),
        ({"tau": tf.constant(-1.0, tf.float64)}, "dt and tau must be positive"),
        ({"tau": tf.constant(math.nan, tf.float64)}, "tau must be finite"),
        ({"dt": tf.constant([1.0, 2.0], tf.float64)}, "one number|rank 0"),
        ({"steps": 0}, ">= 1|minimum"),
        ({"frame": 0}, ">= 1|minimum"),
        ({"steps": 2**31}, "must be int64|below 2.31"),
        ({"steps": 2**62, "frame": 2**60}, "overflow|too large|too many"),
    ):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
            op(**{**good, **wrong})
