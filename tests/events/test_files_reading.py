"""`read_events` and `write_events` as a whole: recognising, chunks, options, the table."""

import warnings

import numpy as np
import pytest
from file_cases import SENSOR, SUFFIXES, WRITTEN, recording

from keras_slayer.events import (
    EventFileWarning,
    Events,
    FormatInfo,
    formats,
    read_events,
    write_events,
)
from keras_slayer.events.files import aedat3, arrays, hdf5, text
from keras_slayer.events.files.joining import join

WITH_SENSOR = {"dat", "evt2", "evt3", "hdf5", "npz", "es"}
NO_MAGIC = {"bin", "bs1", "bs2", "bs3", "csv"}


@pytest.mark.parametrize("name", WRITTEN)
def test_round_trip_and_recognition(name, tmp_path):
    events = recording(name=name)
    path = tmp_path / f"camera{SUFFIXES[name]}"
    write_events(path, events, format=name)
    read = read_events(path, ordered=True)
    assert read == events
    assert read.sensor_shape == (SENSOR if name in WITH_SENSOR else None)
    other = tmp_path / "camera.xyz"
    path.rename(other)
    if name in NO_MAGIC:
        with pytest.raises(ValueError, match=r"recognised by its first bytes, or by one of the"):
            read_events(other)
    else:
        assert read_events(other) == events
    assert read_events(other, format=name) == events


@pytest.mark.parametrize("name", WRITTEN)
def test_chunks_are_the_whole(name, tmp_path, monkeypatch):
    """With blocks so small that words, packets and events are cut in all places."""
    monkeypatch.setattr("keras_slayer.events.files.recording.BLOCK_BYTES", 17)
    for module in (aedat3, arrays, hdf5, text):
        monkeypatch.setattr(module, "BLOCK_EVENTS", 7)
    events = recording(150, name=name, span=400_000)
    path = tmp_path / f"camera{SUFFIXES[name]}"
    write_events(path, events, format=name)
    for chunk in (1, 3, 7, 149, 150, 1000):
        parts = list(read_events(path, chunk=chunk, ordered=True))
        full, rest = divmod(150, chunk)
        assert [len(part) for part in parts] == [chunk] * full + [rest] * (rest > 0)
        assert join(parts) == events
        assert {part.sensor_shape for part in parts} == {read_events(path).sensor_shape}


@pytest.mark.parametrize("name", WRITTEN)
def test_empty_recordings(name, tmp_path):
    path = tmp_path / f"camera{SUFFIXES[name]}"
    write_events(path, Events(x=[], t=[], sensor_shape=SENSOR), format=name)
    events = read_events(path)
    assert len(events) == 0 and events.sensor_shape == (SENSOR if name in WITH_SENSOR else None)
    assert list(read_events(path, chunk=3)) == []


def test_a_chunk_takes_memory_for_itself(tmp_path):
    """The blocks of a file of 8 MB are 256 kB."""
    path = tmp_path / "camera.dat"
    write_events(path, recording(1_000_000))
    stream = read_events(path, chunk=1000)
    first = next(stream)
    assert len(first) == 1000
    base = first.t
    while base.base is not None:
        base = base.base
    assert base.size <= (1 << 18) // 8


def test_time_runs_backwards_from_one_block_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_slayer.events.files.recording.BLOCK_BYTES", 10)
    path = tmp_path / "camera.bin"
    write_events(path, Events(x=[1, 2, 3], t=[5, 6, 4]))
    chunks = read_events(path, chunk=1, ordered=True)
    assert [next(chunks).t[0] for _ in range(2)] == [5, 6]
    with pytest.raises(ValueError, match=r"time runs backwards at byte 10: 4 us after 6 us"):
        next(chunks)
    assert read_events(path, fix_time=True).t.tolist() == [4, 5, 6]
    assert read_events(path, fix_time=True).x.tolist() == [3, 1, 2]


def test_timer_overflows_count_on_from_one_block_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_slayer.events.files.recording.BLOCK_BYTES", 10)
    event, overflow = bytes([1, 2, 0, 0, 3]), bytes([0, 240, 0, 0, 0])
    path = tmp_path / "camera.bin"
    path.write_bytes(event + overflow + event + event + overflow + overflow + event)
    times = [3, 8195, 8195, 3 * 8192 + 3]
    assert read_events(path).t.tolist() == times
    assert [int(part.t[0]) for part in read_events(path, chunk=1)] == times


def test_the_sensor_of_the_caller(tmp_path):
    path = tmp_path / "camera.bin"
    write_events(path, Events(x=[1], y=[2], t=[3]))
    assert read_events(path, sensor_shape=(5, 6)).sensor_shape == (5, 6)
    assert read_events(path, sensor_shape=[5, 6, 2]).sensor_shape == (5, 6)
    assert read_events(path, sensor_shape=(5,)).sensor_shape is None
    assert next(read_events(path, sensor_shape=(5, 6), chunk=1)).sensor_shape == (5, 6)
    with pytest.raises(ValueError, match=r"at byte 0 is off the sensor: y=2, x=1 with"):
        read_events(path, sensor_shape=(2, 6))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunk": 0}, ValueError, r"`chunk` must be a positive integer or None.*chunk=0"),
        ({"chunk": True}, ValueError, r"Received: chunk=True"),
        ({"fix_time": True, "chunk": 3}, ValueError, r"fix_time=True, ordered=False, chunk=3"),
        ({"fix_time": True, "ordered": True}, ValueError, r"leave `ordered` and `chunk` out"),
        ({"damaged": "drop"}, ValueError, r"\"error\" or \"skip\"\. Received: damaged='drop'"),
        ({"format": "evt4"}, ValueError, r"one of \['aedat2', .*Received: format='evt4'"),
        ({"columns": "x"}, TypeError, r"format bin have the options \[\]\. .*columns='x'"),
        ({"format": "aedat2", "stream": 1}, TypeError, r"\['camera'\]\. Received: stream=1"),
    ],
)
def test_arguments(tmp_path, options, error, message):
    path = tmp_path / "camera.bin"
    path.write_bytes(bytes(5))
    with pytest.raises(error, match=message):
        read_events(path, **options)  # also with `chunk`, before the first is asked for


def test_formats_that_are_not_there(tmp_path):
    for name, data in (("a.bag", b""), ("b", b"#ROSBAG V2.0\n"), ("c.db3", b"SQLite format 3\0")):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(
            ValueError, match=r"package rosbags; docs/files\.md shows how\. .*path="
        ):
            read_events(path)
    (tmp_path / "d").write_bytes(b"")
    with pytest.raises(ValueError, match=r"which is empty$"):
        read_events(tmp_path / "d")
    with pytest.raises(IsADirectoryError, match=r"events\.from_folder takes all files in one"):
        read_events(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / "none.raw")
    with pytest.raises(ValueError, match=r"Formats that are written: \['aedat3', .*'aedat4'"):
        write_events(tmp_path / "e", Events(x=[], t=[]), format="aedat4")


def test_the_suffix_says_what_is_written(tmp_path):
    first = {}
    for suffix in (".raw", ".aedat", ".dat", ".h5", ".hdf5", ".csv", ".txt", ".npy", ".es"):
        path = tmp_path / f"camera{suffix}"
        write_events(path, recording(20))
        first[suffix] = path.read_bytes()[:13]
        assert read_events(path) == recording(20)
    assert first[".raw"].startswith(b"% evt 3.0") and first[".aedat"].startswith(b"#!AER-DAT3.1")
    assert first[".dat"].startswith(b"% Data file") and first[".txt"] == first[".csv"]
    with pytest.raises(ValueError, match=r"must be one of \['\.aedat', '\.bin', .*, '\.txt'\], or"):
        write_events(tmp_path / "camera.aedat4", recording(20))


def test_the_table_of_formats():
    table = {row.name: row for row in formats()}
    assert all(isinstance(row, FormatInfo) and row.reads for row in table.values())
    assert len(table) == 17
    assert not any(table[name].writes for name in ("aedat2", "aedat4", "evt21", "evt21-legacy"))
    assert [name for name, row in table.items() if not row.in_chunks] == ["npz"]
    assert {name for name, row in table.items() if row.extra} == {"aedat4", "hdf5"}
    assert table["csv"].options == ("columns", "time_unit")
    assert all(row.document and row.title and row.suffixes for row in table.values())


def test_sensor_shape_of_events():
    events = Events(x=[3, 1], t=[2, 1], sensor_shape=[4, 5])
    assert events.sensor_shape == (4, 5)
    assert events[:1].sensor_shape == events.sorted().sensor_shape == (4, 5)
    assert events == Events(x=[3, 1], t=[2, 1])
    assert Events(x=[], t=[], sensor_shape=(np.int64(3), 4)).sensor_shape == (3, 4)
    for shape in (3, (3,), (3, 4, 2), (0, 4), (3.0, 4), "34"):
        with pytest.raises(ValueError, match=r"\(height, width\), two positive .*sensor_shape="):
            Events(x=[], t=[], sensor_shape=shape)


def test_nothing_is_said_about_whole_files(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", EventFileWarning)
        for name in WRITTEN:
            path = tmp_path / f"camera{SUFFIXES[name]}"
            write_events(path, recording(10, name=name), format=name)
            assert len(read_events(path, damaged="skip")) == 10
