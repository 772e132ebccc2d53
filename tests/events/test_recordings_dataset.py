"""Recordings as a data set: training, order, errors, sensors, and what is done to events."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from recording_cases import SENSOR, class_folder, elements, random_events

import keras_slayer as ks
from keras_slayer.events import (
    Events,
    Recordings,
    RecordingsWarning,
    from_arrays,
    from_folder,
    spike_pipeline,
    to_spikes,
)

STEPS = 10


def pipeline(recordings, **arguments):
    return spike_pipeline(
        recordings.as_dataset(),
        **{
            "sensor_shape": recordings.sensor_shape,
            "steps": STEPS,
            "dt": 100.0,
            "batch_size": 4,
            **arguments,
        },
    )


def test_from_a_folder_to_fit(tmp_path):
    class_folder(tmp_path, [("left", 5), ("right", 5)])
    model = keras.Sequential([keras.Input((STEPS, *SENSOR, 2)), ks.Flatten(), ks.SpikingDense(2)])
    model.compile("adam", ks.SpikeMaxLoss())

    recordings = ks.events.from_folder(tmp_path, "{label}/*.bin", sensor_shape=SENSOR)
    train, test = recordings.split(0.8, seed=1)
    train = pipeline(train.slice(window=1.0, stride=0.5), shuffle=True)
    history = model.fit(train, validation_data=pipeline(test), shuffle=False, verbose=0)

    assert np.isfinite([*history.history["loss"], *history.history["val_loss"]]).all()


def test_elements(tmp_path):
    made = class_folder(tmp_path)
    recordings = from_folder(tmp_path, sensor_shape=SENSOR)
    dataset = recordings.as_dataset()
    types = {"x": tf.uint16, "y": tf.uint16, "t": tf.int64, "polarity": tf.uint8}
    assert dataset.element_spec == (
        {name: tf.TensorSpec([None], dtype) for name, dtype in types.items()},
        tf.TensorSpec([], tf.int64),
    )
    assert int(dataset.cardinality()) == len(recordings) == 6
    wanted = [(made[name], int(name.startswith("right"))) for name in sorted(made)]
    for _ in range(2):
        assert elements(dataset) == wanted
    assert list(recordings) == wanted
    spikes = np.concatenate([s for s, _ in pipeline(recordings)])
    for found, (events, _) in zip(spikes, wanted, strict=True):
        np.testing.assert_array_equal(found, to_spikes(events, (*SENSOR, 2), STEPS, 100.0))


def test_the_order_of_reading_is_new_in_each_epoch():
    recordings = from_arrays([Events(x=[i], t=[0]) for i in range(50)], range(50))

    def orders(seed):
        dataset = recordings.as_dataset(shuffle=True, seed=seed)
        return [[label for _, label in elements(dataset)] for _ in range(3)]

    first = orders(1)
    assert all(sorted(order) == list(range(50)) for order in first)
    assert len(set(map(tuple, first))) == 3 and first == orders(1) != orders(2)
    assert first[0] != list(range(50))


def test_a_shuffled_first_element_reads_few_files(tmp_path):
    class_folder(tmp_path, [("left", 60)])
    read = []

    def reader(path):
        read.append(path)
        return ks.events.read_events(path)

    recordings = from_folder(tmp_path, sensor_shape=SENSOR, reader=reader)
    next(iter(recordings.as_dataset(shuffle=True)))
    assert 1 <= len(read) < 60


def test_events_are_in_order_of_time(tmp_path):
    class_folder(tmp_path, [("left", 1)])
    events = random_events()
    mixed = events[np.random.default_rng(1).permutation(len(events))]
    ks.events.write_events(tmp_path / "left" / "0.bin", mixed)
    for cache in (None, True, tmp_path / "cache"):
        ((found, _),) = from_folder(tmp_path, "{label}/*.bin", cache=cache, sensor_shape=SENSOR)
        assert found == mixed.sorted() != mixed
    ((found, _),) = from_arrays([mixed], ["left"])
    assert found == mixed.sorted()


def damaged_folder(folder):
    class_folder(folder, [("left", 4), ("right", 4)])
    (folder / "left" / "1.bin").write_bytes(b"1234567")
    (folder / "right" / "2.bin").write_bytes(b"123")
    return folder


@pytest.mark.parametrize("cut", [False, True])
def test_errors_name_the_recording(tmp_path, cut):
    recordings = from_folder(damaged_folder(tmp_path), sensor_shape=SENSOR)
    recordings = recordings.slice(window=1.0) if cut else recordings
    message = rf"Recording 1 \({tmp_path}/left/1.bin\): truncated at byte 5"
    with pytest.raises(ValueError, match=message):
        list(recordings)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
        elements(recordings.as_dataset())


@pytest.mark.parametrize("cut", [False, True])
def test_recordings_are_skipped(tmp_path, cut):
    recordings = from_folder(damaged_folder(tmp_path), sensor_shape=SENSOR, on_error="skip")
    recordings = recordings.slice(window=0.5) if cut else recordings
    assert recordings.skipped == {}
    dataset = recordings.as_dataset()
    each = 2 if cut else 1
    message = r"2 of 8 recordings could not be read(?s:.)*Recording 1 \(.*\nRecording 6 \("
    with pytest.warns(RecordingsWarning, match=message):
        found = elements(dataset)
    assert [label for _, label in found] == [0] * 3 * each + [1] * 3 * each
    assert list(recordings.skipped) == [str(tmp_path / f) for f in ("left/1.bin", "right/2.bin")]
    assert "truncated at byte 0" in recordings.skipped[str(tmp_path / "right/2.bin")]
    assert elements(dataset) == found  # and no second warning
    assert list(recordings) == found
    batches = spike_pipeline(
        dataset, sensor_shape=(*SENSOR, 2), steps=STEPS, batch_size=4, shuffle=16, late="ignore"
    )
    assert sum(len(labels) for _, labels in batches) == len(found)
    if not cut:
        assert int(dataset.cardinality()) == tf.data.UNKNOWN_CARDINALITY
        with pytest.raises(ValueError, match=r"Recording 6 .*truncated at byte 0"):
            recordings[6]


def test_functions_that_fail_are_not_skipped(tmp_path):
    class_folder(tmp_path)
    recordings = from_folder(tmp_path, sensor_shape=SENSOR, on_error="skip")
    wrong = recordings.map(lambda events: {"x": events.x})
    with pytest.raises(ValueError, match=r"Recording 0 \(.*left/0.bin\): .*Missing: t"):
        wrong[0]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"left/0.bin\): .*Missing: t"):
        elements(wrong.as_dataset())


def test_mistakes_in_a_reader_are_named_and_not_skipped(tmp_path):
    class_folder(tmp_path)

    def reader(path):
        return ks.events.read_events(path).no_such_field

    for cut in (False, True):
        recordings = from_folder(tmp_path, reader=reader, sensor_shape=SENSOR, on_error="skip")
        with pytest.raises(ValueError, match=r"Recording 0 .*left/0.bin\): .*no_such_field"):
            list(recordings.slice(1.0) if cut else recordings)


def test_events_that_may_be_read_again_cannot_be_written_to(tmp_path):
    class_folder(tmp_path / "a")
    own = random_events()
    for recordings in (
        from_arrays([own], [0]),
        *(from_folder(tmp_path / "a", cache=cache) for cache in (None, True, tmp_path / "c")),
    ):
        with pytest.raises(ValueError, match="read-only"):
            recordings[0][0].x[0] = 5
    own.x[0] = 5  # still its owner's


def test_the_working_directory_may_change(tmp_path, monkeypatch):
    class_folder(tmp_path / "a")
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path)
    recordings = from_folder("a", sensor_shape=SENSOR, cache="cache")
    monkeypatch.chdir(tmp_path / "b")
    assert len(list(recordings)) == 6 and (tmp_path / "cache").is_dir()


def test_map_filter_take_and_index():
    sizes = [5, 9, 3, 7, 8]
    events = [random_events(i, count=n) for i, n in enumerate(sizes)]
    recordings = from_arrays(events, [0, 1, 0, 1, 0], sensor_shape=SENSOR)
    on = recordings.map(lambda events: events[events.polarity == 1])
    for (events, label), (all_events, wanted) in zip(on, recordings, strict=True):
        assert events == all_events[all_events.polarity == 1] and label == wanted
    flat = recordings.map(lambda e: {"x": e.x * 0, "t": e.t}, sensor_shape=(1, 1))
    assert flat.sensor_shape == (1, 1, 2) and set(flat[0][0].x) == {0}

    def count(chosen):
        return [len(events) for events, _ in chosen]

    assert count(recordings.filter(lambda events, label: len(events) > 5)) == [9, 7, 8]
    assert count(recordings.filter(lambda events, label: label == 0)) == [5, 3, 8]
    few = recordings.map(lambda events: events[:4]).filter(lambda events, _: len(events) == 4)
    assert count(few) == [4, 4, 4, 4]
    assert count(recordings.take(2)) == [5, 9] and count(recordings.take(9)) == sizes
    chosen = count(recordings.take(3, seed=1))
    assert len(chosen) == 3 and chosen == [n for n in sizes if n in chosen] != sizes[:3]
    assert count(recordings.take(3, seed=1)) == chosen
    assert count(recordings[1:4]) == [9, 3, 7] and count(recordings[[4, 0]]) == [8, 5]
    assert count(recordings[recordings.labels == 1]) == [9, 7]
    assert recordings[-1][0] == recordings[4][0] == recordings[np.int64(4)][0]
    assert isinstance(recordings[1:2], Recordings)
    assert count(recordings.slice(count=2)[3:][::2])  # slices too
    with pytest.raises(IndexError, match=r"There are 5 items. Received: index=5"):
        recordings[5]
    for nothing in (
        lambda: recordings[5:],
        lambda: len(recordings.filter(lambda events, label: False)),
    ):
        with pytest.raises(ValueError, match=r"leaves none of 5 items"):
            nothing()
    for n in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match=f"Received: n={n}"):
            recordings.take(n)


def test_repr(tmp_path):
    class_folder(tmp_path)
    recordings = from_folder(tmp_path, "{label}/*.bin", sensor_shape=SENSOR)
    origin = f"from folder {tmp_path}, pattern '{{label}}/*.bin')"
    assert repr(recordings) == (
        f"Recordings(6 recordings; 2 classes: left (3), right (3); sensor 20 x 30 x 2; {origin}"
    )
    slices = recordings.slice(0.5, 0.25).downsample((10, 10))
    assert repr(slices) == (
        "Recordings(slices (0.5 s, stride 0.25 s) of recordings; 2 classes: left, right; "
        f"sensor 10 x 10 x 2; {origin}"
    )
    assert len(slices) == 18
    assert "(18 slices (0.5 s, stride 0.25 s) of 6 recordings; 2 classes: left (9), ri" in repr(
        slices
    )
    many = from_arrays([random_events()] * 12, range(12))
    assert "12 classes: 0 (1), " in repr(many) and ", 9 (1), ...; unknown" in repr(many)
