"""Graphs of populations that the tests of the mapping place."""

import numpy as np
from mapping_cases import NEURON

from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    as_synapses,
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
    populations["output"] = population((10,), (last, dense(size * size * channels, 10)))
    return IntegerGraph({"input": (32, 32, 3)}, populations, ("output",))


class RandomGraphs:
    """Draws graphs with branches, joins, loops, constant sources, several inputs and outputs.

    Args:
        source: a ``RandomNetworks``.
    """

    def __init__(self, source):
        self.source = source
        self.rng = source.rng

    def dense(self, inputs, outputs):
        return as_synapses(self.source.dense(inputs, outputs))

    def loop(self, shape):
        """Synapses from an image to itself."""
        groups = self.source.choice(1, shape[2])
        kernel = self.source.choice(1, 3)
        weight = self.source.weight(kernel, kernel, shape[2] // groups, shape[2])
        return ConvSynapses(weight, padding=(kernel // 2, kernel // 2), groups=groups)

    def graph(self):
        """2 to 6 populations, each with up to 3 connections; a second image joins a first."""
        image = tuple(int(n) for n in self.rng.integers((3, 3, 1), (8, 8, 4)))
        inputs = {"image": image, "vector": (int(self.rng.integers(1, 8)),)}
        shapes, populations = dict(inputs), {}
        for i in range(self.rng.integers(2, 7)):
            name = f"p{i}"
            shape, connections = self.population(name, shapes)
            populations[name] = population(shape, *connections)
            shapes[name] = shape
        outputs = tuple(n for n in populations if self.rng.random() < 0.3) or (name,)
        return IntegerGraph(inputs, populations, outputs)

    def population(self, name, shapes):
        """Shape and connections of a population that may read any of ``shapes``."""
        images = [other for other, shape in shapes.items() if len(shape) == 3]
        if self.rng.random() < 0.6:
            source = self.source.choice(*images)
            layer = self.source.conv(shapes[source])
            shape = layer.output_shape(shapes[source])
            connections = [(source, as_synapses(layer))]
            for other in images:  # a way around, through a kernel of one pixel
                if shapes[other][:2] == shape[:2] and self.rng.random() < 0.5:
                    groups = np.gcd(shapes[other][2], shape[2])
                    groups = int(self.source.choice(1, groups))
                    weight = self.source.weight(1, 1, shapes[other][2] // groups, shape[2])
                    connections.append((other, ConvSynapses(weight, groups=groups)))
            itself = self.loop(shape)
        else:
            shape, connections = (int(self.rng.integers(1, 20)),), []
            itself = self.dense(shape[0], shape[0])
        for other in self.rng.permutation(list(shapes))[: self.rng.integers(0, 3)]:
            inputs = int(np.prod(shapes[other]))
            connections.append((str(other), self.dense(inputs, int(np.prod(shape)))))
        if self.rng.random() < 0.25:
            connections.append((name, itself))
        if self.rng.random() < 0.15:
            connections = []
        return shape, connections
