"""The data that defaults.py trains on: spikes of one byte each, in memory."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from keras_slayer import datasets

DIGITS = {"sensor_shape": (34, 34, 2)}  # pixels and polarities of N-MNIST
# As examples/dvs_gesture.py --quick: the first 1.5 s of a recording, 128 pixels scaled to 48.
GESTURES = {
    "sensor_shape": (48, 48, 2),
    "source_shape": (128, 128),
    "fit": "scale",
    "late": "ignore",
}
CLASSES = 10  # of the synthetic task
TRAIN, TEST = 1000, 200  # recordings of the synthetic task


@dataclasses.dataclass(frozen=True)
class Data:
    """Spikes (recording, step, ...) as uint8, and labels.

    Attributes:
        ceiling: what can be expected of these data: the accuracy of another reader of them.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    ceiling: float | None = None

    def counts(self) -> Data:
        """The same with the number of spikes of each input in place of its spikes."""
        x_train, x_test = (x.sum(1, dtype="float32") for x in (self.x_train, self.x_test))
        return dataclasses.replace(self, x_train=x_train, x_test=x_test)


@dataclasses.dataclass(frozen=True)
class Task:
    """Data that are made anew for each run.

    Attributes:
        load: `(settings, cache)` to Data; called for each run, in its process.
    """

    load: Callable[[dict, pathlib.Path], Data]

    def prepare(self, settings, cache, data_dir) -> None:
        """Nothing is to be written."""


def prepare(runs: list[dict], cache: pathlib.Path, data_dir: pathlib.Path | None) -> None:
    """Writes what the runs need to `cache`, unless it is there."""
    for settings in runs:
        TASKS[settings["task"]].prepare(settings, cache, data_dir)


def load(settings: dict, cache: pathlib.Path) -> Data:
    return TASKS[settings["task"]].load(settings, cache)


@dataclasses.dataclass(frozen=True)
class Recordings:
    """A data set of events, binned once and then read from files.

    Attributes:
        events: `(data_dir, split)` to sets of (events, label), one for each part of the split.
        binning: arguments of `spike_pipeline`, without `steps` and `dt`.
        duration: ms of a recording that a network sees.
        archives: what the data folder must hold; None: no data folder is needed.

    `prepare` is called once before the runs, and writes to the folder `cache` what is not there.
    """

    events: Callable[[pathlib.Path | None, tuple[str, str]], list]
    binning: dict
    duration: float
    archives: str | None = None

    def _files(self, settings, cache) -> dict[str, pathlib.Path]:
        part = "_held_out" if settings["hold_out"] else ""
        names = ("x_train", "y_train", "x_test", "y_test")
        start = f"{settings['task']}{part}_{settings['dt']:g}ms"
        return {name: cache / f"{start}_{name}.npy" for name in names}

    def prepare(self, settings, cache, data_dir) -> None:
        files = self._files(settings, cache)
        if all(path.exists() for path in files.values()):
            return
        if self.archives and data_dir is None:
            raise SystemExit(
                f"{settings['task']} is not in {cache} in steps of {settings['dt']:g} ms: "
                f"--data-dir must name the folder with {self.archives}"
            )
        import tensorflow_datasets as tfds

        from keras_slayer.events import spike_pipeline

        tfds.disable_progress_bar()
        split = ("train[:80%]", "train[80%:]") if settings["hold_out"] else ("train", "test")
        cache.mkdir(parents=True, exist_ok=True)
        time = {"steps": int(self.duration / settings["dt"]), "dt": settings["dt"]}
        for name, events in zip(("train", "test"), self.events(data_dir, split), strict=True):
            binned = {"cache": False, "dtype": "uint8", **self.binning, **time}
            batches = list(spike_pipeline(events, batch_size=50, **binned))
            for kind, arrays in zip("xy", zip(*batches, strict=True), strict=True):
                array = np.concatenate([part.numpy() for part in arrays])
                save_array(files[f"{kind}_{name}"], array)

    def load(self, settings, cache) -> Data:
        # Mapped, so that processes share the memory.
        files = self._files(settings, cache)
        return Data(**{name: np.load(path, mmap_mode="r") for name, path in files.items()})


def save_array(path: pathlib.Path, array: np.ndarray) -> None:
    """A file that is there is whole, even if the script was stopped while it wrote."""
    temporary = path.with_suffix(".part.npy")
    np.save(temporary, array)
    temporary.replace(path)


def _nmnist(data_dir, split):
    return datasets.load_nmnist(data_dir, split=split)


def _saccade_mnist(data_dir, split):
    return datasets.load_saccade_mnist(config="small", split=split)


def _gestures(data_dir, split):
    return datasets.load_synthetic_gestures(config="small", split=split)


def load_synthetic(settings, cache) -> Data:
    """Ten classes; in each, every input fires at random at a rate of its own.

    The rates are `density * shape / mean(shape)` with `shape = random**3`: most inputs fire little
    and some four times as much as the mean. Rates and spikes follow from the seed.
    """
    random = np.random.default_rng(settings["seed"])
    shape = random.random((CLASSES, settings["inputs"])) ** 3
    rates = settings["density"] * shape / shape.mean()
    if rates.max() > 1:
        raise ValueError(
            f"density must be at most {1 / (shape / shape.mean()).max():.2f}, so that no input has "
            f"more than a spike per step. Received: density={settings['density']}"
        )
    labels = np.arange(TRAIN + TEST) % CLASSES
    frame = (settings["steps"], settings["inputs"])
    x = np.empty((len(labels), *frame), np.uint8)
    for spikes, label in zip(x, labels, strict=True):
        spikes[:] = random.random(frame, np.float32) < rates[label]
    data = (x[:TRAIN], labels[:TRAIN], x[TRAIN:], labels[TRAIN:])
    return Data(*data, ceiling=naive_bayes(*data))


def naive_bayes(x_train, y_train, x_test, y_test) -> float:
    """Accuracy of the best guess from spike counts, with rates estimated on training recordings.

    Each input of a class fires independently in each step, with probability
    (spikes + 1 / 2) / (steps + 1) of the training recordings of that class.
    """
    probability = np.empty((CLASSES, x_train.shape[-1]))
    for label in range(CLASSES):
        chosen = x_train[y_train == label]
        spikes, steps = chosen.sum(axis=(0, 1), dtype=np.int64), chosen.shape[0] * chosen.shape[1]
        probability[label] = (spikes + 0.5) / (steps + 1)
    counts = x_test.sum(axis=1, dtype=np.int64)
    silent = x_test.shape[1] - counts
    likelihood = counts @ np.log(probability).T + silent @ np.log1p(-probability).T
    return float(np.mean(np.argmax(likelihood, axis=1) == y_test))


# A further task: its name, how it is loaded, and a grid in defaults_grids.py.
TASKS = {
    "nmnist": Recordings(_nmnist, DIGITS, 300, "Train.zip and Test.zip"),
    "saccade_mnist": Recordings(_saccade_mnist, DIGITS, 300),
    "gestures": Recordings(_gestures, GESTURES, 1500),
    "synthetic": Task(load_synthetic),
}
