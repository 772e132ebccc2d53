"""Exports to one folder by several processes, which are killed at random, while files are read.

All write the same names. A reader must find, at any moment, one of the networks that are written,
whole: of a ``.net`` file the network is read, of a ``.nir`` file as well.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import random
import subprocess
import sys
import time

from soak.memory import Resident

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = ("a.net", "b.net", "a.nir")
VERSIONS = 3
WRITERS = 2


def model(version: int):
    """A small network for the chip; versions differ in their weights and size."""
    import keras
    import numpy as np

    import keras_slayer as ks

    keras.utils.set_random_seed(version)
    layers = [ks.SpikingDense(20 + version, neuron="loihi"), ks.SpikingDense(5, neuron="loihi")]
    made = keras.Sequential([keras.Input((None, 30)), *layers])
    random_state = np.random.default_rng(version)
    for layer in layers:
        kernel = layer.weights[0]
        kernel.assign(random_state.normal(0, 1, kernel.shape).clip(-3.9, 3.9))
    return made


def write(folder: pathlib.Path, seed: int, halves: bool = False) -> None:
    """Exports versions without end. ``halves``: writes files in two parts, which is wrong."""
    models = [model(version) for version in range(VERSIONS)]
    chance = random.Random(seed)
    while True:
        path = folder / chance.choice(NAMES)
        chosen = chance.choice(models)
        if halves:
            whole = folder / f".{seed}{path.suffix}"
            chosen.export_loihi(whole)
            data = whole.read_bytes()
            with open(path, "wb", buffering=0) as file:
                file.write(data[: len(data) // 2])
                time.sleep(0.01)
                file.write(data[len(data) // 2 :])
        else:
            chosen.export_loihi(path)
        with open(folder / f"count-{seed}", "a") as file:
            file.write(".")


def digest(path: pathlib.Path) -> str:
    """Of the network in a file."""
    from keras_slayer.export import LoihiSimulator

    parts = hashlib.sha256()
    network = LoihiSimulator(path, engine="numpy").network
    populations = getattr(network, "populations", None)
    if populations is None:
        arrays = [layer.weight for layer in network.layers]
    else:
        arrays = [c.synapses.weight for p in populations.values() for c in p.connections]
    for array in arrays:
        parts.update(str(array.shape).encode() + array.tobytes())
    return parts.hexdigest()


def start(folder: pathlib.Path, seed: int, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "soak.exports", str(folder), str(seed), *options],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
        stderr=open(folder / f"errors-{seed}.txt", "w"),
    )


def exported(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("count-*"))


def run(
    seconds: float, folder: pathlib.Path, kill_every: float = 6.0, options: tuple[str, ...] = ()
) -> dict:
    """Reads all the time, and kills a writer now and then; the time begins with the first file."""
    known = set()
    for version in range(VERSIONS):
        made = model(version)
        for suffix in (".net", ".nir"):
            made.export_loihi(folder / f"known{suffix}")
            known.add(digest(folder / f"known{suffix}"))
    chance, failures, killed, reads = random.Random(0), [], 0, 0
    processes = {seed: start(folder, seed, *options) for seed in range(WRITERS)}
    begun, deadline = None, time.monotonic() + 300
    next_kill, next_seed, memory, seen = 0.0, WRITERS, Resident(), {}
    try:
        while begun is None or time.monotonic() < begun + seconds:
            now = time.monotonic()
            if begun is None:
                if now > deadline:
                    failures.append("no writer wrote a file in 300 s")
                    break
                if exported(folder) < WRITERS or not all((folder / n).exists() for n in NAMES):
                    time.sleep(0.05)
                    continue
                begun, next_kill = now, now + chance.uniform(0.3, kill_every)
            path = folder / chance.choice(NAMES)
            try:
                found = digest(path)
                reads += 1
                seen[found] = seen.get(found, 0) + 1
                if found not in known:
                    failures.append(f"{path.name}: a network that nobody wrote")
            except Exception as error:  # whatever it is, a whole file does not raise it
                failures.append(f"{path.name}: {type(error).__name__}: {str(error)[:200]}")
            # One that is at work, not one that still starts.
            working = [seed for seed in processes if (folder / f"count-{seed}").exists()]
            if now > next_kill and working:
                seed = chance.choice(working)
                dead = processes.pop(seed)
                if dead.poll() is not None:
                    failures.append(f"a writer ended: {_said(folder, seed)}")
                dead.kill()
                dead.wait()
                killed += 1
                processes[next_seed] = start(folder, next_seed, *options)
                next_seed, next_kill = next_seed + 1, now + chance.uniform(0.3, kill_every)
            memory.look()
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    figures = memory.figures()
    leftovers = [path for path in folder.glob(".*") if path.suffix in (".net", ".nir")]
    if begun is not None and (reads == 0 or len(seen) < 2):
        failures.append(f"nothing to compare: {reads} reads of {len(seen)} networks")
    return {
        "exports": exported(folder),
        "writers_killed": killed,
        "reads": reads,
        "networks_seen": len(seen),
        "temporary_files_of_killed_writers": len(leftovers),
        "memory": figures,
        "failures": failures[:5] + figures.pop("failures"),
    }


def _said(folder: pathlib.Path, seed: int) -> str:
    return (folder / f"errors-{seed}.txt").read_text()[-300:]


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]), int(sys.argv[2]), halves="halves" in sys.argv[3:])
