"""Networks that the tests of the mapping place."""

import dataclasses
import itertools

import numpy as np

from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1

NEURON = IntegerNeuron(1024, 128, 80)


TINY = dataclasses.replace(
    LOIHI1,
    name="Tiny",
    cores=6,
    compartments=24,
    input_axons=160,
    output_axons=90,
    synapse_words=400,
    delay_slots=24 << 3,
    base_range=16,
)
"""So small that the random networks need many cores of it, and several chips."""


def dense(inputs, outputs, delay=None):
    if delay is not None:
        delay = np.full((inputs, outputs), delay, np.uint8)
    return IntegerDense(np.ones((inputs, outputs), np.int16), NEURON, delay=delay)


def mlp(*sizes):
    return IntegerNetwork(sizes[:1], tuple(dense(i, o) for i, o in itertools.pairwise(sizes)))


def conv(kernel, channels, filters, groups=1, **geometry):
    weight = np.ones((kernel, kernel, channels // groups, filters), np.int16)
    return IntegerConv(weight, NEURON, groups=groups, **geometry)


def pool(kernel, channels):
    return conv(kernel, channels, channels, groups=channels, strides=(kernel, kernel))


def gesture():
    """128x128x2-4a-16c5z-2a-32c3z-2a-512-11."""
    layers = (
        pool(4, 2),
        conv(5, 2, 16, padding=(2, 2)),
        pool(2, 16),
        conv(3, 16, 32, padding=(1, 1)),
        pool(2, 32),
        IntegerFlatten(),
        dense(2048, 512),
        dense(512, 11),
    )
    return IntegerNetwork((128, 128, 2), layers)


def nmnist():
    """34x34x2-12c5-2a-64c5-2a-10."""
    convolutions = (conv(5, 2, 12), pool(2, 12), conv(5, 12, 64), pool(2, 64))
    return IntegerNetwork((34, 34, 2), (*convolutions, IntegerFlatten(), dense(1600, 10)))


def place(network, chip=LOIHI1, **options):
    mapping, problems = map_network(network, chip, **options)
    assert not problems
    return mapping


def cores_of(mapping):
    return [layer.cores for layer in mapping.layers]


def neuron_layers(network):
    """(layer, input shape, output shape) of each layer with neurons."""
    shapes = itertools.pairwise(network.shapes())
    rows = [(layer, *pair) for layer, pair in zip(network.layers, shapes, strict=True)]
    return [row for row in rows if row[0].type != "flatten"]
