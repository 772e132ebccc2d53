"""The three trainings of reproduce.py, beside this module: data, network, recipe of each."""

import argparse
import dataclasses
from collections.abc import Callable

import dvs_gesture  # the examples beside this one
import keras
import keywords
import nmnist
import tensorflow as tf
from nmnist_recipes import PAPER

import keras_slayer as ks
from keras_slayer import datasets
from keras_slayer.datasets.dvs_gesture.labels import GESTURES
from keras_slayer.datasets.synthetic_words.words import WORDS


@dataclasses.dataclass(frozen=True)
class Data:
    name: str
    record: str  # of `datasets.available()`: the set that the published figures are for
    train: tf.data.Dataset  # of recordings
    test: tf.data.Dataset
    classes: int
    channels: int = 0  # of a cochlea
    steps: int = 0

    def with_some(self, split, count):
        """The same with no more than ``count`` recordings of that split."""
        return dataclasses.replace(self, **{split: getattr(self, split).take(count)})


@dataclasses.dataclass(frozen=True)
class Task:
    """What to train, on what, how.

    Attributes:
        network: as the literature writes it.
        published: (accuracy, what and where) of each published figure.
        load: from `--data-dir` or None to `Data`.
        frame: from `Data` to the arguments of `spike_pipeline` that all recordings take.
        augment: further ones, of training alone.
        build: from `Data` to an untrained model.
        learning_rate: at the start; a cosine takes it to 0.
        factors, clipnorm: of `ScaledAdam`.
        set_rates: whether the firing rates are set before training.
        loihi: whether the network is made of the chip's neurons, and is exported.
    """

    network: str
    published: tuple[tuple[str, str], ...]
    load: Callable[[str | None], Data]
    frame: Callable[[Data], dict]
    augment: dict
    build: Callable[[Data], keras.Model]
    epochs: int
    batch_size: int
    learning_rate: float
    factors: dict | None = None
    clipnorm: float | None = None
    set_rates: bool = False
    loihi: bool = False

    def optimizer(self, steps):
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)
        return ks.ScaledAdam(schedule, factors=self.factors, global_clipnorm=self.clipnorm)


def nmnist_task(arguments):
    """34x34x2-12c5-2a-64c5-2a-10 in steps of 1 ms: SLAYER's network for N-MNIST."""
    options = argparse.Namespace(
        network="cnn",
        neuron=arguments.neuron or "srm",
        gradient="slayer",
        surrogate="exponential",
        surrogate_tau=None,
    )

    def load(folder):
        if folder:
            train, test = datasets.load_nmnist(folder)
            return Data("N-MNIST", "nmnist", train, test, 10)
        train, test = datasets.load_saccade_mnist(config="small")
        return Data("saccade_mnist/small (simulated)", "nmnist", train, test, 10)

    return Task(
        network="34x34x2-12c5-2a-64c5-2a-10, 300 steps of 1 ms",
        published=(
            ("99.2 %", "floating point (Shrestha and Orchard, NeurIPS 2018)"),
            ("98.5 %", "on Loihi, first result (the authors' talk)"),
        ),
        load=load,
        frame=lambda data: {
            "sensor_shape": nmnist.SENSOR,
            "steps": int(nmnist.DURATION / PAPER["dt"]),
            "dt": PAPER["dt"],
        },
        augment={"shift": 2, "rotate": 10.0, "zoom": 0.1},
        build=lambda data: nmnist.build_model(options, PAPER),
        epochs=PAPER["epochs"],
        batch_size=8,
        learning_rate=PAPER["learning_rate"],
        loihi=options.neuron == "loihi",
    )


def dvs_gesture_task(arguments):
    """128x128x2-4a-16c5z-2a-32c3z-2a-512-11 with Loihi's neurons: SLAYER's for DVS Gesture."""
    settings = dvs_gesture.FULL
    side, dt, steps = (settings[name] for name in ("side", "dt", "steps"))

    def load(folder):
        if folder:
            train, test = datasets.load_dvs_gesture(folder)
            return Data("DVS128 Gesture", "dvs_gesture", train, test, len(GESTURES))
        train, test = datasets.load_synthetic_gestures(config="small")
        return Data("synthetic_gestures/small", "dvs_gesture", train, test, len(GESTURES))

    return Task(
        network=f"128x128x2-4a-16c5z-2a-32c3z-2a-512-11, {steps} steps of {dt:g} ms",
        published=(
            ("93.64 %", "floating point (Shrestha and Orchard, NeurIPS 2018)"),
            ("92.23 %", "on Loihi, first result (the authors' talk)"),
        ),
        load=load,
        frame=lambda data: {
            "sensor_shape": (side, side, 2),
            "fit": "scale",
            "source_shape": dvs_gesture.SENSOR,
            "steps": steps,
            "dt": dt,
            "late": "ignore",  # the network sees the first 1.5 s of each trial
        },
        augment={"shift": side // 20, "zoom": 0.1},
        build=lambda data: dvs_gesture.build_model((steps, side, side, 2), dt, weight_bits=8),
        epochs=settings["epochs"],
        batch_size=4,
        learning_rate=settings["learning_rate"],
        loihi=True,
    )


def shd_task(arguments):
    """Two layers of 128 neurons with learned delays between them (examples/keywords.py)."""
    network = "delays"

    def load(folder):
        if folder:
            train, test = datasets.load_shd(folder)
            return Data("SHD", "shd", train, test, 20, channels=700, steps=140)
        train, test = datasets.load_synthetic_words(config="full")
        return Data("synthetic_words/full", "shd", train, test, len(WORDS), channels=128, steps=70)

    return Task(
        network=f"128-(delays)-128, CUBA neurons, steps of {keywords.DT:g} ms",
        published=(
            ("48 %", "feed-forward (Cramer et al., IEEE TNNLS 2022)"),
            ("83.2 %", "recurrent, with noise and augmentation (the same)"),
            ("95.1 %", "learned delays, a larger network (Hammouamri et al., ICLR 2024)"),
        ),
        load=load,
        frame=lambda data: {
            "sensor_shape": (data.channels,),
            "steps": data.steps,
            "dt": keywords.DT,
        },
        augment={},
        build=lambda data: keywords.NETWORKS[network](
            (data.steps, data.channels), 128, data.classes
        ),
        epochs=10,
        batch_size=64,
        learning_rate=keywords.LEARNING_RATE,
        factors=keywords.FACTORS[network],
        clipnorm=1.0,
        set_rates=True,
    )


TASKS = {"nmnist": nmnist_task, "dvs_gesture": dvs_gesture_task, "shd": shd_task}
