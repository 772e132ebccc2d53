"""Where recordings are kept: memory, a folder for all processes, a temporary one."""

import gc
import os

import numpy as np
import pytest
from recording_cases import SENSOR, class_folder, load, packed, random_events

from keras_slayer.events import from_folder, read_events, write_events
from keras_slayer.events.recordings import packing


@pytest.mark.parametrize(
    ("cache", "cut", "reads"),
    [
        (None, False, 3),
        (None, True, 1),
        (True, False, 1),
        (True, True, 1),
        ("folder", False, 1),
        ("folder", True, 1),
    ],
)
def test_how_often_files_are_read(tmp_path, cache, cut, reads):
    made = class_folder(tmp_path / "a")
    cache = tmp_path / "cache" if cache == "folder" else cache
    recordings, counting = load(tmp_path / "a", cache=cache)
    for use in (recordings.slice(1.0),) * 3 if cut else (recordings,) * 3:
        assert [events for events, _ in use] == [made[name] for name in sorted(made)]
    assert len(counting.read) == 6 * reads


def test_a_folder_serves_later_sets_and_windows_are_mapped(tmp_path):
    made = class_folder(tmp_path / "a")
    recordings, _ = load(tmp_path / "a", cache=tmp_path / "cache")
    assert len(recordings.slice(0.5)) == 12
    assert len(packed(tmp_path / "cache")) == 6
    again, counting = load(tmp_path / "a", cache=tmp_path / "cache")
    slices = again.slice(0.5)
    assert [events for events, _ in again] == [made[name] for name in sorted(made)]
    assert len(slices) == 12 and counting.read == []
    columns = again._shared.entries[0].source.open().events
    assert isinstance(columns.t.base, np.memmap) and not columns.t.flags.writeable


def test_a_changed_file_is_read_anew(tmp_path):
    made = class_folder(tmp_path / "a")
    list(load(tmp_path / "a", cache=tmp_path / "cache")[0])
    before = packed(tmp_path / "cache")
    changed = random_events(99)
    write_events(tmp_path / "a" / "left" / "1.bin", changed)
    os.utime(tmp_path / "a" / "right" / "0.bin", ns=(1, 1))
    recordings, counting = load(tmp_path / "a", cache=tmp_path / "cache")
    found = [events for events, _ in recordings]
    assert found == [changed if n == "left/1.bin" else made[n] for n in sorted(made)]
    assert sorted(counting.read) == ["0.bin", "1.bin"]
    after = packed(tmp_path / "cache")  # and the old ones are gone
    assert len(after) == 6 and len({*before, *after}) == 8


def test_size_and_time_tell_files_apart(tmp_path):
    class_folder(tmp_path / "a", [("left", 1)])
    path = tmp_path / "a" / "left" / "0.bin"
    list(load(tmp_path / "a", cache=tmp_path / "cache")[0])
    before = path.stat().st_mtime_ns
    write_events(path, random_events(1, count=59))
    os.utime(path, ns=(before, before))
    assert len(load(tmp_path / "a", cache=tmp_path / "cache")[0][0][0]) == 59


def first(path):
    return read_events(path)


def make_reader(kept):
    """Readers of one name, whose code differs."""
    if kept == "all":

        def reader(path):
            return read_events(path)

    else:

        def reader(path):
            return read_events(path)[:5]

    return reader


def test_a_changed_reader_reads_anew(tmp_path):
    class_folder(tmp_path / "a", [("left", 1)])

    def sizes(reader):
        recordings, _ = load(tmp_path / "a", cache=tmp_path / "cache", reader=reader)
        return [len(events) for events, _ in recordings]

    assert sizes(make_reader("all")) == [60]
    assert sizes(make_reader("few")) == [5]
    assert len(packed(tmp_path / "cache")) == 1  # the same reader, in another state
    assert sizes(first) == [60]
    assert len(packed(tmp_path / "cache")) == 2


def test_a_file_that_changes_while_it_is_used(tmp_path):
    class_folder(tmp_path / "a", [("left", 1)])
    for cache in (None, tmp_path / "cache"):
        slices = load(tmp_path / "a", cache=cache)[0].slice(0.5)
        assert len(slices) == 2
        write_events(tmp_path / "a" / "left" / "0.bin", random_events(5 if cache else 6, count=9))
        with pytest.raises(ValueError, match=r"0.bin\): the file has changed since its windows"):
            slices[0]


def test_an_interrupted_recording_is_absent(tmp_path):
    class_folder(tmp_path / "a", [("left", 1)])
    events = read_events(tmp_path / "a" / "left" / "0.bin")
    fails = [True]

    def reader(path):
        yield events[:20]
        yield events[20:40]
        if fails:
            raise fails.pop()
        yield events[40:]

    for error in (KeyboardInterrupt(), OSError("the disk is full")):
        fails[:] = [error]
        recordings, _ = load(tmp_path / "a", cache=tmp_path / "cache", reader=reader)
        with pytest.raises((KeyboardInterrupt, ValueError), match=r"^$|left/0.bin\): the disk is"):
            recordings[0]
        assert packed(tmp_path / "cache") == []
    assert recordings[0][0] == events


def test_nothing_has_the_final_name_before_it_is_whole(tmp_path, monkeypatch):
    class_folder(tmp_path / "a", [("left", 1)])
    renamed = []

    def rename(source, target):
        renamed.append((sorted(path.name for path in source.iterdir()), target.exists()))
        raise KeyboardInterrupt

    monkeypatch.setattr(packing.os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path / "a", cache=tmp_path / "cache")[0][0]
    names = ["info.json", "polarity.npy", "t.npy", "x.npy", "y.npy"]
    assert renamed == [(names, False)] and packed(tmp_path / "cache") == []


def test_damaged_and_abandoned_entries(tmp_path):
    (events,) = class_folder(tmp_path / "a", [("left", 1)]).values()
    cache = tmp_path / "cache"
    list(load(tmp_path / "a", cache=cache)[0])
    (name,) = packed(cache)
    for damage in ("t.npy", "info.json"):
        path = cache / name / damage
        data = path.read_bytes()
        path.unlink()  # another file: this one may still be mapped
        path.write_bytes(data[:-9])
        recordings, counting = load(tmp_path / "a", cache=cache)
        assert recordings[0][0] == events and counting.read == ["0.bin"]
        assert packed(cache) == [name]
    np.save(cache / name / "x.npy", np.zeros(59, np.uint16))
    recordings, counting = load(tmp_path / "a", cache=cache)
    assert recordings[0][0] == events and counting.read == ["0.bin"]
    old, new = (cache / f".packing-{kind}" for kind in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (1, 1))
    list(load(tmp_path / "a", cache=cache)[0])
    assert new.exists() and not old.exists()  # the new one may be another process's


def test_only_some_files_stay_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_MOST_OPEN", 2)
    made = class_folder(tmp_path / "a")
    slices = load(tmp_path / "a")[0].slice(1.0)
    assert [events for events, _ in slices] == [made[name] for name in sorted(made)]
    assert len(slices._shared.entries[0].source._folder._open) == 2


def test_the_temporary_folder_goes_with_the_recordings(tmp_path):
    class_folder(tmp_path)
    recordings, _ = load(tmp_path)
    slices = recordings.slice(0.5)
    assert len(slices) == 12
    folder = slices._shared.entries[0].source._folder.path
    assert len(packed(folder)) == 6
    del recordings, slices
    gc.collect()
    assert not folder.exists()


def test_a_cache_among_the_recordings_holds_none(tmp_path):
    class_folder(tmp_path, [("left", 2)])
    for _ in range(2):
        recordings = from_folder(
            tmp_path,
            "**/*",
            labels=lambda path: "a",
            cache=tmp_path / "cache",
            sensor_shape=SENSOR,
        )
        assert len(recordings) == len(list(recordings)) == 2
    assert len(from_folder(tmp_path, "**/*", labels=lambda path: "a")) == 2
