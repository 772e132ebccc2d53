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
