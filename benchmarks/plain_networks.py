"""Networks of the literature as a user writes them: all but the neuron is left out.

Each function gives all layers but the last, which has a neuron for each class.
"""

import keras_slayer as ks


def dense(neuron) -> list:
    return [ks.Flatten(), ks.SpikingDense(512, neuron=neuron)]


def conv(neuron) -> list:
    """12c5-2a-64c5z-2a"""
    return [
        ks.SpikingConv2D(12, 5, neuron=neuron),
        ks.SpikingSumPooling2D(2, neuron=neuron),
        ks.SpikingConv2D(64, 5, padding="same", neuron=neuron),
        ks.SpikingSumPooling2D(2, neuron=neuron),
        ks.Flatten(),
    ]


def gestures(neuron) -> list:
    """4a-16c5z-2a-32c3z-2a-512"""
    return [
        ks.SpikingSumPooling2D(4, neuron=neuron),
        ks.SpikingConv2D(16, 5, padding="same", neuron=neuron),
        ks.SpikingSumPooling2D(2, neuron=neuron),
        ks.SpikingConv2D(32, 3, padding="same", neuron=neuron),
        ks.SpikingSumPooling2D(2, neuron=neuron),
        ks.Flatten(),
        ks.SpikingDense(512, neuron=neuron),
    ]
