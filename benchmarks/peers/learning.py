"""Training until a test accuracy is reached: the loop that all libraries run.

The recordings come from one file (time_to_accuracy.py writes it), so that all train and
are tested on the same tensors in the same order of epochs. Nothing but numpy and the
standard library is imported.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable

import numpy as np
from peers.protocol import answers

TEST_BATCH = 20


@dataclasses.dataclass(frozen=True)
class Task:
    """What the parent asks for: the file, when to stop, threads and seed."""

    recordings: str
    target: float
    seconds: float
    threads: int
    seed: int


class Recordings:
    """Binned recordings: for each, the flat indices (step, pixel) of its spikes.

    Attributes:
        steps, inputs: shape of a recording.
        epochs: augmented versions of the training set in the file, taken in turn.
    """

    def __init__(self, path):
        data = np.load(path)
        self.steps, self.inputs = (int(size) for size in data["shape"])
        self._arrays = {name: data[name] for name in data.files}
        self.epochs = len(self._arrays["train_ends"])

    @property
    def samples(self) -> int:
        return len(self._arrays["train_labels"])

    def _dense(self, bins, ends, chosen):
        spikes = np.zeros((len(chosen), self.steps * self.inputs), np.float32)
        for row, index in enumerate(chosen):
            spikes[row, bins[ends[index - 1] if index else 0 : ends[index]]] = 1.0
        return spikes.reshape(len(chosen), self.steps, self.inputs)

    def train(self, epoch: int, batch: int, random):
        """Batches (spikes (batch, steps, inputs), labels) of one epoch, in random order."""
        version = epoch % self.epochs
        bins, ends = self._arrays[f"train_bins_{version}"], self._arrays["train_ends"][version]
        order = random.permutation(self.samples)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            yield self._dense(bins, ends, chosen), self._arrays["train_labels"][chosen]

    def test(self):
        """The same of the test set, in order."""
        bins, ends = self._arrays["test_bins"], self._arrays["test_ends"]
        labels = self._arrays["test_labels"]
        for start in range(0, len(labels), TEST_BATCH):
            chosen = np.arange(start, min(start + TEST_BATCH, len(labels)))
            yield self._dense(bins, ends, chosen), labels[chosen]


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A library's network and recipe.

    Attributes:
        batch: samples per step.
        epochs: after which the recipe ends.
        step: trains on (spikes, labels), both numpy.
        predict: classes of spikes.
        last_partial: whether a smaller last batch is trained on.
    """

    batch: int
    epochs: int
    step: Callable
    predict: Callable
    last_partial: bool = True


def run(make: Callable[[Task, Recordings], Trainer]) -> None:
    """Trains; writes a line {"epoch", "seconds", "accuracy"} after each epoch.

    `seconds` counts the training with its batches; not the tests between epochs, nor what
    `make` does.
    """
    task = Task(**json.loads(sys.argv[1]))
    send = answers()
    recordings = Recordings(task.recordings)
    random = np.random.default_rng(task.seed)
    trainer = make(task, recordings)
    seconds = 0.0
    for epoch in range(trainer.epochs):
        start = time.perf_counter()
        for spikes, labels in recordings.train(epoch, trainer.batch, random):
            if trainer.last_partial or len(labels) == trainer.batch:
                trainer.step(spikes, labels)
        seconds += time.perf_counter() - start
        hits = [trainer.predict(spikes) == labels for spikes, labels in recordings.test()]
        accuracy = float(np.mean(np.concatenate(hits)))
        send(epoch=epoch + 1, seconds=seconds, accuracy=accuracy)
        if accuracy >= task.target or seconds >= task.seconds:
            break
