"""Where a frame begins, recordings that miss it, and times in another unit."""

import threading
import warnings

import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import Events, EventTimeWarning, spike_pipeline, to_spikes
from keras_slayer.events.times import LostEvents

SHAPE = (4, 5, 2)
STEPS = 10
SINCE_1970 = 1_700_000_000_000_000  # us


def recording(count=40, seed=0, start=0, scale=1):
    """Events over all of the frame, whose first is 300 us past `start`."""
    rng = np.random.default_rng(seed)
    t = np.sort(np.append(rng.integers(300, 1000 * STEPS, count - 1), 300))
    return Events(
        x=rng.integers(0, 5, count),
        y=rng.integers(0, 4, count),
        t=start + scale * t,
        polarity=rng.integers(0, 2, count),
    )


def moved(events, by):
    return Events(events.x, events.y, events.t + by, events.polarity)


def tensors(events, time=tf.int64):
    fields = {name: tf.constant(value) for name, value in events.to_dict().items()}
    return {**fields, "t": tf.cast(fields["t"], time)}


def padded(recordings, ragged=False):
    """A batch: padded at the front of each second recording, and at the end of the others."""
    size = max(map(len, recordings)) + 1
    fields = {}
    for name in ("x", "y", "t", "polarity"):
        rows = []
        for i, events in enumerate(recordings):
            fill = np.full(size - len(events), -7 if name == "t" else 0)
            parts = [fill, getattr(events, name)] if i % 2 else [getattr(events, name), fill]
            rows.append(np.concatenate(parts))
        fields[name] = tf.constant(np.stack(rows))
    if ragged:
        values = [tensors(events) for events in recordings]
        return {name: tf.ragged.stack([v[name] for v in values]) for name in fields}
    return fields


def dataset_of(recordings, labels=None):
    labels = np.arange(len(recordings)) if labels is None else labels

    def generate():
        for events, label in zip(recordings, labels, strict=True):
            yield events.to_dict(), label

    types = {"x": tf.uint16, "y": tf.uint16, "t": tf.int64, "polarity": tf.uint8}
    spec = {name: tf.TensorSpec([None], dtype) for name, dtype in types.items()}
    label = tf.TensorSpec(np.shape(labels)[1:], tf.as_dtype(np.asarray(labels).dtype))
    return tf.data.Dataset.from_generator(generate, output_signature=(spec, label))


def spikes_of(pipeline):
    return np.concatenate([spikes for spikes, _ in pipeline.as_numpy_iterator()])


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


def test_a_lost_recording_is_named():
    lost = recording(scale=1000)  # nanoseconds
    message = r": 3\d of 40 events fall outside the frame of 10 steps of 1\.0 ms.*nanoseconds by"
    with pytest.warns(EventTimeWarning, match="^The recording" + message):
        to_spikes(lost, SHAPE, STEPS)
    with pytest.warns(EventTimeWarning, match="^The recording" + message):
        to_spikes(tensors(lost), SHAPE, STEPS)
    with pytest.warns(EventTimeWarning, match='origin="first", or late="ignore"'):
        to_spikes(recording(start=SINCE_1970), SHAPE, STEPS, origin="zero")
    for ragged in (False, True):
        batch = padded([recording(), recording(), lost], ragged)
        with pytest.warns(EventTimeWarning, match="^Recording 2 of the batch" + message):
            to_spikes(batch, SHAPE, STEPS)
    # The warning points at the line that called.
    with pytest.warns(EventTimeWarning) as caught:
        to_spikes(lost, SHAPE, STEPS)
    assert caught[0].filename == __file__


def test_half_of_the_events_may_be_late():
    half = Events(x=[0, 1, 2, 3], t=[0, 9_999, 10_000, 20_000])
    assert to_spikes(half, SHAPE, STEPS).sum() == 2
    assert to_spikes(tensors(half), SHAPE, STEPS).numpy().sum() == 2
    more = Events(x=[0, 2, 3], t=[0, 10_000, 20_000])
    for events in (more, tensors(more)):
        with pytest.warns(EventTimeWarning, match="2 of 3 events"):
            to_spikes(events, SHAPE, STEPS)
        to_spikes(events, SHAPE, STEPS, late="ignore")


@pytest.mark.parametrize("cache", [True, False])
def test_a_pipeline_warns_once_and_names_the_recording(cache):
    good, lost = recording(), recording(scale=1000)
    pipeline = spike_pipeline(
        dataset_of([good, good, lost, *[lost] * 9]),
        sensor_shape=SHAPE,
        steps=STEPS,
        batch_size=2,
        cache=cache,
    )
    with pytest.warns(EventTimeWarning) as caught:
        for _ in range(2):
            spikes_of(pipeline)
    (warning,) = caught
    # Recordings are read in parallel: which of the lost ones is found first is not fixed.
    message = str(warning.message)
    index = int(message.split()[1])
    assert 2 <= index < 12
    assert message.startswith(f"Recording {index} of the data set (label {index}): 3")


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (np.array(["clap", "wave"]), "Recording 1 of the data set (label wave): "),
        (np.eye(2), "Recording 1 of the data set: "),
    ],
)
def test_labels_in_the_warning(labels, name):
    dataset = dataset_of([recording(), recording(scale=1000)], labels)
    pipeline = spike_pipeline(dataset, sensor_shape=SHAPE, steps=STEPS, batch_size=2)
    with pytest.warns(EventTimeWarning) as caught:
        spikes_of(pipeline)
    assert str(caught[0].message).startswith(name)


def test_no_warning_where_late_events_are_ignored_or_few():
    lost = recording(scale=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options = {"sensor_shape": SHAPE, "steps": STEPS, "batch_size": 2}
        spikes_of(spike_pipeline(dataset_of([lost]), late="ignore", **options))
        spikes_of(spike_pipeline(dataset_of([recording(), Events(x=[], t=[])]), **options))
        to_spikes(lost, SHAPE, STEPS, late="ignore")


def test_a_graph_of_ones_own_warns_once():
    lost = recording(scale=1000)
    dataset = dataset_of([lost] * 5).map(lambda e, label: to_spikes(e, SHAPE, STEPS))
    with pytest.warns(EventTimeWarning) as caught:
        assert len(list(dataset)) == 5
    assert [str(w.message).split(":")[0] for w in caught] == ["The recording"]


def test_a_graph_that_ignores_late_events_can_be_saved(tmp_path):
    class Binning(tf.Module):
        @tf.function(input_signature=[{n: tf.TensorSpec([None], tf.int64) for n in ("x", "t")}])
        def spikes(self, events):
            return to_spikes(events, (5,), STEPS, late="ignore")

    module = Binning()
    tf.saved_model.save(module, str(tmp_path))
    graph = module.spikes.get_concrete_function().graph.as_graph_def()
    ops = {node.op for f in graph.library.function for node in f.node_def}
    assert not {op for op in (*ops, *(node.op for node in graph.node)) if "PyFunc" in op}
    events = {"x": tf.constant([1, 2], tf.int64), "t": tf.constant([0, 10**6], tf.int64)}
    assert tf.saved_model.load(str(tmp_path)).spikes(events).numpy().sum() == 1


def test_threads_give_one_warning():
    lost = LostEvents(STEPS, 1.0, "auto")
    start = threading.Barrier(8)

    def check():
        start.wait()
        lost.check("it", 2, 3)

    with pytest.warns(EventTimeWarning) as caught:
        threads = [threading.Thread(target=check) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(caught) == 1


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
