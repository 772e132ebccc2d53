"""Graphs of populations that the tests of the mapping place."""

import numpy as np
from mapping_cases import NEURON

from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
)


def dense(inputs, outputs, delay=None):
    """All weights 1, all delays ``delay``."""
    if delay is not None:
        delay = np.full((inputs, outputs), delay, np.uint8)
    return DenseSynapses(np.ones((inputs, outputs), np.int16), delay)


def conv(kernel, channels, filters, groups=1, strides=(1, 1)):
    """With as much padding as keeps the size where the strides are 1."""
    weight = np.ones((kernel, kernel, channels // groups, filters), np.int16)
    padding = (kernel // 2, kernel // 2)
    return ConvSynapses(weight, strides, padding, groups=groups)


def population(shape, *connections):
    """``connections`` are pairs (source, synapses); without any, a bias drives the neurons."""
    bias = None if connections else np.full(shape[-1], 100, np.int32)
    return Population(shape, NEURON, tuple(Connection(*pair) for pair in connections), bias)


def residual(size=32, widths=(16, 32, 64, 128), blocks=2):
    """A residual network on images of 3 channels; with 4 widths and 2 blocks it has 18 layers.

    A relay keeps the way around a block as long as the one through it.
    """
    inputs = {"input": (size, size, 3)}
    populations = {"stem": population((size, size, widths[0]), ("input", conv(3, 3, widths[0])))}
    last, channels = "stem", widths[0]
    for width in widths:
        for block in range(blocks):
            stride = 2 if block == 0 and width != widths[0] else 1
            name = f"{width}/{block}"
            shape = (size // stride, size // stride, width)
            first = (last, conv(3, channels, width, strides=(stride, stride)))
            relay = (last, conv(1, channels, channels, groups=channels))
            around = conv(1, channels, width, 1 if width != channels else width, (stride, stride))
            populations[f"{name}/first"] = population(shape, first)
            populations[f"{name}/relay"] = population((size, size, channels), relay)
            populations[name] = population(
                shape, (f"{name}/first", conv(3, width, width)), (f"{name}/relay", around)
            )
            last, size, channels = name, shape[0], width
    pool = ConvSynapses(np.ones((size, size, 1, channels), np.int16), groups=channels)
    populations["pool"] = population((1, 1, channels), (last, pool))
    populations["output"] = population((10,), ("pool", dense(channels, 10)))
    return IntegerGraph(inputs, populations, ("output",))
