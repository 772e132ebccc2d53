"""Where a frame begins, and times of floating-point types."""

import numpy as np
import pytest
import tensorflow as tf
from recordings import (
    SHAPE,
    SINCE_1970,
    STEPS,
    dataset_of,
    moved,
    padded,
    recording,
    spikes_of,
    tensors,
)

from keras_slayer.events import Events, spike_pipeline, to_spikes
from keras_slayer.events.times import frame_end, steps_of


def all_ways(events, **options):
    """The spikes of one recording by every way there is; they must agree."""
    expected = to_spikes(events, SHAPE, STEPS, **options)
    filled = recording(7, seed=9)
    ways = [
        to_spikes(tensors(events), SHAPE, STEPS, **options),
        tf.function(lambda e: to_spikes(e, SHAPE, STEPS, **options))(tensors(events)),
        to_spikes(padded([filled, events]), SHAPE, STEPS, **options)[1],
        to_spikes(padded([events, filled], ragged=True), SHAPE, STEPS, **options)[0],
        spikes_of(
            spike_pipeline(
                dataset_of([events]), sensor_shape=SHAPE, steps=STEPS, batch_size=1, **options
            )
        )[0],
    ]
    for spikes in ways:
        np.testing.assert_array_equal(spikes, expected)
    return expected


@pytest.mark.parametrize("start", [0, 9_000, 1_000 * STEPS, SINCE_1970, 2**62])
def test_origin_first_counts_from_the_first_event(start):
    events = recording()
    expected = to_spikes(moved(events, -300), SHAPE, STEPS)
    assert expected.sum() > 20
    spikes = all_ways(moved(events, start), origin="first")
    np.testing.assert_array_equal(spikes, expected)


def test_origin_auto_leaves_recordings_that_begin_within_the_frame():
    events = recording()
    expected = to_spikes(events, SHAPE, STEPS, origin="zero")
    np.testing.assert_array_equal(all_ways(events), expected)
    # The first event in the last step: it stays there.
    late = moved(events, 1000 * STEPS - 301)
    spikes = all_ways(late, late="ignore")
    np.testing.assert_array_equal(
        spikes, to_spikes(late, SHAPE, STEPS, origin="zero", late="ignore")
    )
    assert spikes[-1].sum() == spikes.sum() == 1


@pytest.mark.parametrize("start", [1000 * STEPS - 300, 20_000, SINCE_1970, 2**62])
def test_origin_auto_counts_from_the_first_event_past_the_frame(start):
    expected = to_spikes(moved(recording(), -300), SHAPE, STEPS)
    np.testing.assert_array_equal(all_ways(recording(start=start)), expected)


def test_origin_zero_keeps_the_times():
    spikes = all_ways(recording(start=SINCE_1970), origin="zero", late="ignore")
    assert spikes.sum() == 0


def test_each_recording_of_a_batch_has_its_own_origin():
    recordings = [recording(30, 1), recording(20, 2, start=SINCE_1970), Events(x=[], t=[])]
    expected = np.stack([to_spikes(events, SHAPE, STEPS) for events in recordings])
    assert (expected.sum(axis=(1, 2, 3, 4)) > 0).tolist() == [True, True, False]
    for ragged in (False, True):
        batch = padded(recordings, ragged)
        np.testing.assert_array_equal(to_spikes(batch, SHAPE, STEPS), expected)
        empty = {name: value[:0] for name, value in batch.items()}
        assert to_spikes(empty, SHAPE, STEPS).shape == (0, STEPS, *SHAPE)
    pipeline = spike_pipeline(dataset_of(recordings), sensor_shape=SHAPE, steps=STEPS, batch_size=3)
    np.testing.assert_array_equal(spikes_of(pipeline), expected)


@pytest.mark.parametrize("dt", [1.0, 0.001, 0.3, 0.1, 1 / 3, 1 / 7, 2.7, 20.0, 1e9])
def test_the_end_of_a_frame_is_where_the_steps_end(dt):
    for steps in (1, 3, 7, 10, 299, 300, 10**6 + 1):
        end = frame_end(steps, dt)
        assert steps_of([end - 1, end], dt).numpy().tolist() == [steps - 1, steps]


@pytest.mark.parametrize("time", ["int16", "uint16", "int32", "uint32", "uint64"])
def test_integer_types_of_times(time):
    events = recording(start=20_000)
    expected = to_spikes(events, SHAPE, STEPS)
    np.testing.assert_array_equal(to_spikes(tensors(events, time), SHAPE, STEPS), expected)


def test_the_origin_is_that_of_the_whole_recording_where_it_is_cropped():
    events = Events(x=[0, 6, 6], y=[1, 1, 1], t=[SINCE_1970, SINCE_1970 + 2500, SINCE_1970 + 4000])
    pipeline = spike_pipeline(
        dataset_of([events]),
        sensor_shape=(2, 4, 1),
        fit="crop",
        source_shape=(2, 10),
        steps=STEPS,
        batch_size=1,
    )
    # The event at x = 0 is cropped, and time counts from it nevertheless.
    assert np.argwhere(spikes_of(pipeline))[:, 1].tolist() == [2, 4]


def test_late_events_are_those_past_the_frame_from_the_origin():
    events = recording(start=SINCE_1970)
    to_spikes(events, SHAPE, STEPS, late="error")
    with pytest.raises(ValueError, match="past the last of 10 steps"):
        to_spikes(events, SHAPE, STEPS, late="error", origin="zero")
    with pytest.raises(tf.errors.InvalidArgumentError, match="past the last of 10 steps"):
        to_spikes(tensors(events), SHAPE, STEPS, late="error", origin="zero")
    with pytest.raises(tf.errors.InvalidArgumentError, match="past the last of 9 steps"):
        to_spikes(tensors(moved(events, 0)), SHAPE, STEPS - 1, late="error")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_float_times_are_refused(dtype):
    message = (
        r"whole microseconds, of an integer type\. From seconds: np\.round\(t \* 1e6\)"
        rf"\.astype\(np\.int64\); from milliseconds: .*1e3.*Received: t of dtype {dtype}$"
    )
    events = {"x": tf.constant([0]), "t": tf.zeros([1], dtype)}
    with pytest.raises(ValueError, match=message):
        to_spikes(events, (5,), STEPS)
    with pytest.raises(ValueError, match=message):
        tf.function(lambda e: to_spikes(e, (5,), STEPS))(events)
    ragged = {name: tf.RaggedTensor.from_row_lengths(v, [1]) for name, v in events.items()}
    with pytest.raises(ValueError, match=message):
        to_spikes(ragged, (5,), STEPS)
    dataset = tf.data.Dataset.from_tensors((events, 0))
    with pytest.raises(ValueError, match=message):
        spike_pipeline(dataset, sensor_shape=(5,), steps=STEPS, batch_size=1)


def test_float_times_of_numpy_are_refused():
    for t in ([0.1, 0.2], np.float32([1, 2])):
        with pytest.raises(ValueError, match=r"whole microseconds.*Received: t of dtype float"):
            to_spikes({"x": np.array([0, 1]), "t": np.asarray(t)}, (5,), STEPS)
    # No times have no unit.
    assert to_spikes({"x": np.array([]), "t": np.array([])}, (5,), STEPS).sum() == 0
