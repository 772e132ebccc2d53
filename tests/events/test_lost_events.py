"""Warnings of recordings that do not fit the frame, as those in nano- or milliseconds."""

import threading
import warnings

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

from keras_slayer.events import Events, EventTimeWarning, spike_pipeline, to_spikes
from keras_slayer.events.times import LostEvents


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


def milliseconds(count=40):
    """The times of a recording of 150 ms, in milliseconds."""
    events = recording(count)
    return Events(events.x, events.y, np.linspace(0, 150, count).astype(int), events.polarity)


def test_a_recording_in_milliseconds_is_named():
    message = (
        r"all 40 events are in the first 0\.151 ms of the frame of 10 steps of 1\.0 ms\..*1000"
    )
    for events in (milliseconds(), tensors(milliseconds()), moved(milliseconds(), SINCE_1970)):
        with pytest.warns(EventTimeWarning, match="^The recording: " + message) as caught:
            to_spikes(events, SHAPE, STEPS)
        assert len(caught) == 1
    with pytest.warns(EventTimeWarning) as caught:
        to_spikes(milliseconds(), SHAPE, STEPS)
    assert caught[0].filename == __file__
    for ragged in (False, True):
        batch = padded([recording(), milliseconds(), recording()], ragged)
        with pytest.warns(EventTimeWarning, match="^Recording 1 of the batch: " + message):
            to_spikes(batch, SHAPE, STEPS)
    options = {"sensor_shape": SHAPE, "steps": STEPS, "batch_size": 2}
    dataset = dataset_of([recording(), milliseconds(), milliseconds()])
    for more in ({}, {"values": "count"}):
        with pytest.warns(EventTimeWarning, match=message) as caught:
            spikes_of(spike_pipeline(dataset, **options, **more))
        assert len(caught) == 1 and "Recording 0" not in str(caught[0].message)


def test_few_events_may_be_at_the_beginning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for events in (milliseconds(31), Events(x=[], t=[])):
            to_spikes(events, SHAPE, STEPS)
            to_spikes(tensors(events), SHAPE, STEPS)
        to_spikes(milliseconds(), SHAPE, STEPS, late="ignore")
        to_spikes(milliseconds(), SHAPE, steps=7)
        late = milliseconds()
        late.t[-1] = 156  # a 64th of 10 ms
        to_spikes(late, SHAPE, STEPS)


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
