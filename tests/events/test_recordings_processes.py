"""Recordings in several threads and processes."""

import functools
import json
import os
import subprocess
import sys
import textwrap
import threading

from recording_cases import Counting, class_folder, load, packed

from keras_slayer.events import read_events
from keras_slayer.events.recordings import sources


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
