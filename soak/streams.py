"""Streams of 10^7 steps: the spikes of the batch run, and constant memory.

The input is bursts of noise with silence between them, in which every neuron forgets all it knew.
So a burst in the middle of the stream must spike as the same burst does alone, in ``model(burst)``.
There are ``network.BURSTS`` bursts, again and again: each is run alone once.
"""

from __future__ import annotations

import pathlib
import time

import numpy as np

from soak import network
from soak.memory import Resident

STEPS = 10_000_000
COMPARED = 7  # of single steps, every such burst: to compare takes longer than the steps
PERIOD = network.BURST + network.SILENCE


class Batch:
    """The spikes of a burst alone, for the burst's steps."""

    def __init__(self, model):
        bursts = np.stack([network.burst(number) for number in range(network.BURSTS)])
        self.spikes = np.asarray(model(bursts))
        self.places = [[np.flatnonzero(row) for row in rows] for rows in self.spikes]

    def __call__(self, number: int) -> np.ndarray:
        return self.spikes[number % network.BURSTS]


def by_chunks(stream, batch: Batch, limit: int, seconds: float, chunk: int = 0) -> dict:
    """Whole bursts and silences at once; or chunks of another length, across their borders."""
    size = chunk or PERIOD
    silent = np.zeros((network.SILENCE, network.INPUTS), np.float32)
    memory, end = Resident(), time.monotonic() + seconds
    failures, compared, spikes, number = [], 0, 0, 0
    pending = np.zeros((0, network.INPUTS), np.float32)
    out = np.zeros((0, 8), np.float32)
    while stream.steps < limit and time.monotonic() < end:
        given = np.concatenate([pending, network.burst(number), silent])
        whole = len(given) // size * size
        found = [np.asarray(stream(given[None, at : at + size]))[0] for at in range(0, whole, size)]
        pending = given[whole:]
        out = np.concatenate([out, *found])
        if len(out) >= PERIOD:  # what the burst before gave, if chunks are not of its length
            done = stream.steps - len(out)
            index, offset = divmod(done, PERIOD)
            assert offset == 0
            expected = batch(index)
            compared += 1
            spikes += int(expected.sum())
            if not np.array_equal(out[: network.BURST], expected):
                failures.append(f"burst {index} at step {done}: other spikes than alone")
            out = out[PERIOD:]
        number += 1
        memory.look()
    return _figures(stream.steps, compared, spikes, failures, memory)


def by_steps(stream, batch: Batch, limit: int, seconds: float) -> dict:
    """One call of ``stream.step`` for every step: from places of events to places of spikes."""
    memory, end = Resident(), time.monotonic() + seconds
    failures, compared, spikes, number = [], 0, 0, 0
    silent = [np.zeros(0, np.int64)] * network.SILENCE
    given = [
        [np.flatnonzero(row) for row in network.burst(k)] + silent for k in range(network.BURSTS)
    ]
    while stream.steps < limit and time.monotonic() < end:
        found = [stream.step(places) for places in given[number % network.BURSTS]]
        if number % COMPARED == 0:
            compared += 1
            spikes += int(batch(number).sum())
            alone = batch.places[number % network.BURSTS]
            if not all(map(np.array_equal, found, alone)):
                failures.append(f"burst {number}: other spikes than alone")
        number += 1
        memory.look()
    return _figures(stream.steps, compared, spikes, failures, memory)


def _figures(steps, compared, spikes, failures, memory) -> dict:
    if compared == 0 or spikes == 0:
        failures.append(f"nothing to compare: {compared} bursts, {spikes} spikes")
    found = memory.figures()
    return {
        "steps": steps,
        "bursts_compared": compared,
        "spikes_compared": spikes,
        "memory": found,
        "failures": [*failures[:3], *found.pop("failures")],
    }


def run(seconds: float, folder: pathlib.Path, steps: int = STEPS) -> dict:
    """Each way to stream in turn, for its share of the seconds or until it has done all steps."""
    import keras_slayer as ks
    from keras_slayer.export import LoihiSimulator

    results, left = {}, time.monotonic() + seconds
    model, chip = network.live("srm"), network.live("loihi")
    chip.export_loihi(folder / "live.net")
    simulator = LoihiSimulator(folder / "live.net", threads=1)
    plan = {
        "chunks of a burst": lambda s: by_chunks(ks.Stream(model), Batch(model), steps, s),
        "chunks of 1,237 steps, CUBA": lambda s: by_chunks(
            ks.Stream(network.live("cuba")), Batch(network.live("cuba")), steps, s, 1237
        ),
        "single steps": lambda s: by_steps(ks.Stream(model), Batch(model), steps, s),
        "single steps of the chip's simulator": lambda s: by_steps(
            simulator.stream(), Batch(chip), steps, s
        ),
    }
    for number, (name, part) in enumerate(plan.items()):
        share = max(left - time.monotonic(), 1.0) / (len(plan) - number)
        results[name] = part(share)
    return {
        "ways": results,
        "failures": [f"{name}: {f}" for name, r in results.items() for f in r.pop("failures")],
    }
