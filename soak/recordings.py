"""Pipelines over a folder of recordings of which some are corrupt, and some vanish meanwhile.

While an epoch runs, a thread damages files, removes them and puts them back. Every sample must be
that of an undamaged file; every file that nobody touched must be there once an epoch.
"""

from __future__ import annotations

import collections
import hashlib
import os
import pathlib
import random
import threading
import time
import warnings

import numpy as np

from soak.memory import Resident

FILES, LABELS, STEPS, SENSOR = 24, 3, 40, (20, 20)
STEADY = 3  # files that stay harmed for a round, so that some are skipped however the threads run
WAYS = ("cut off", "vanished", "overwritten", "a folder")
FORMATS = ("bin.bin", "evt3.raw", "npy.npy", "aedat3.aedat", "hdf5.h5", "dat.dat")


def make(folder: pathlib.Path, files: int = FILES) -> list[pathlib.Path]:
    """Recordings of all kinds in folders of classes."""
    from keras_slayer.events import Events, write_events

    paths = []
    for number in range(files):
        source = np.random.default_rng(number)
        count = 200 + number
        events = Events(
            x=source.integers(0, SENSOR[1], count),
            y=source.integers(0, SENSOR[0], count),
            t=np.sort(source.integers(0, 1000 * STEPS, count)),
            polarity=source.integers(0, 2, count),
        )
        name, suffix = FORMATS[number % len(FORMATS)].split(".")
        path = folder / f"class-{number % LABELS}" / f"{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_events(path, events, format=name)
        paths.append(path)
    return paths


def harm(path: pathlib.Path, chance: random.Random, ways: tuple[str, ...] = WAYS) -> str:
    """Damages a file so that nothing can take it for whole; in place, as a bad disk does."""
    way = chance.choice(ways)
    if way == "cut off":
        os.truncate(path, max(path.stat().st_size * 2 // 3 // 8 * 8 - 3, 1))
    elif way == "overwritten":
        other = path.with_suffix(".part")
        other.write_bytes(b"\xff\xfe not a recording\x00"[: chance.choice((7, 13, 18))])
        os.replace(other, path)
    else:
        path.unlink()
        if way == "a folder":
            path.mkdir()
    return way


def heal(path: pathlib.Path, data: bytes) -> None:
    if path.is_dir():
        path.rmdir()
    whole = path.with_suffix(".part")
    whole.write_bytes(data)
    os.replace(whole, path)


class Vandal(threading.Thread):
    """Harms and heals the same third of the files, until it is told to stop.

    The first of them stay harmed, in ways that leave them in their folders.
    """

    def __init__(self, paths, pause: float, seed: int):
        super().__init__(daemon=True)
        self.chance = random.Random(seed)
        self.paths = self.chance.sample(paths, len(paths) // 3)
        self.originals = {path: path.read_bytes() for path in self.paths}
        self.pause, self.stopped = pause, threading.Event()
        self.harmed, self.error = collections.Counter(), None
        for path in self.paths[:STEADY]:
            self.harmed[harm(path, self.chance, ("cut off", "overwritten"))] += 1
        for path in self.paths[STEADY::2]:
            self.harmed[harm(path, self.chance)] += 1

    def run(self):
        try:
            while not self.stopped.wait(self.pause):
                path = self.chance.choice(self.paths[STEADY:])
                if self.chance.random() < 0.5:
                    heal(path, self.originals[path])
                elif path.is_file():
                    self.harmed[harm(path, self.chance)] += 1
        except Exception as error:
            self.error = error

    def stop(self):
        self.stopped.set()
        self.join()
        for path, data in self.originals.items():
            heal(path, data)
        if self.error is not None:
            raise self.error


def samples(folder: pathlib.Path, reader=None, shuffle=True):
    """(recordings, pipeline): a fresh set each time, as what was skipped stays so."""
    from keras_slayer.events import from_folder, spike_pipeline

    recordings = from_folder(
        folder, "{label}/*", sensor_shape=(*SENSOR, 2), on_error="skip", reader=reader
    )
    pipeline = spike_pipeline(recordings, steps=STEPS, batch_size=5, cache=False, shuffle=shuffle)
    return recordings, pipeline


def digests(pipeline) -> list[bytes]:
    """Of each sample with its label."""
    return [
        hashlib.sha256(bytes([int(label)]) + sample.astype("u1").tobytes()).digest()
        for spikes, labels in pipeline
        for sample, label in zip(spikes.numpy(), labels.numpy(), strict=True)
    ]


def run(
    seconds: float, folder: pathlib.Path, rounds: int = 1 << 30, pause: float = 0.002, reader=None
) -> dict:
    paths = make(folder)
    recordings, pipeline = samples(folder, shuffle=False)
    whole = dict(zip(map(pathlib.Path, recordings.names), digests(pipeline), strict=True))
    assert len(set(whole.values())) == len(paths), "samples are not distinct"
    failures, harmed, total = [], collections.Counter(), collections.Counter()
    memory, end = Resident(), time.monotonic() + seconds
    while total["rounds"] < rounds and time.monotonic() < end and len(failures) < 5:
        vandal = Vandal(paths, pause, total["rounds"])
        touched = set(vandal.paths)
        recordings, pipeline = samples(folder, reader)
        vandal.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is skipped
                found = collections.Counter(digests(pipeline))
        except Exception as error:
            failures.append(f"round {total['rounds']}: {type(error).__name__}: {str(error)[:300]}")
            found = collections.Counter()
        finally:
            vandal.stop()
        skipped = {pathlib.Path(name) for name in recordings.skipped}
        total.update(rounds=1, samples=sum(found.values()), skipped=len(skipped))
        harmed.update(vandal.harmed)
        if wrong := skipped - touched:
            failures.append(f"round {total['rounds']}: skipped, though nobody harmed them: {wrong}")
        if unknown := set(found) - set(whole.values()):
            failures.append(f"round {total['rounds']}: {len(unknown)} samples of no whole file")
        if any(count > 1 for count in found.values()):
            failures.append(f"round {total['rounds']}: a sample came twice")
        lost = [path for path, one in whole.items() if path not in touched and one not in found]
        if lost:
            failures.append(f"round {total['rounds']}: never came, though nobody harmed it: {lost}")
        memory.look()
    _, pipeline = samples(folder)
    if set(digests(pipeline)) != set(whole.values()):
        failures.append("after all is mended, the samples are others than before")
    if not total["skipped"] or not total["samples"]:
        failures.append(f"nothing was tried: {dict(total)}")
    figures = memory.figures()
    return {
        "files": len(paths),
        **{name: total[name] for name in ("rounds", "samples", "skipped")},
        "harmed": dict(harmed),
        "memory": figures,
        "failures": failures + figures.pop("failures"),
    }
