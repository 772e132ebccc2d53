"""What defaults.py runs: grids of settings.

The settings of a run are a dict of plain values that say all about it: two grids that list the same
settings share the run.
"""

from __future__ import annotations

import dataclasses
import itertools
import json

NEURONS = ("srm", "cuba", "loihi", "alif")
# What to compare with: no neuron but Keras' own layers, on the spike counts of a recording.
RELU = "relu"
OPTIMIZERS = ("adam", "nadam")
# Keras' default of both.
LEARNING_RATE = 1e-3
LEARNING_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
# The settings that a user of the script may replace by values of their own.
CHOICES = ("network", "neuron", "optimizer", "seed")

# A `dt` of 1 ms takes the neurons by name; see defaults_run.py for the networks.
NMNIST = {"task": "nmnist", "network": "dense", "dt": 1.0}
# The inputs and hidden neurons of the program in README.md. At 0.1 % and 100 steps a recording has
# 30 spikes, by which naive Bayes tells the classes apart: the report has its accuracy.
SYNTHETIC = {"task": "synthetic", "network": "deep", "layers": 2, "dt": 1.0, "inputs": 300}


@dataclasses.dataclass(frozen=True)
class Grid:
    """All combinations of some settings.

    Attributes:
        title: heading of its table.
        fixed: settings that all its runs share.
        varied: values of the others, by name.
        column: which of `varied` is along the columns of its table; the others make the rows, seeds
            the mean.
    """

    title: str
    fixed: dict
    varied: dict[str, tuple]
    column: str

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(name for name in self.varied if name not in (self.column, "seed"))

    def runs(self, chosen: dict[str, list] | None = None) -> list[dict]:
        """Settings of all runs; `chosen` replaces values of `varied`."""
        values = {name: (chosen or {}).get(name) or self.varied[name] for name in self.varied}
        pairs = [[(name, value) for value in listed] for name, listed in values.items()]
        return [self.fixed | dict(combination) for combination in itertools.product(*pairs)]

    def has(self, settings: dict) -> bool:
        """Whether a run belongs here, whatever its values of what varies."""
        rest = {name: value for name, value in settings.items() if name not in self.varied}
        return rest == self.fixed and settings.keys() >= self.varied.keys()


def grids(*, epochs: int, batch_size: int, hold_out: bool) -> dict[str, Grid]:
    """The grids by name.

    Args:
        epochs, batch_size: of all runs; gestures, which are few, come in batches of half the size.
        hold_out: test on a fifth of the training recordings, where a task has recordings.
    """
    adam = {"neuron": NEURONS, "optimizer": ("adam",)}
    training = {"epochs": epochs, "batch_size": batch_size}
    default = {**training, "learning_rate": LEARNING_RATE}
    nmnist = {**NMNIST, "hold_out": hold_out}
    return {
        "main": Grid(
            f"N-MNIST sample, learning rate {LEARNING_RATE:g} (Keras' default)",
            _without(nmnist, "network") | default,
            {
                "network": ("dense", "conv"),
                "neuron": NEURONS,
                "optimizer": OPTIMIZERS,
                "seed": (1, 2, 3),
            },
            "optimizer",
        ),
        "rates": Grid(
            "N-MNIST sample, by learning rate",
            _without(nmnist, "network") | training,
            {
                "network": ("dense",),
                "neuron": NEURONS,
                "optimizer": OPTIMIZERS,
                "learning_rate": LEARNING_RATES,
                "seed": (1,),
            },
            "learning_rate",
        ),
        "relu": Grid(
            "N-MNIST sample, Keras' own layers on spike counts, by learning rate",
            _without(nmnist, "network") | training | {"neuron": RELU, "optimizer": "adam"},
            {
                "network": ("dense", "conv"),
                "learning_rate": LEARNING_RATES,
                "seed": (1, 2, 3),
            },
            "learning_rate",
        ),
        "dt": Grid(
            "N-MNIST sample, 2312-512-10, by time step in ms",
            _without(nmnist, "dt") | default,
            {**adam, "dt": (1.0, 3.0, 5.0, 10.0), "seed": (1,)},
            "dt",
        ),
        "depth": Grid(
            "N-MNIST sample, steps of 3 ms, by number of layers of 128",
            {**nmnist, "network": "deep", "dt": 3.0} | default,
            {**adam, "layers": (1, 2, 4, 8, 12), "seed": (1,)},
            "layers",
        ),
        "digits": Grid(
            "Simulated digits (saccade_mnist/small), 2312-512-10",
            {**nmnist, "task": "saccade_mnist"} | default,
            {"neuron": NEURONS, "optimizer": OPTIMIZERS, "seed": (1, 2, 3)},
            "optimizer",
        ),
        "gestures": Grid(
            "Synthetic gestures (small), 48x48x2-4a-16c5z-2a-32c3z-2a-512-11, steps of 10 ms",
            {"task": "gestures", "network": "gestures", "dt": 10.0, "hold_out": hold_out}
            | {**training, "learning_rate": LEARNING_RATE, "batch_size": max(1, batch_size // 2)},
            {"neuron": NEURONS, "optimizer": OPTIMIZERS, "seed": (1, 2, 3)},
            "optimizer",
        ),
        "density": Grid(
            "Synthetic rates, 300-128-10, 100 steps, by spikes per input and step",
            {**SYNTHETIC, "steps": 100} | default,
            {**adam, "density": (0.001, 0.01, 0.05, 0.2), "seed": (1,)},
            "density",
        ),
        "steps": Grid(
            "Synthetic rates, 300-128-10, 0.01 spikes per input and step, by steps",
            {**SYNTHETIC, "density": 0.01} | default,
            {**adam, "steps": (50, 100, 300, 1000), "seed": (1,)},
            "steps",
        ),
    }


def key(settings: dict) -> str:
    """The same for equal settings, whatever their order."""
    return json.dumps(settings, sort_keys=True)


def _without(settings: dict, *names: str) -> dict:
    return {name: value for name, value in settings.items() if name not in names}
