"""Recordings, spikes and histories to draw."""

import numpy as np
import pytest

mpl = pytest.importorskip("matplotlib")


to_rgba = mpl.colors.to_rgba


def recording():
    """Three events in 10 steps of a sensor 5 wide and 4 high: ON, ON, OFF."""
    spikes = np.zeros((10, 4, 5, 2), "float32")
    spikes[2, 3, 1, 1] = spikes[6, 0, 4, 1] = spikes[9, 2, 2, 0] = 1
    return spikes


def output(winner=2, classes=4, steps=10):
    spikes = np.zeros((steps, classes), "float32")
    spikes[1, :] = 1
    spikes[::2, winner] = 1
    return spikes


HISTORY = {
    "accuracy": [0.5, 0.7, 0.9],
    "loss": [3.0, 2.0, 1.0],
    "val_accuracy": [0.4, 0.6, 0.8],
    "val_loss": [3.5, 2.5, 1.5],
}


def texts(target):
    return [text.get_text() for text in target.findobj(mpl.text.Text)]


def network(classes=3):
    """A convolution, a hidden and an output layer, all with spikes on `network_input`."""
    import keras

    import keras_slayer as ks

    neuron = ks.SRM(dt=2.0)
    weights = [keras.initializers.RandomNormal(0.1, 0.4, seed=seed) for seed in range(3)]
    return keras.Sequential(
        [
            keras.Input((20, 6, 6, 2)),
            ks.SpikingConv2D(2, 3, neuron=neuron, kernel_initializer=weights[0], name="conv"),
            ks.Flatten(),
            ks.SpikingDense(40, neuron, kernel_initializer=weights[1], name="hidden"),
            ks.SpikingDense(classes, neuron, kernel_initializer=weights[2], name="out"),
        ]
    )


def network_input(samples=4):
    random = np.random.default_rng(1)
    return (random.random((samples, 20, 6, 6, 2)) < 0.15).astype("float32")
