"""The mapping of networks onto cores: counted again by brute force, and what must always hold."""

import dataclasses
import itertools
import json
import math
import time

import numpy as np
import pytest

from keras_slayer.export.mapping.conv_tiling import ConvTiling
from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.mapping.placement import Cuts
from keras_slayer.export.mapping.tiling import cores, peak_output_axons
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.targets import get_target
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1
from keras_slayer.export.targets.loihi2 import CHIP as LOIHI2

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


# Published counts


@pytest.mark.parametrize(
    ("sizes", "cores"), [((2312, 512, 10), [11, 1]), ((784, 500, 500, 10), [4, 3, 1])]
)
def test_dense_layers_take_the_cores_that_nengo_loihi_publishes(sizes, cores):
    assert cores_of(place(mlp(*sizes))) == cores


def test_figures_of_the_mlp():
    mapping = place(mlp(2312, 512, 10), names=["hidden", "output"])
    assert (mapping.chip, mapping.cores_per_chip, mapping.chips) == ("Loihi 1", 128, 1)
    hidden, output = mapping.layers
    # 47 synapses of 8 bits and 10 bits of header: 386 bits, 7 words, for each input.
    assert hidden.max_memory_bytes == 2312 * 7 * 8 == 129472
    assert (hidden.name, hidden.neurons, hidden.limited_by) == ("hidden", 512, "synaptic memory")
    assert (hidden.input_axons, hidden.max_input_axons) == (11 * 2312, 2312)
    assert (hidden.output_axons, hidden.max_output_axons) == (512, 47)
    assert (output.output_axons, output.limited_by) == (0, "layer size")
    # The last core has 42 neurons: 346 bits, 6 words.
    words = [7] * 10 + [6]
    assert hidden.memory_bytes == 2312 * sum(words) * 8
    assert hidden.utilisation == pytest.approx(2312 * np.mean(words) / 16384)
    assert [core.where for core in mapping.cores[9:]] == [
        "neurons 423-469",
        "neurons 470-511",
        "neurons 0-9",
    ]
    assert mapping.cores[10].ranges == ((470, 512),)


@pytest.mark.parametrize(
    ("network", "chip", "cores"),
    [
        (gesture, LOIHI1, [4, 16, 4, 8, 5, 9, 1]),
        (gesture, LOIHI2, [4, 2, 1, 1, 5, 9, 1]),
        (nmnist, LOIHI1, [12, 3, 11, 2, 1]),
        (nmnist, LOIHI2, [2, 2, 10, 1, 1]),
    ],
)
def test_convolutional_networks_are_placed_within_two_seconds(network, chip, cores):
    start = time.process_time()
    mapping = place(network(), chip)
    assert time.process_time() - start < 2
    assert cores_of(mapping) == cores


def test_each_resource_can_be_what_limits_a_layer():
    limits = {layer.limited_by for layer in place(gesture()).layers}
    assert limits == {
        "compartments",
        "input axons",
        "output axons",
        "synaptic memory",
        "layer size",
    }


def test_a_large_network_takes_several_chips():
    layers = (conv(3, 2, 64, padding=(1, 1)), conv(3, 64, 64, padding=(1, 1), strides=(2, 2)))
    mapping = place(IntegerNetwork((64, 64, 2), layers))
    assert cores_of(mapping) == [256, 64]
    assert mapping.chips == 3
    assert [(core.chip, core.core_on_chip) for core in mapping.cores[126:130]] == [
        (0, 126),
        (0, 127),
        (1, 0),
        (1, 1),
    ]
    assert [core.index for core in mapping.cores] == list(range(320))


@pytest.mark.parametrize(("cores", "chips"), [(127, 1), (128, 1), (129, 2), (256, 2), (257, 3)])
def test_a_full_chip_needs_no_other(cores, chips):
    mapping = place(mlp(1, 1024 * cores))
    assert (len(mapping.cores), mapping.chips) == (cores, chips)


def test_published_limits_of_the_chips():
    """Davies et al. 2018, and Intel's technology brief of Loihi 2 (2021)."""
    for chip, neurons in ((LOIHI1, 1024), (LOIHI2, 8192)):
        assert (chip.cores, chip.compartments) == (128, neurons)
        assert chip.synaptic_memory_bits == 8 * 128 * 1024
        assert (chip.input_axons, chip.output_axons) == (4096, 4096)
    assert LOIHI2.cores * LOIHI2.compartments == 2**20  # "up to 1 million neurons"


# Formats of synapses


@pytest.mark.parametrize(("bits", "stored"), [(1, 1), (6, 6), (7, 8), (8, 8)])
def test_weights_take_the_next_larger_format(bits, stored):
    layer = place(mlp(300, 64), weight_bits=[bits]).layers[0]
    assert layer.weight_bits == stored
    assert layer.max_memory_bytes == 300 * 8 * math.ceil((64 * stored + 10) / 64)


@pytest.mark.parametrize(
    ("longest", "bits", "room"),
    [(0, 0, 1024), (1, 1, 1024), (7, 3, 1024), (8, 4, 512), (62, 6, 128)],
)
def test_delays_take_memory_and_neurons(longest, bits, room):
    mapping = place(IntegerNetwork((2,), (dense(2, 1024, longest),)))
    (layer,) = mapping.layers
    assert (layer.delay_bits, layer.cores) == (bits, 1024 // room)
    assert mapping.cores[0].compartments == room
    assert mapping.cores[0].utilisation.compartments == 1
    group = 8 * math.ceil((64 * (8 + bits) + 10) / 64)
    assert layer.max_memory_bytes == 2 * room // 64 * group


def test_weights_of_a_convolution_are_stored_once():
    # One neuron per pixel, kernel 1: all 256 pixels share the list, of one synapse for each of 3
    # channels. The axon shifts it to any of the 256 neurons, so the index is always 0.
    layer = place(IntegerNetwork((16, 16, 3), (conv(1, 3, 1),))).layers[0]
    assert (layer.input_axons, layer.memory_bytes) == (256, 8)
    # Four times the neurons, four copies, with indices up to 768: 10 bits.
    layer = place(IntegerNetwork((16, 64, 3), (conv(1, 3, 1),))).layers[0]
    assert (layer.cores, layer.input_axons) == (1, 1024)
    assert layer.memory_bytes == 4 * 8 * math.ceil((3 * (8 + 10) + 10) / 64)


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


def test_the_same_network_is_always_placed_in_the_same_way(random_networks):
    network = random_networks(6).network()
    assert place(network, TINY) == place(network, TINY)
    assert place(gesture()) == place(gesture())


def test_the_mapping_is_ready_for_json():
    mapping = place(nmnist())
    data = json.loads(json.dumps(dataclasses.asdict(mapping)))
    core = data["cores"][16]
    assert core["where"] == "rows 0-10, columns 0-10, channels 6-11"
    assert core["ranges"] == [[0, 11], [0, 11], [6, 12]]
    assert (core["layer"], core["compartments"], core["chip"]) == (2, 11 * 11 * 6, 0)
    assert core["utilisation"]["compartments"] == 11 * 11 * 6 / 1024
    assert sum(layer["neurons"] for layer in data["layers"]) == 10800 + 2700 + 7744 + 1600 + 10
    assert all(text.endswith(".") for text in data["assumptions"])


def test_assumptions_name_what_is_not_published():
    assert any("input takes no core" in text for text in place(nmnist()).assumptions)
    inferred = " ".join(place(nmnist(), LOIHI2).assumptions)
    assert "on Loihi 2 are not published: 4,096 input and 4,096 output axons" in inferred


# What cannot be placed


def test_layers_that_no_core_can_hold_are_problems_by_name():
    network = IntegerNetwork((5000,), (dense(5000, 3), dense(3, 4097), dense(4097, 2)))
    mapping, problems = map_network(network, LOIHI1, names=["wide", "middle", "last"])
    assert mapping.cores == mapping.layers == () and mapping.chips == 0
    assert [(p.layer, p.what) for p in problems] == [
        ("wide", "a neuron needs 5,000 input axons"),
        ("last", "a neuron needs 4,097 input axons"),
    ]
    assert problems[0].limit == "4,096 per core of Loihi 1"


def test_a_neuron_with_more_synapses_than_memory_is_a_problem():
    chip = dataclasses.replace(LOIHI1, synapse_words=1000)
    _, problems = map_network(mlp(1001, 5), chip, names=["dense"])
    assert [problem.what for problem in problems] == ["the synapses of one neuron take 8,008 bytes"]
    assert not map_network(mlp(1000, 5), chip)[1]


def test_delays_that_leave_no_room_for_a_neuron_are_a_problem():
    chip = dataclasses.replace(LOIHI1, delay_slots=32)
    network = IntegerNetwork((2,), (dense(2, 3, 62),))
    (problem,) = map_network(network, chip)[1]
    assert (problem.what, problem.limit) == (
        "its delays take 6 bits",
        "5 bits on a core of Loihi 1",
    )


def test_neurons_that_reach_too_many_cores_are_a_problem():
    chip = dataclasses.replace(LOIHI1, output_axons=9, compartments=2)
    (problem,) = map_network(mlp(3, 4, 20, 2), chip, names=["a", "b", "c"])[1]
    assert problem.layer == "a"
    assert problem.what.startswith("its neurons reach too many cores: the next layer has 20")


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"each of the 2 layers.*Received: names=\['a'\]"):
        map_network(mlp(3, 4, 2), LOIHI1, names=["a"])
    with pytest.raises(ValueError, match=r"weight_bits must have one entry.*Received: .*\[8\]"):
        map_network(mlp(3, 4, 2), LOIHI1, weight_bits=[8])
    with pytest.raises(ValueError, match=r"must be 1 to 8 on Loihi 1. Received: weight_bits=9"):
        map_network(mlp(3, 4), LOIHI1, weight_bits=[9])
    with pytest.raises(ValueError, match=r"must be 1 to 8 on Loihi 1. Received: weight_bits=0"):
        map_network(mlp(3, 4), LOIHI1, weight_bits=[0])


def test_chips_by_name():
    assert get_target("loihi1").chip is LOIHI1 and get_target("loihi2").chip is LOIHI2
    with pytest.raises(ValueError, match=r"one of \('loihi1', 'loihi2'\). Received: chip='loihi3'"):
        get_target("loihi3")
