"""Where recordings are kept: memory, a folder for all processes, a temporary one."""

import functools
import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from recording_cases import SENSOR, class_folder, random_events

from keras_slayer.events import from_folder, read_events, write_events
from keras_slayer.events.recordings import packing, sources


class Counting:
    """A reader that counts its calls."""

    def __init__(self, seconds=0.0):
        self.seconds, self.read = seconds, []

    def __call__(self, path):
        self.read.append(path.name)
        time.sleep(self.seconds)
        return read_events(path)


def load(folder, **arguments):
    counting = Counting()
    arguments = {"sensor_shape": SENSOR, "reader": counting, **arguments}
    return from_folder(folder, "{label}/*.bin", **arguments), counting


def packed(cache):
    """The packed recordings; nothing unfinished may be beside them."""
    assert not list(cache.glob(".packing-*"))
    return sorted(path.relative_to(cache).as_posix() for path in cache.glob("*/*"))


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


def test_many_threads_and_sets_at_once(tmp_path):
    made = class_folder(tmp_path / "a", [("left", 1)])
    barrier, found = threading.Barrier(4), []

    def reader(path):
        barrier.wait(timeout=10)  # four sets read at the same time
        return read_events(path)

    sets = [load(tmp_path / "a", cache=tmp_path / "cache", reader=reader)[0] for _ in range(4)]
    threads = [threading.Thread(target=lambda one=one: found.append(one[0][0])) for one in sets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [made["left/0.bin"]] * 4 and len(packed(tmp_path / "cache")) == 1
    # Of one set, one thread reads and the others wait.
    counting = Counting(seconds=0.05)
    one, _ = load(tmp_path / "a", cache=True, reader=counting)
    threads = [threading.Thread(target=one.__getitem__, args=(0,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.read == ["0.bin"]


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


OTHER_PROCESS = """
import json, os, sys
from keras_slayer.events import from_folder, read_events
folder, cache = sys.argv[1:]

def load(reader=None, **arguments):
    return from_folder(folder, "{label}/*.bin", sensor_shape=(20, 30), reader=reader, **arguments)

def never(path):
    raise AssertionError(path)

found = {}
# What the first process has packed is not read again.
import keras_slayer.events as package
package.read_events = never
found["sums"] = [int(events.t.sum()) for events, _ in load(cache=cache)]
package.read_events = read_events

# A process that is killed while it packs leaves nothing that counts.
killed = False
def reader(path):
    events = read_events(path)
    yield events[:30]
    if killed:
        os._exit(9)
    yield events[30:]
child = os.fork()
if not child:
    killed = True
    load(reader, cache=cache)[0]
found["killed"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
found["unfinished"] = sum(name.startswith(".packing-") for name in os.listdir(cache))
found["size"] = len(load(reader, cache=cache)[0][0])

# The temporary folder is removed at exit, also from a forked process's point of view.
slices = load().slice(0.5)
found["slices"] = len(slices)
found["temporary"] = str(slices._shared.entries[0].source._folder.path)
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
found["kept"] = os.path.isdir(found["temporary"])
print(json.dumps(found))
"""


def test_other_processes(tmp_path):
    made = class_folder(tmp_path / "a", [("left", 2)])
    cache = tmp_path / "cache"
    list(load(tmp_path / "a", cache=cache, reader=None)[0])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OTHER_PROCESS), tmp_path / "a", cache],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["sums"] == [int(made[name].t.sum()) for name in sorted(made)]
    assert (found["killed"], found["unfinished"], found["size"]) == (9, 1, 60)
    assert found["slices"] == 4 and found["kept"]
    assert not os.path.exists(found["temporary"])


def test_code_of_readers():
    """Readers that differ in anything that shows are others; in every process the same."""

    def chosen(names, size=3):
        def reader(path, *, flip=False):
            return path in {"b", "a"}, names, size, flip, [i for i in path]

        return reader

    def other(path):
        return path in {"c", "a"}

    class Reader:
        def __init__(self, flip):
            self.flip, self.read = flip, [object()]

        def __call__(self, path):
            return path

    readers = [
        chosen("ab"),
        chosen("ac"),
        chosen("ab", 4),
        other,
        functools.partial(other, flip=True),
        functools.partial(other, flip=False),
        Reader(True),
        Reader(False),
        None,
    ]
    codes = [repr(sources._code(reader)) for reader in readers]
    assert len(set(codes)) == len(codes)
    assert repr(sources._code(chosen("ab"))) == codes[0]
    assert repr(sources._code(Reader(True))) == codes[6]
    assert "at 0x" not in "".join(codes) and "[\"'a'\", \"'b'\"]" in codes[0]
