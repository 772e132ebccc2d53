"""Events as the numbers of their bins: the native op against TensorFlow's ops, and by hand."""

import math

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events.binning import distinct_bins

PLACES = [
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
]
TIMES = ["int16", "int32", "int64", "uint16", "uint32", "uint64", "float32", "float64"]


def bins_of(backend, events, shape, steps, dt=1.0, late="drop", dtype=tf.int32):
    with cases.backend(backend):
        return distinct_bins(events, shape, steps, dt, late, dtype)


def random_events(rng, count, shape, latest, place="uint8", time="int32", ordered=True):
    height, width, channels = shape if len(shape) == 3 else (1, shape[0], 1)
    t = rng.integers(0, latest, count)
    t = np.sort(t) if ordered else t
    return {
        "x": tf.cast(rng.integers(0, width, count), place),
        "y": tf.cast(rng.integers(0, height, count), place),
        "t": tf.cast(t, time),
        "polarity": tf.cast(rng.integers(0, channels, count), "bool" if channels == 2 else place),
    }


def by_hand(events, shape, steps, dt):
    """Event by event."""
    height, width, channels = shape if len(shape) == 3 else (1, shape[0], 1)
    events = {name: value.numpy().tolist() for name, value in events.items()}
    found = set()
    for x, y, t, p in zip(*(events[n] for n in ("x", "y", "t", "polarity")), strict=True):
        if not t >= 0 or math.floor(t / (1000 * dt)) >= steps:
            continue
        row = math.floor(t / (1000 * dt)) * height + (y if len(shape) == 3 else 0)
        found.add((row * width + int(x)) * channels + (int(p) if channels > 1 else 0))
    return sorted(found)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("time", TIMES)
def test_types(place, time):
    rng = np.random.default_rng(1)
    events = random_events(rng, 2000, (9, 11, 2), 30_000, place, time)
    expected = by_hand(events, (9, 11, 2), 25, 1.0)
    assert 500 < len(expected) < 2000
    for backend in ("native", "reference"):
        assert bins_of(backend, events, (9, 11, 2), 25).numpy().tolist() == expected


@pytest.mark.parametrize("shape", [(34, 34, 2), (7, 5, 1), (3, 4, 3), (50,), (1, 1, 1)])
@pytest.mark.parametrize("dt", [0.001, 1 / 3, 1.0, 7.5])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_native_equals_reference(shape, dt, ordered, dtype):
    rng = np.random.default_rng(2)
    for count in (0, 1, 513, 1800):
        latest = int(1000 * dt * 45) + 1
        events = random_events(rng, count, shape, latest, time="int64", ordered=ordered)
        events["t"] = tf.where(rng.random(count) < 0.1, tf.constant(-1, tf.int64), events["t"])
        actual = bins_of("native", events, shape, 40, dt, dtype=tf.as_dtype(dtype))
        expected = bins_of("reference", events, shape, 40, dt, dtype=tf.as_dtype(dtype))
        assert actual.dtype == expected.dtype == dtype
        assert actual.numpy().tolist() == expected.numpy().tolist()
        assert actual.numpy().tolist() == by_hand(events, shape, 40, dt)


def test_padding_may_be_anywhere_and_hold_anything():
    events = {
        "x": tf.constant([99, 1, -5, 2]),
        "y": tf.constant([0, 0, 99, 0]),
        "t": tf.constant([-1.0, 500.0, math.nan, 1500.0]),
        "polarity": tf.constant([7, 1, 1, 0]),
    }
    assert bins_of("native", events, (1, 4, 2), 2).numpy().tolist() == [3, 12]


def test_bins_past_32_bits():
    events = {name: tf.constant([9_999]) for name in ("x", "y")}
    events = {**events, "t": tf.constant([40_000]), "polarity": tf.constant([True])}
    actual = bins_of("native", events, (10_000, 10_000, 2), 41, dtype=tf.int64)
    assert actual.numpy().tolist() == [41 * 2 * 10**8 - 1]


GOOD = {"x": [1, 2, 3], "y": [0, 1, 0], "t": [0, 1000, 2999], "polarity": [0, 1, 1]}


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x": [1, 4, 3]}, r"off the sensor: x must be 0\.\.3[.;].*4"),
        ({"x": [1, 2, -1]}, r"off the sensor: x must be 0\.\.3[.;].*-1"),
        ({"y": [0, 2, 0]}, r"off the sensor: y must be 0\.\.1[.;].*2"),
        ({"polarity": [0, 1, 2]}, r"off the sensor: polarity must be 0\.\.1[.;].*2"),
        ({"t": [0, 1000, 3000]}, r"past the last of 3 steps of 1(\.0)? ms.*3000"),
    ],
)
def test_bad_events(backend, wrong, message):
    events = {name: tf.constant(value) for name, value in {**GOOD, **wrong}.items()}
    run = tf.function(lambda e: bins_of(backend, e, (2, 4, 2), 3, late="error"))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(events)


def test_the_error_says_which_event():
    events = {name: tf.constant(value) for name, value in {**GOOD, "x": [1, 2, 9]}.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Received: x\[2\] = 9"):
        bins_of("native", events, (2, 4, 2), 3)


def test_raw_op_errors():
    op = cases.native_ops().keras_slayer_bin_events
    good = {
        "t": tf.constant([0, 10]),
        "step_length": tf.constant(1.0, tf.float64),
        "places": [tf.constant([1, 0]), tf.constant([True, False])],
        "steps": 50,
        "limits": [3, 2],
        "strides": [2, 1],
        "names": ["x", "polarity"],
        "late": "drop",
        "Index": tf.int32,
    }
    assert op(**good).numpy().tolist() == [3, 60]
    for wrong, message in (
        ({"t": tf.constant([[0, 10]])}, "t must be a vector|rank 1"),
        ({"t": tf.constant([0, 10, 20])}, "t and x must have the same shape|equal"),
        ({"step_length": tf.constant(0.0, tf.float64)}, "positive scalar"),
        ({"step_length": tf.constant(math.nan, tf.float64)}, "positive scalar"),
        ({"step_length": tf.constant([1.0], tf.float64)}, "positive scalar|rank 0"),
        ({"limits": [3]}, "as many as places, 2.*1, 2 and 2"),
        ({"names": ["x"]}, "as many as places, 2.*2, 2 and 1"),
        ({"limits": [3, 0]}, "must be positive"),
        ({"limits": [2**40, 2**40]}, "overflow|too large|too many"),
        ({"limits": [3, -1]}, "must be >= 0|negative|positive"),
        ({"strides": [2, 2]}, "out of a frame of 6 places. Received: limit 2 and stride 2"),
        # The product of the two is 2^64.
        ({"limits": [2**33, 1], "strides": [2**31, 1]}, "out of a frame of 8589934592 places"),
        ({"strides": [2, 0]}, "must be positive"),
        ({"strides": [2**62, 1]}, "must be positive"),
        ({"steps": 2**31}, "must be int64"),
        ({"steps": 2**62}, "overflow|too large|too many"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            op(**{**good, **wrong})
