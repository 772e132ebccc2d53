"""Passes over the events of a batch: the native ops against TensorFlow's."""

import cases
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import binning, packing, transforms
from keras_slayer.events.transforms import EventBatch

SENSORS = [(9, 12, 2), (5, 7, 1), (3, 4, 3), (50,), (1, 1, 1), (1000, 1000, 2)]
SIZES = [(3, 2701), (1, 1), (0, 3), (2, 0)]
FIELDS = ("x", "y", "polarity", "t", "kept")


def random_batch(size, sensor, seed=0, latest=20_000, margin=0):
    """Events on the sensor and, by `margin`, around it; every fifth is not kept and far away."""
    rng = np.random.default_rng(seed)
    height, width, channels = (1, sensor[0], 1) if len(sensor) == 1 else sensor
    kept = rng.random(size) < 0.8
    x, y = (rng.integers(-margin, limit + margin, size) for limit in (width, height))
    place = {"x": x, "y": y, "polarity": rng.integers(0, channels, size)}
    place = {name: np.where(kept, value, -(2**31)) for name, value in place.items()}
    t = np.where(kept, rng.integers(0, latest, size), -(2**50))
    fields = {name: tf.constant(value, tf.int32) for name, value in place.items()}
    return EventBatch(**fields, t=tf.constant(t, tf.int64), kept=tf.constant(kept))


def fields_of(batch):
    """What the batch holds; zeros where events are not kept, where other fields mean nothing."""
    kept = batch.kept.numpy()
    values = [np.where(kept, getattr(batch, name).numpy(), 0) for name in FIELDS]
    assert [getattr(batch, name).dtype for name in FIELDS] == [*[tf.int32] * 3, tf.int64, tf.bool]
    return values


def both(run, *arguments):
    results = []
    for name in ("native", "reference"):
        with cases.backend(name):
            results.append(run(*arguments))
    return results


def assert_same(run, *arguments):
    native, reference = (fields_of(batch) for batch in both(run, *arguments))
    for a, b in zip(native, reference, strict=True):
        np.testing.assert_array_equal(a, b)
    return native


@pytest.mark.parametrize("sensor", [*SENSORS, (2**31 - 1,), (46_340, 46_340, 1)])
@pytest.mark.parametrize("size", SIZES)
def test_unpack(sensor, size):
    rng = np.random.default_rng(1)
    last = np.prod(sensor, dtype=np.int64) - 1
    address = rng.integers(0, last + 1, size)
    if address.size:
        address.flat[0] = last
    packed = (address << 32) | rng.integers(0, 2**31, size)
    packed = np.where(rng.random(size) < 0.2, -1, packed)
    _, _, _, t, kept = assert_same(packing.unpack, tf.constant(packed), sensor)
    assert kept.tolist() == (packed >= 0).tolist()
    assert t.tolist() == np.where(kept, packed & 0xFFFFFFFF, 0).tolist()


@pytest.mark.parametrize("sensor", SENSORS)
@pytest.mark.parametrize("size", SIZES)
def test_on_sensor(sensor, size):
    batch = random_batch(size, sensor, margin=2)
    *_, kept = assert_same(lambda: batch.keep_on_sensor(sensor))
    if kept.size > 1000:
        assert 0 < kept.sum() < batch.kept.numpy().sum()


@pytest.mark.parametrize("sensor", [sensor for sensor in SENSORS if len(sensor) == 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "transform",
    [transforms.Rotate(180), transforms.Zoom((0.1, 2)), transforms.Affine(90, 0.5, 0.5, 1)],
    ids=str,
)
def test_turn(sensor, size, transform):
    batch = random_batch(size, sensor)
    for seed in range(3):
        assert_same(transform.apply, batch, sensor, tf.constant([seed, 1]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("std", [0.0, 0.4, 3000.0, 1e12])
def test_jitter(size, std):
    batch = random_batch(size, (9, 12, 2))
    *_, kept = assert_same(transforms.TimeJitter(std).apply, batch, None, tf.constant([3, 1]))
    if kept.size > 100 and std > 100:
        assert 0 < kept.sum() < batch.kept.numpy().sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("probability", [0.0, 1.0, 0.3, (0.2, 0.9)])
def test_drop(size, probability):
    batch = random_batch(size, (9, 12, 2))
    transform = transforms.DropEvents(probability)
    *_, kept = assert_same(transform.apply, batch, None, tf.constant([3, 1]))
    if kept.size > 1000 and probability not in (0.0, 1.0):
        assert 0 < kept.sum() < batch.kept.numpy().sum()


@pytest.mark.parametrize("key", [0, 12345678901234567890])
@pytest.mark.parametrize("counter", [(0, 0), (2**64 - 3, 5), (2**64 - 70, 2**64 - 1)])
def test_draws_are_those_of_tensorflow(key, counter):
    """To the bit, from wherever they begin, past the ends of the counter's words too."""
    where = {"key": tf.constant([key], tf.uint64), "counter": tf.constant(counter, tf.uint64)}
    shape, native = (3, 1401), cases.native_ops()
    kept = tf.ones(shape, tf.bool)
    drawn = tf.raw_ops.StatelessRandomNormalV2(shape=shape, **where, alg=1).numpy()
    t = tf.fill(shape, tf.constant(2**40, tf.int64))
    # So large that all bits of most of the numbers count.
    moved = native.keras_slayer_jitter_events(t=t, kept=kept, **where, std=2.0**24)[0]
    expected = np.rint(drawn * np.float32(2**24)).astype(np.int64)
    np.testing.assert_array_equal(moved.numpy() - 2**40, expected)
    drawn = tf.raw_ops.StatelessRandomUniformV2(shape=shape, **where, alg=1).numpy()
    for limit in (0.1, 0.7, drawn[2, 1000]):
        probability = tf.fill([3, 1], tf.constant(limit, tf.float32))
        left = native.keras_slayer_drop_events(kept=kept, probability=probability, **where)
        np.testing.assert_array_equal(left, drawn >= np.float32(limit))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("latest", [1, 20_000, 2**62])
def test_spans(size, latest):
    batch = random_batch(size, (9, 12, 2), latest=latest)
    rows = tf.range(size[0])[:, tf.newaxis] == 1  # one without events
    for of in (batch, batch.keep(~rows)):
        native, reference = both(of.span)
        for a, b in zip(native, reference, strict=True):
            assert a.dtype == tf.int64 and a.shape == (size[0], 1)
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sensor", SENSORS)
@pytest.mark.parametrize(("steps", "dt"), [(11, 1 / 3), (60, 0.001), (2000, 7.5)])
@pytest.mark.parametrize("size", [SIZES[0], SIZES[-1]])
def test_bins(sensor, size, steps, dt):
    batch = random_batch(size, sensor, latest=int(1500 * steps * dt) + 1)
    native, reference = both(binning.batch_bins, batch, sensor, steps, dt, "drop")
    for a, b in zip(native, reference, strict=True):
        np.testing.assert_array_equal(a, b)
    bins, lost, events = native
    assert bins.dtype == (tf.int32 if steps * np.prod(sensor) < 2**31 else tf.int64)
    assert (tf.reduce_sum(tf.cast(bins >= 0, tf.int32), 1) + lost).numpy().tolist() == (
        events.numpy().tolist()
    )
    if events.numpy().sum() > 1000:
        assert 0 < lost.numpy().sum() < events.numpy().sum()


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize(
    ("wrong", "late", "message"),
    [
        ({"x": [1, 4]}, "drop", r"off the sensor: x must be 0\.\.3[.;].*4"),
        ({"x": [1, -1]}, "drop", r"off the sensor: x must be 0\.\.3[.;].*-1"),
        ({"y": [0, 2]}, "drop", r"off the sensor: y must be 0\.\.1[.;].*2"),
        ({"polarity": [0, 2]}, "drop", r"off the sensor: polarity must be 0\.\.1[.;].*2"),
        ({"t": [0, 3000]}, "error", r"past the last of 3 steps of 1(\.0)? ms.*3000"),
    ],
)
def test_bad_events(backend, wrong, late, message):
    good = {"x": [1, 3], "y": [0, 1], "polarity": [0, 1], "t": [0, 2999]}
    fields = {**good, **wrong}
    t = tf.constant([fields.pop("t")], tf.int64)
    fields = {name: tf.constant([value]) for name, value in fields.items()}

    @tf.function
    def run(kept):
        batch = EventBatch(**fields, t=t, kept=kept)
        return binning.batch_bins(batch, (2, 4, 2), 3, 1.0, late)[0]

    with cases.backend(backend):
        assert run(tf.constant([[True, False]])).numpy().tolist() == [[2, -1]]
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            run(tf.constant([[True, True]]))


def test_batches_of_other_dtypes_take_tensorflows_ops():
    """A transform of the user's may have made a field int64."""
    batch = random_batch((2, 30), (9, 12, 2))
    wide = batch.replace(x=tf.cast(batch.x, tf.int64))
    with cases.backend("native"):
        assert batch.native() is not None and wide.native() is None
        bins = [binning.batch_bins(of, (9, 12, 2), 9, 1.0, "drop")[0] for of in (batch, wide)]
    np.testing.assert_array_equal(*bins)


def events(shape, *dtypes):
    return [tf.zeros(shape, dtype) for dtype in dtypes]


INT, LONG, BOOL = tf.int32, tf.int64, tf.bool
STATE = [tf.zeros([1], tf.uint64), tf.zeros([2], tf.uint64)]  # key and counter


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("unpack_events", [tf.zeros([3], LONG)], {"width": 2, "channels": 1}, "axes|rank 2"),
        ("unpack_events", events([1, 3], LONG), {"width": 2**31, "channels": 1}, "below 2.31"),
        ("unpack_events", events([1, 3], LONG), {"width": 0, "channels": 1}, ">= 1|minimum"),
        ("events_on_sensor", events([2], INT, INT, BOOL), {"height": 2, "width": 2}, "axes|rank 2"),
        (
            "events_on_sensor",
            [*events([1, 3], INT), *events([1, 2], INT), *events([1, 3], BOOL)],
            {"height": 2, "width": 2},
            "same shape|equal",
        ),
        (
            "events_on_sensor",
            events([1, 3], INT, INT, BOOL),
            {"height": 2, "width": 2**40},
            "below 2.31",
        ),
        (
            "turn_events",
            [*events([1, 3], INT, INT, BOOL), tf.zeros([1, 3])],
            {"height": 2, "width": 2},
            r"maps must be \(1, 4\)",
        ),
        (
            "jitter_events",
            [*events([1, 3], LONG), *events([1, 2], BOOL), *STATE],
            {"std": 1.0},
            "same shape|equal",
        ),
        ("jitter_events", [*events([1, 3], LONG, BOOL), *STATE[::-1]], {"std": 1.0}, "one and two"),
        ("jitter_events", [*events([1, 3], LONG, BOOL), *STATE], {"std": -1.0}, "std must be 0"),
        (
            "jitter_events",
            [*events([1, 3], LONG, BOOL), *STATE],
            {"std": float("nan")},
            "std must be 0",
        ),
        ("drop_events", [*events([1, 3], BOOL), tf.zeros([1]), *STATE], {}, r"be \(1, 1\)"),
        (
            "drop_events",
            [*events([1, 3], BOOL), tf.zeros([1, 1]), STATE[0], STATE[0]],
            {},
            "one and two",
        ),
        ("event_spans", [*events([1, 3], LONG), *events([3, 1], BOOL)], {}, "same shape|equal"),
        ("event_spans", events([3], LONG, BOOL), {}, "axes|rank 2"),
    ],
)
def test_raw_op_errors(op, inputs, attributes, message):
    run = getattr(cases.native_ops(), f"keras_slayer_{op}")
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
        run(*inputs, **attributes)


def test_raw_bins_errors():
    op = cases.native_ops().keras_slayer_event_bins
    names = ("x", "y", "polarity", "t", "kept")
    good = dict(zip(names, events([1, 3], INT, INT, INT, LONG, BOOL), strict=True))
    good |= {"step_length": tf.constant(1.0, tf.float64), "steps": 5, "frame": [2, 3, 2]}
    good |= {"image": True, "late_is_error": False, "Index": tf.int32}
    assert op(**good)[0].numpy().tolist() == [[-1, -1, -1]]
    for wrong, message in (
        ({"y": tf.zeros([1, 2], INT)}, "same shape|equal"),
        ({"step_length": tf.constant(0.0, tf.float64)}, "positive scalar"),
        ({"step_length": tf.constant(float("nan"), tf.float64)}, "positive scalar"),
        ({"step_length": tf.constant([1.0], tf.float64)}, "positive scalar|rank 0"),
        ({"frame": [2, 3]}, "height, width and channels|at least 3|minimum"),
        ({"frame": [2, 0, 1]}, "all positive"),
        ({"steps": 0}, ">= 1|minimum"),
        ({"steps": 2**31}, "must be int64"),
        ({"steps": 2**62}, "overflow|too large|too many"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            op(**{**good, **wrong})
