"""One run of defaults.py: a fresh network from settings, trained and tested."""

from __future__ import annotations

import gc
import pathlib
import time

import defaults_tasks
import keras
import numpy as np
import plain_networks
import tensorflow as tf
from defaults_grids import RELU

import keras_slayer as ks
from keras_slayer import neurons

HIDDEN = 128  # neurons of each hidden layer of "deep"
WATCHED = 64  # training recordings that firing rates are measured on


def one_thread() -> None:
    """Before TensorFlow runs anything: runs side by side do not take each other's cores."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def neuron_of(name: str, dt: float):
    """The name alone where the package's own step of 1 ms is meant."""
    return name if dt == 1 else neurons.BY_NAME[name](dt=dt)


def optimizer_of(name: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """Keras' optimiser of that name, or the package's; all but the learning rate is its default."""
    if hasattr(ks, name):
        return getattr(ks, name)(learning_rate)
    return keras.optimizers.get(
        {"class_name": name, "config": {"learning_rate": learning_rate}}  # as by name
    )


def build(settings: dict, shape: tuple[int, ...], classes: int) -> keras.Model:
    """The network for recordings of `shape`: (steps, ...)."""
    neuron = neuron_of(settings["neuron"], settings["dt"])
    if settings["network"] == "deep":
        deep = [ks.SpikingDense(HIDDEN, neuron=neuron) for _ in range(settings["layers"] - 1)]
        hidden = [ks.Flatten(), *deep]
    else:
        hidden = getattr(plain_networks, settings["network"])(neuron)
    output = ks.SpikingDense(classes, neuron=neuron)
    return keras.Sequential([keras.Input(shape, dtype="uint8"), *hidden, output])


def build_relu(network: str, x: np.ndarray, classes: int) -> keras.Model:
    """Keras' own layers in the places of the spiking ones, on the spike counts of recordings."""
    layers = keras.layers
    hidden = {
        "dense": [layers.Flatten(), layers.Dense(512, "relu")],
        "conv": [
            layers.Conv2D(12, 5, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(64, 5, padding="same", activation="relu"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
        ],
    }[network]
    scale = layers.Rescaling(1 / x.std())
    outputs = layers.Dense(classes)
    return keras.Sequential([keras.Input(x.shape[1:]), scale, *hidden, outputs])


def train(settings: dict, cache: pathlib.Path) -> dict:
    """What became of a network: accuracies, firing rates of its layers, seconds of training."""
    keras.utils.clear_session()
    gc.collect()
    data = defaults_tasks.load(settings, cache)
    classes = int(data.y_train.max()) + 1
    keras.utils.set_random_seed(settings["seed"])
    if settings["neuron"] == RELU:
        data = data.counts()
        model = build_relu(settings["network"], data.x_train, classes)
        loss, metric = keras.losses.SparseCategoricalCrossentropy(from_logits=True), "accuracy"
    else:
        model = build(settings, data.x_train.shape[1:], classes)
        loss, metric = ks.SpikeMaxLoss(), ks.SpikeCountAccuracy(name="accuracy")
    optimizer = optimizer_of(settings["optimizer"], settings["learning_rate"])
    model.compile(optimizer, loss, metrics=[metric])
    # Evenly spread, whether recordings lie class by class or not.
    watched = data.x_train[np.linspace(0, len(data.x_train) - 1, WATCHED).astype(int)]
    before = _rates(model, watched)
    start = time.monotonic()
    history = model.fit(
        data.x_train,
        data.y_train,
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        verbose=0,
    ).history
    seconds = time.monotonic() - start
    tested = model.evaluate(data.x_test, data.y_test, batch_size=20, verbose=0, return_dict=True)
    return {
        "accuracy": tested["accuracy"],
        "train_accuracy": history["accuracy"],
        "train_loss": history["loss"],
        "seconds": round(seconds, 1),
        "rates_before": before,
        "rates_after": _rates(model, watched),
        "recordings": [len(data.x_train), len(data.x_test)],
        "ceiling": data.ceiling,
    }


def _rates(model, x) -> list[dict]:
    """Of each layer: spikes per neuron and step, shares of silent and of saturated neurons."""
    if not any(hasattr(layer, "neuron") for layer in model.layers):
        return []
    return [{"layer": name, **rates._asdict()} for name, rates in ks.firing_rates(model, x).items()]
