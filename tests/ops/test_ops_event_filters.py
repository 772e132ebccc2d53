"""Filters of events: the native ops against TensorFlow's sorts and searches."""

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import Events, transforms
from keras_slayer.events.transforms import EventBatch

FILTERS = [
    *(transforms.Denoise(time, size) for time, size in ((0, 3), (40, 5), (2**40, 3))),
    *(transforms.RefractoryPeriod(period) for period in (1, 30, 2**40)),
]


def random_batch(size, sensor, times, seed=0, start=0, ordered=False, kept=0.8):
    rng = np.random.default_rng(seed)
    t = start + rng.integers(0, times, size)
    places = [tf.constant(rng.integers(0, limit, size), tf.int32) for limit in sensor[1::-1]]
    return EventBatch(
        *places,
        t=tf.constant(np.sort(t, axis=1) if ordered else t, tf.int64),
        polarity=tf.zeros(size, tf.int32),
        kept=tf.constant(rng.random(size) < kept),
    )


def kept_by(backend, transform, batch, sensor):
    with cases.backend(backend):
        return transform.apply(batch, sensor, None).kept.numpy()


@pytest.mark.parametrize("transform", FILTERS, ids=str)
@pytest.mark.parametrize(
    ("size", "sensor", "times"),
    [
        ((3, 300), (3, 4, 2), 200),  # crowded
        ((2, 500), (30, 40, 1), 9_000),
        ((2, 400), (30, 40, 1), 2**40),  # several digits of time to sort by
        ((1, 300), (4000, 5000, 2), 10),  # few events for so many pixels
        ((2, 1), (3, 4, 2), 5),
        ((0, 3), (3, 4, 2), 5),
        ((2, 0), (3, 4, 2), 5),
    ],
)
def test_native_equals_reference(transform, size, sensor, times):
    found = 0
    for ordered, start in ((False, 0), (True, 2**50)):
        batch = random_batch(size, sensor, times, start=0 if times > 2**39 else start)
        batch = batch if ordered else random_batch(size, sensor, times, seed=1)
        known = sensor if ordered else None
        native = kept_by("native", transform, batch, known)
        np.testing.assert_array_equal(native, kept_by("reference", transform, batch, known))
        assert not (native & ~batch.kept.numpy()).any()
        found += native.sum()
    if size == (3, 300):
        assert found > 0


def test_neighbours_on_a_sensor_of_many_pixels():
    """The table of the pixels with events finds what the array of all finds."""
    small = random_batch((1, 400), (20, 20, 1), 3000)
    far = small.replace(x=small.x + 4000, y=small.y + 3000)
    for transform in FILTERS:
        near = kept_by("native", transform, small, (20, 20, 1))
        found = kept_by("native", transform, far, (4000, 5000, 1))
        np.testing.assert_array_equal(found, near)
        assert near.any() or transform == transforms.Denoise(0)


def test_periods_past_all_times():
    batch = random_batch((2, 60), (3, 4, 2), 50)
    for kind in (transforms.Denoise, transforms.RefractoryPeriod):
        kept = [kept_by("native", kind(time), batch, (3, 4, 2)) for time in (2**40, 2**70)]
        np.testing.assert_array_equal(*kept)


def test_events_that_are_dropped_may_be_anywhere():
    batch = random_batch((2, 60), (3, 4, 2), 50, kept=0.5)
    away = {name: tf.where(batch.kept, getattr(batch, name), -(2**31)) for name in ("x", "y")}
    for transform in FILTERS:
        native = kept_by("native", transform, batch.replace(**away), (3, 4, 2))
        np.testing.assert_array_equal(native, kept_by("native", transform, batch, (3, 4, 2)))


def test_there_is_no_recording_too_long():
    """For the sort keys of the reference there is."""
    events = Events(x=[0, 1, 1], y=[0, 1, 1], t=[0, 2**61, 2**61 + 5])
    with cases.backend("native"):
        assert len(transforms.Denoise(10)(events, sensor_shape=(720, 1280, 2))) == 0
        result = transforms.RefractoryPeriod(10)(events, sensor_shape=(720, 1280, 2))
    assert result.t.tolist() == [0, 2**61]


GOOD = {
    "x": tf.constant([[0, 3]]),
    "y": tf.constant([[0, 2]]),
    "t": tf.constant([[0, 9]], tf.int64),
    "kept": tf.constant([[True, True]]),
    "height": 3,
    "width": 4,
}


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("denoise_events", {"filter_time": 5, "size": 3}),
        ("refractory_events", {"period": 5}),
    ],
)
def test_raw_op_errors(name, attributes):
    op = getattr(cases.native_ops(), f"keras_slayer_{name}")
    assert op(**GOOD, **attributes).shape == (1, 2)
    for wrong, message in (
        ({"x": tf.constant([0, 3])}, "axes|rank 2"),
        ({"t": tf.zeros([1, 3], tf.int64)}, "same shape|equal"),
        ({"height": 0}, "height and width must be positive"),
        ({"width": -4}, "height and width must be positive"),
        ({"width": [4]}, "positive scalars|rank 0"),
        ({"x": tf.constant([[0, 4]])}, r"off the sensor of 3 x 4 .*y\[0, 1\] = 2, x = 4"),
        ({"y": tf.constant([[-1, 2]])}, r"off the sensor of 3 x 4 .*y\[0, 0\] = -1, x = 0"),
        ({next(iter(attributes)): -1}, ">= 0|>= 1|minimum"),
    ):
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
            op(**{**GOOD, **attributes, **wrong})


@pytest.mark.parametrize("size", [2, 1001])
def test_sizes_of_neighbourhoods(size):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"must be odd.*Received: {size}"):
        cases.native_ops().keras_slayer_denoise_events(**GOOD, filter_time=5, size=size)
