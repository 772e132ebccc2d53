"""The mapping against nengo-loihi, which counts and validates the cores on its own."""

import itertools
import json

import numpy as np
import pytest

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


class Weights:
    """Layers with random weights, hardly any two alike."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def draw(self, *shape):
        return (2 * self.rng.integers(-128, 128, shape)).astype(np.int16)

    def dense(self, inputs, outputs, longest_delay=None):
        delay = None
        if longest_delay is not None:
            delay = self.rng.integers(0, longest_delay, (inputs, outputs)).astype(np.uint8)
            delay[0, 0] = longest_delay
        return IntegerDense(self.draw(inputs, outputs), NEURON, delay=delay)

    def mlp(self, *sizes):
        pairs = itertools.pairwise(sizes)
        return IntegerNetwork(sizes[:1], tuple(self.dense(i, o) for i, o in pairs))

    def conv(self, kernel, channels, filters, groups=1, **geometry):
        shape = (kernel, kernel, channels // groups, filters)
        return IntegerConv(self.draw(*shape), NEURON, groups=groups, **geometry)

    def pool(self, kernel, channels):
        strides = (kernel, kernel)
        return self.conv(kernel, channels, channels, groups=channels, strides=strides)


def nmnist():
    make = Weights()
    return IntegerNetwork(
        (34, 34, 2),
        (
            make.conv(5, 2, 12),
            make.pool(2, 12),
            make.conv(5, 12, 64),
            make.pool(2, 64),
            IntegerFlatten(),
            make.dense(1600, 10),
        ),
    )


def gesture():
    make = Weights()
    return IntegerNetwork(
        (128, 128, 2),
        (
            make.pool(4, 2),
            make.conv(5, 2, 16, padding=(2, 2)),
            make.pool(2, 16),
            make.conv(3, 16, 32, padding=(1, 1)),
            make.pool(2, 32),
            IntegerFlatten(),
            make.dense(2048, 512),
            make.dense(512, 11),
        ),
    )


def plain_convs():
    """No groups and no dilation, what nengo-loihi itself can cut; each layer on several cores."""
    make = Weights()
    return IntegerNetwork(
        (20, 18, 3),
        (
            make.conv(3, 3, 7, padding=(1, 1)),
            make.conv(3, 7, 40, strides=(2, 1)),
            make.conv(2, 40, 40, strides=(2, 2), padding=(0, 1)),
            IntegerFlatten(),
            make.dense(4 * 9 * 40, 300),
            make.dense(300, 5),
        ),
    )


def odd_convs():
    """Groups of several channels, dilation, strides larger than the kernel."""
    make = Weights()
    return IntegerNetwork(
        (40, 37, 6),
        (
            make.conv(3, 6, 30, groups=3, dilation=(2, 3), padding=(3, 0)),
            make.conv(2, 30, 60, groups=30, strides=(3, 2)),
            make.conv(1, 60, 400, groups=2),
        ),
    )


@pytest.fixture
def show(run_peer, tmp_path):
    """show(network, split, weight_bits, cores) -> the mapping's cores, nengo-loihi's answer."""

    def show(network, split=False, weight_bits=None, cores=None):
        layers = [layer for layer in network.layers if layer.type != "flatten"]
        mapping, problems = map_network(network, LOIHI1, weight_bits=weight_bits)
        assert not problems
        shapes = list(network.shapes())
        descriptions = []
        for layer, before, after in zip(network.layers, shapes[:-1], shapes[1:], strict=True):
            if layer.type == "flatten":
                continue
            counted = mapping.layers[len(descriptions)]
            description = {
                "shape": after,
                "weight_bits": counted.weight_bits,
                "delay_bits": counted.delay_bits,
            }
            if layer.type == "conv":
                geometry = {k: getattr(layer, k) for k in ("strides", "padding", "dilation")}
                description |= {"input_shape": before, "groups": layer.groups, **geometry}
            descriptions.append(description)
        if cores is None:
            cores = [{"layer": core.layer, "ranges": core.ranges} for core in mapping.cores]
        text = json.dumps({"layers": descriptions, "cores": cores, "split": split})
        weights = {f"weight_{i}": layer.weight for i, layer in enumerate(layers)}
        path = tmp_path / "placed.npz"
        np.savez(path, description=text, **weights)
        return mapping, run_peer("nengo", "run_nengo_loihi.py", path)

    return show


def counts(mapping):
    return [
        {
            "compartments": core.compartments,
            "in-axons": core.input_axons,
            "out-axons": core.output_axons,
            "synapses": core.synaptic_memory_bits,
        }
        for core in mapping.cores
    ]


@pytest.mark.parametrize(
    ("sizes", "cores"),
    [
        ((2312, 512, 10), [11, 1]),
        ((784, 500, 500, 10), [4, 3, 1]),
        ((3000, 91, 1030, 37, 2), [3, 2, 1, 1]),
        ((12, 10, 5000), [1, 5]),
        ((4096, 7), [1]),
    ],
)
def test_dense_layers_take_as_many_cores_as_nengo_loihi_gives_them(show, sizes, cores):
    mapping, answer = show(Weights().mlp(*sizes))
    assert answer["dense_cores"] == cores
    assert [layer.cores for layer in mapping.layers] == cores
    assert answer["errors"] == []
    assert answer["cores"] == counts(mapping)


def test_more_cores_than_nengo_loihi_takes_where_it_would_refuse_its_own_split(show):
    # It does not look again after splitting: 104 neurons of the 3,000 need more than a core's
    # memory, and 158 of the 1,100 more than its output axons, with 29 cores behind them.
    mapping, answer = show(Weights().mlp(700, 1100, 3000, 20))
    assert answer["dense_cores"] == [7, 29, 1]
    assert [layer.cores for layer in mapping.layers] == [9, 30, 1]
    assert mapping.layers[0].limited_by == "output axons"
    assert answer["errors"] == []
    assert answer["cores"] == counts(mapping)


@pytest.mark.parametrize("network", [nmnist, gesture, plain_convs, odd_convs])
def test_nengo_loihi_accepts_every_core_and_counts_the_same(show, network):
    mapping, answer = show(network())
    assert answer["errors"] == []
    assert answer["cores"] == counts(mapping)


def test_counts_with_fewer_weight_bits_and_with_delays(show):
    make = Weights()
    layers = (make.dense(900, 700, longest_delay=13), make.dense(700, 600), make.dense(600, 3, 62))
    mapping, answer = show(IntegerNetwork((900,), layers), weight_bits=[8, 3, 7])
    assert [layer.delay_bits for layer in mapping.layers] == [4, 0, 6]
    assert [layer.weight_bits for layer in mapping.layers] == [8, 3, 8]
    assert answer["errors"] == []
    assert answer["cores"] == counts(mapping)


def test_nengo_loihi_splits_a_network_into_the_same_cores(show):
    mapping, answer = show(plain_convs(), split=True)
    assert min(layer.cores for layer in mapping.layers[:4]) > 1
    assert answer["split_cores"] == counts(mapping)


def test_nengo_loihi_refuses_what_is_beyond_a_core(show):
    cores = [
        {"layer": 0, "ranges": [[0, 54]]},
        {"layer": 0, "ranges": [[54, 109]]},
        {"layer": 0, "ranges": [[109, 512]]},
        {"layer": 1, "ranges": [[0, 10]]},
    ]
    _, answer = show(Weights().mlp(2312, 512, 10), cores=cores)
    assert [core for core, _ in answer["errors"]] == [1, 2]
    assert all("Total synapse bits" in message for _, message in answer["errors"])
