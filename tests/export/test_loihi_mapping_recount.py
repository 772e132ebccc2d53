"""Mappings counted again by brute force, and what must always hold."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from mapping_cases import TINY, mlp, neuron_layers

from keras_slayer.export.mapping.conv_tiling import ConvTiling
from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.mapping.placement import Cuts
from keras_slayer.export.mapping.tiling import cores, peak_output_axons
from keras_slayer.export.network import (
    IntegerNetwork,
)
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1
from keras_slayer.export.targets.loihi2 import CHIP as LOIHI2

# Counted again


def synapses_of(layer, before, after):
    """(input neuron, output neuron, tap) of every synapse, as index tuples."""
    if layer.type == "dense":
        for i, o in np.ndindex(layer.weight.shape):
            yield (i,), (o,), ()
        return
    rows, columns, per_group, filters = layer.weight.shape
    for r, c, f in np.ndindex(*after):
        group = f // (filters // layer.groups)
        for tap in np.ndindex(rows, columns):
            i, j = (
                (r, c)[n] * layer.strides[n] - layer.padding[n] + tap[n] * layer.dilation[n]
                for n in range(2)
            )
            if 0 <= i < before[0] and 0 <= j < before[1]:
                for channel in range(group * per_group, (group + 1) * per_group):
                    yield (i, j, channel), (r, c, f), tap


def list_bits(synapses, bits):
    groups = [64] * (synapses // 64) + [synapses % 64] * (synapses % 64 > 0)
    return sum(64 * math.ceil((n * bits + 10) / 64) for n in groups)


class Recount:
    """Axons and memory of every core from a list of all synapses."""

    def __init__(self, network, mapping, chip):
        self.chip = chip
        self.layers = neuron_layers(network)
        self.mapping = mapping
        self.cores = [[c for c in mapping.cores if c.layer == i] for i in range(len(self.layers))]
        self.home = [  # neuron -> its core
            {
                neuron: core.index
                for core in cores
                for neuron in itertools.product(*(range(*r) for r in core.ranges))
            }
            for cores in self.cores
        ]
        self.by_core = [{core.index: [] for core in cores} for cores in self.cores]
        for number, (layer, before, after) in enumerate(self.layers):
            for synapse in synapses_of(layer, before, after):
                self.by_core[number][self.home[number][synapse[1]]].append(synapse)

    def input_axons(self, core):
        """Inputs of a dense layer, pixels before a convolution."""
        return len({source[:2] for source, _, _ in self.by_core[core.layer][core.index]})

    def output_axons(self, core):
        following = core.layer + 1
        if following == len(self.layers):
            return 0
        is_conv = self.layers[following][0].type == "conv"
        shape = self.layers[core.layer][2]
        reached = set()
        for target, synapses in self.by_core[following].items():
            for source, _, _ in synapses:
                if len(source) < len(shape):  # flattened
                    source = tuple(int(n) for n in np.unravel_index(source[0], shape))
                if self.home[core.layer][source] == core.index:
                    reached.add((source[:2] if is_conv else source, target))
        return len(reached) * (2 if is_conv else 1)

    def memory_bits(self, core):
        summary = self.mapping.layers[core.layer]
        bits = summary.weight_bits + summary.delay_bits
        sources = {}
        for source, neuron, tap in self.by_core[core.layer][core.index]:
            sources.setdefault(source[:2], []).append((source, neuron, tap))
        if self.layers[core.layer][0].type == "dense":
            return sum(list_bits(len(synapses), bits) for synapses in sources.values())
        places = itertools.product(*(range(*r) for r in core.ranges))
        number = {neuron: n for n, neuron in enumerate(places)}
        distinct, largest = {}, 0
        for synapses in sources.values():
            lowest = min(number[neuron] for _, neuron, _ in synapses)
            base = lowest % self.chip.base_range
            content = {(source[2], number[neuron] - base, tap) for source, neuron, tap in synapses}
            largest = max(largest, *(index for _, index, _ in content))
            distinct[frozenset(content)] = len(synapses)
        needed = math.ceil(math.log2(largest + 1))
        bits += min(b for b in self.chip.index_bits if b >= needed)
        return sum(list_bits(n, bits) for n in distinct.values())


@pytest.mark.parametrize("seed", range(25))
def test_recount_of_every_core(random_networks, seed):
    source = random_networks(seed)
    network = source.network()
    bits = [source.choice(1, 3, 6, 7, 8) for _ in neuron_layers(network)]
    for chip in (TINY, LOIHI1):
        mapping, problems = map_network(network, chip, weight_bits=bits)
        assert bool(problems) != bool(mapping.cores)
        recount = Recount(network, mapping, chip) if mapping.cores else None
        for core in mapping.cores:
            assert core.input_axons == recount.input_axons(core)
            assert core.output_axons == recount.output_axons(core)
            assert core.synaptic_memory_bits == recount.memory_bits(core)
            assert core.compartments == math.prod(b - a for a, b in core.ranges)


# What must always hold


def networks(random_networks, seed):
    """A random network of conftest.py, or one with larger layers."""
    source = random_networks(seed)
    if seed % 2:
        return source.network()
    rng = source.rng
    if seed % 4:
        return mlp(*(int(n) for n in rng.integers(1, 400, rng.integers(2, 5))))
    shape = input_shape = (*(int(n) for n in rng.integers(8, 33, 2)), int(rng.integers(1, 4)))
    layers = []
    for _ in range(rng.integers(1, 4)):
        layers.append(source.conv(shape))
        shape = layers[-1].output_shape(shape)
    return IntegerNetwork(input_shape, tuple(layers))


@pytest.mark.parametrize("seed", range(40))
def test_every_neuron_is_on_one_core_and_no_core_is_overfull(random_networks, seed):
    network = networks(random_networks, seed)
    for chip in (TINY, LOIHI1, LOIHI2):
        mapping, problems = map_network(network, chip)
        if problems:
            assert chip is TINY
            continue
        rows = neuron_layers(network)
        for number, (_, _, shape) in enumerate(rows):
            held = np.zeros(shape, int)
            for core in mapping.cores:
                if core.layer == number:
                    held[tuple(slice(*r) for r in core.ranges)] += 1
            assert (held == 1).all()
        for core in mapping.cores:
            delay_bits = mapping.layers[core.layer].delay_bits
            used = core.utilisation
            assert 0 < used.compartments <= 1
            assert core.compartments <= min(chip.compartments, chip.delay_slots >> delay_bits)
            assert core.input_axons <= chip.input_axons
            assert core.output_axons <= chip.output_axons
            assert core.synaptic_memory_bits <= 64 * chip.synapse_words
            assert max(dataclasses.astuple(used)) == used.tightest[1] <= 1
        assert mapping.chips == -(-len(mapping.cores) // chip.cores)
        assert {(core.chip, core.core_on_chip) for core in mapping.cores} == {
            divmod(i, chip.cores) for i in range(len(mapping.cores))
        }
        for number, layer in enumerate(mapping.layers):
            cores = [core for core in mapping.cores if core.layer == number]
            assert layer.cores == len(cores)
            assert layer.neurons == math.prod(rows[number][2])
            assert (layer.limited_by == "layer size") == (len(cores) == 1)
            assert layer.max_input_axons == max(core.input_axons for core in cores)
            assert layer.output_axons == sum(core.output_axons for core in cores)
            assert layer.memory_bytes * 8 == sum(core.synaptic_memory_bits for core in cores)


LIMITS = ("compartments", "input_axons", "output_axons", "synapse_words", "delay_slots")


@pytest.mark.parametrize("seed", range(30))
def test_a_tighter_chip_never_needs_fewer_cores(random_networks, seed):
    network = networks(random_networks, seed)
    rng = np.random.default_rng(seed)
    chip, fewest = LOIHI1, 0
    for _ in range(12):
        mapping, problems = map_network(network, chip)
        if problems:
            break
        assert len(mapping.cores) >= fewest
        fewest = len(mapping.cores)
        limit = LIMITS[rng.integers(len(LIMITS))]
        tighter = int(getattr(chip, limit) * rng.choice([0.9, 0.5, 0.1])) or 1
        chip = dataclasses.replace(chip, **{limit: tighter})
    for _ in range(8):  # and what did not fit does not fit on a tighter one
        limit = LIMITS[rng.integers(len(LIMITS))]
        chip = dataclasses.replace(chip, **{limit: max(getattr(chip, limit) // 2, 1)})
        if problems:
            problems = map_network(network, chip)[1]
            assert problems


def fitting(tiling, chip):
    """Every cut of a layer that fits, if the next layer is left aside."""
    ranks = map(Cuts(tiling, chip).get, itertools.count())
    return [grid for _, grid in itertools.takewhile(bool, ranks)]


@pytest.mark.parametrize("seed", [23, 43, 49, 60, 66, 69, 72, 75, 83, 103, 117, 133])
def test_the_search_finds_the_fewest_cores_there_are(random_networks, seed):
    """Against all combinations of cuts of three convolutions.

    The seeds are such that the best cuts of each layer do not go together.
    """
    source = random_networks(seed)
    shape = (7, 6, 2)
    layers = []
    for _ in range(3):
        layers.append(source.conv(shape))
        shape = layers[-1].output_shape(shape)
    network = IntegerNetwork((7, 6, 2), tuple(layers))
    chip = dataclasses.replace(TINY, output_axons=int(source.rng.integers(4, 40)))
    tilings = [ConvTiling(layer, before, chip, 8) for layer, before, _ in neuron_layers(network)]
    fewest = {grid: cores(grid) for grid in fitting(tilings[-1], chip)}
    for tiling, target in zip(tilings[1::-1], tilings[:0:-1], strict=True):
        chains = [
            (grid, cores(grid) + after)
            for grid in fitting(tiling, chip)
            for target_grid, after in fewest.items()
            if peak_output_axons(target, target_grid, grid) <= chip.output_axons
        ]
        # The last of equal keys stays: the smallest.
        fewest = dict(sorted(chains, key=lambda chain: -chain[1]))
    mapping, problems = map_network(network, chip)
    assert len(mapping.cores) == min(fewest.values(), default=0)
    assert bool(problems) == (not fewest)
