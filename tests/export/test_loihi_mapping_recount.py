"""Mappings counted again by brute force, and what must always hold."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from mapping_cases import TINY, mlp, neuron_layers
from random_graphs import RandomGraphs

from keras_slayer.export.graph import ConvSynapses, DenseSynapses, graph_of
from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.network import IntegerNetwork
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1
from keras_slayer.export.targets.loihi2 import CHIP as LOIHI2

ROOMY = dataclasses.replace(
    TINY, input_axons=1000, output_axons=1000, synapse_words=4000, delay_slots=24 << 6
)
"""Where few neurons fit on a core, and that alone makes networks large."""

# Counted again


def synapses_of(synapses, before, after):
    """(source neuron, target neuron, tap) of every synapse, as index tuples."""
    if isinstance(synapses, DenseSynapses):
        sources, targets = list(np.ndindex(before)), list(np.ndindex(after))
        for i, o in np.ndindex(synapses.weight.shape):
            yield sources[i], targets[o], ()
        return
    rows, columns, per_group, filters = synapses.weight.shape
    for r, c, f in np.ndindex(*after):
        group = f // (filters // synapses.groups)
        for tap in np.ndindex(rows, columns):
            i, j = (
                (r, c)[n] * synapses.strides[n]
                - synapses.padding[n]
                + tap[n] * synapses.dilation[n]
                for n in range(2)
            )
            if 0 <= i < before[0] and 0 <= j < before[1]:
                for channel in range(group * per_group, (group + 1) * per_group):
                    yield (i, j, channel), (r, c, f), tap


def list_bits(synapses, bits):
    groups = [64] * (synapses // 64) + [synapses % 64] * (synapses % 64 > 0)
    return sum(64 * math.ceil((n * bits + 10) / 64) for n in groups)


class Recount:
    """Axons and memory of every core from a list of all synapses of a graph.

    Args:
        bits: of the weights, for each connection of each population.
    """

    def __init__(self, graph, mapping, chip, bits):
        self.chip, self.mapping, self.bits = chip, mapping, bits
        self.home = {  # (population, neuron) -> its core
            (mapping.layers[core.layer].name, neuron): core.index
            for core in mapping.cores
            for neuron in itertools.product(*(range(*r) for r in core.ranges))
        }
        # For each core a list of synapses for each connection that ends in it.
        self.into = [{} for _ in mapping.cores]
        self.reached = [set() for _ in mapping.cores]
        for number, (name, population) in enumerate(graph.populations.items()):
            for c, connection in enumerate(population.connections):
                self.add(graph, name, population, (number, c), connection)

    def add(self, graph, name, population, key, connection):
        source, synapses = connection.source, connection.synapses
        is_conv = isinstance(synapses, ConvSynapses)
        for before, after, tap in synapses_of(synapses, graph.shape(source), population.shape):
            core = self.home[name, after]
            found = self.into[core].setdefault(key, (synapses, []))
            found[1].append((before, after, tap))
            if source in graph.populations:
                axon = before[:2] if is_conv else before
                self.reached[self.home[source, before]].add((key, axon, core, 1 + is_conv))

    def input_axons(self, core):
        """Inputs of dense synapses, pixels before a convolution."""
        return sum(len(self.axons(*row)) for row in self.into[core.index].values())

    @staticmethod
    def axons(synapses, found):
        """The synapses by what has an axon."""
        axons = {}
        for before, after, tap in found:
            axon = before[:2] if isinstance(synapses, ConvSynapses) else before
            axons.setdefault(axon, []).append((before, after, tap))
        return axons

    def output_axons(self, core):
        return sum(slots for _, _, _, slots in self.reached[core.index])

    def memory_bits(self, core):
        return sum(
            self.memory_of(core, self.bits[key[0]][key[1]], *row)
            for key, row in self.into[core.index].items()
        )

    def memory_of(self, core, weight_bits, synapses, found):
        bits = min(b for b in self.chip.weight_bits if b >= weight_bits)
        axons = self.axons(synapses, found).values()
        if synapses.delay is not None:
            bits += math.ceil(math.log2(int(np.max(synapses.delay)) + 1))
        if isinstance(synapses, DenseSynapses):
            return sum(list_bits(len(axon), bits) for axon in axons)
        places = itertools.product(*(range(*r) for r in core.ranges))
        number = {neuron: n for n, neuron in enumerate(places)}
        distinct, largest = {}, 0
        for axon in axons:
            lowest = min(number[neuron] for _, neuron, _ in axon)
            base = lowest % self.chip.base_range
            content = {(source[2], number[neuron] - base, tap) for source, neuron, tap in axon}
            largest = max(largest, *(index for _, index, _ in content))
            distinct[frozenset(content)] = len(axon)
        needed = math.ceil(math.log2(largest + 1))
        bits += min(b for b in self.chip.index_bits if b >= needed)
        return sum(list_bits(n, bits) for n in distinct.values())


def check_counts(graph, mapping, chip, bits):
    recount = Recount(graph, mapping, chip, bits)
    for core in mapping.cores:
        assert core.input_axons == recount.input_axons(core)
        assert core.output_axons == recount.output_axons(core)
        assert core.synaptic_memory_bits == recount.memory_bits(core)
        assert core.compartments == math.prod(b - a for a, b in core.ranges)


@pytest.mark.parametrize("seed", range(25))
def test_recount_of_every_core(random_networks, seed):
    source = random_networks(seed)
    network = source.network()
    bits = [source.choice(1, 3, 6, 7, 8) for _ in neuron_layers(network)]
    for chip in (TINY, LOIHI1):
        mapping, problems = map_network(network, chip, weight_bits=bits)
        assert bool(problems) != bool(mapping.cores)
        if mapping.cores:
            names = iter(layer.name for layer in mapping.layers)
            names = [None if n.type == "flatten" else next(names) for n in network.layers]
            check_counts(graph_of(network, names), mapping, chip, [[n] for n in bits])


@pytest.mark.parametrize("seed", range(40))
def test_recount_of_every_core_of_a_graph(seed):
    source = RandomGraphs(seed)
    graph = source.graph()
    bits = [
        [source.choice(1, 3, 6, 7, 8) for _ in population.connections]
        for population in graph.populations.values()
    ]
    for chip in (TINY, ROOMY):
        mapping, problems = map_network(graph, chip, weight_bits=bits)
        assert bool(problems) != bool(mapping.cores)
        if mapping.cores:
            check_counts(graph, mapping, chip, bits)
            for layer, population, row in zip(
                mapping.layers, graph.populations.values(), bits, strict=True
            ):
                assert layer.neurons == population.size
                assert layer.weight_bits == max(map(chip.stored_weight_bits, row), default=0)
                longest = [c.synapses.longest_delay for c in population.connections]
                assert 2**layer.delay_bits > max(longest, default=0)
                assert layer.delay_bits == 0 or 2 ** (layer.delay_bits - 1) <= max(longest)


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
