"""The mapping of graphs: branches, joins, loops, constant sources; figures by hand."""

import dataclasses
import math
import time

import numpy as np
import pytest
from mapping_cases import NEURON, TINY, cores_of, gesture, mlp, nmnist, place
from mapping_graph_cases import conv, dense, population, residual

from keras_slayer.export.graph import Connection, IntegerGraph, Population, graph_of
from keras_slayer.export.mapping.mapping import NOT_OPTIMAL, map_network
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1
from keras_slayer.export.targets.loihi2 import CHIP as LOIHI2


def list_bytes(synapses, bits):
    """Of one list, of at most 64 synapses."""
    assert synapses <= 64
    return 8 * math.ceil((synapses * bits + 10) / 64)


@pytest.mark.parametrize("network", [gesture, nmnist, lambda: mlp(700, 300, 20)])
def test_a_chain_is_placed_alike_as_a_graph(network):
    network = network()
    layers = [layer for layer in network.layers if layer.type != "flatten"]
    names = iter(f"layer {i}" for i in range(len(layers)))
    names = tuple(None if layer.type == "flatten" else next(names) for layer in network.layers)
    assert place(graph_of(network, names)) == place(network)


def test_axons_and_memory_of_several_connections_add_up():
    populations = {
        "a": population((40,), ("x", dense(30, 40))),
        "b": population((20,), ("x", dense(30, 20)), ("y", dense(7, 20)), ("a", dense(40, 20))),
    }
    graph = IntegerGraph({"x": (30,), "y": (7,)}, populations, ("b",))
    a, b = place(graph).layers
    assert (a.name, a.cores, a.input_axons, a.output_axons) == ("a", 1, 30, 40)
    assert (b.name, b.cores, b.input_axons, b.output_axons) == ("b", 1, 77, 0)
    assert b.memory_bytes == (30 + 7 + 40) * list_bytes(20, 8)


def test_output_axons_add_up_over_targets_and_outputs_take_none():
    populations = {
        "a": population((50,), ("x", dense(3, 50))),
        "b": population((1024 * 2,), ("a", dense(50, 2048))),
        "c": population((5,), ("a", dense(50, 5)), ("b", dense(2048, 5))),
    }
    mapping = place(IntegerGraph({"x": (3,)}, populations, ("a", "b", "c")))
    assert cores_of(mapping) == [1, 2, 1]
    # Of a: to both cores of b and to that of c; of each core of b: its neurons, to c.
    assert [core.output_axons for core in mapping.cores] == [50 * 3, 1024, 1024, 0]


def test_two_connections_between_the_same_populations_count_twice():
    populations = {
        "a": population((8, 8, 2), ("x", conv(3, 2, 2))),
        "b": population((8, 8, 4), ("a", conv(3, 2, 4)), ("a", conv(1, 2, 4))),
    }
    a, b = place(IntegerGraph({"x": (8, 8, 2)}, populations, ("b",))).layers
    assert a.output_axons == 2 * 64 * 2  # two slots for each axon of a pixel
    assert b.input_axons == 2 * 64


def test_a_population_that_feeds_itself():
    loop = ("a", dense(1500, 1500, delay=1))
    populations = {"a": population((1500,), ("x", dense(10, 1500)), loop)}
    mapping = place(IntegerGraph({"x": (10,)}, populations, ("a",)))
    (layer,) = mapping.layers
    # 64 synapses of 9 bits take 10 words, 65 take 11: 1,500 such lists do not fit.
    assert mapping.cores[0].compartments == 63
    assert layer.cores == math.ceil(1500 / 64) == math.ceil(1500 / 63)
    assert {core.input_axons for core in mapping.cores} == {1510}
    for core in mapping.cores:
        assert core.output_axons == core.compartments * layer.cores
    memory = 1500 * list_bytes(63, 9) + 10 * list_bytes(63, 8)
    assert mapping.cores[0].synaptic_memory_bits == 8 * memory
    assert (layer.delay_bits, layer.limited_by) == (1, "synaptic memory")


def test_an_image_that_feeds_itself():
    loop = ("a", conv(3, 4, 4, groups=4))
    populations = {"a": population((16, 16, 4), ("x", conv(1, 1, 4)), loop)}
    chip = dataclasses.replace(LOIHI1, compartments=512)
    mapping = place(IntegerGraph({"x": (16, 16, 1)}, populations, ("a",)), chip)
    assert cores_of(mapping) == [2]
    by_rows = mapping.cores[0].ranges[:2] == ((0, 8), (0, 16))
    by_columns = mapping.cores[0].ranges[:2] == ((0, 16), (0, 8))
    by_channels = mapping.cores[0].ranges[2] == (0, 2)
    assert by_rows + by_columns + by_channels == 1
    pixels = 256 if by_channels else 128
    # The pixels at the cut reach both cores.
    further = 0 if by_channels else 16
    for core in mapping.cores:
        assert core.input_axons == pixels + pixels + further
        assert core.output_axons == 2 * (pixels + further)


def test_neurons_that_only_a_bias_drives():
    populations = {
        "constant": population((1,)),
        "a": population((6, 5, 4), ("x", conv(3, 2, 4)), ("constant", dense(1, 120))),
    }
    graph = IntegerGraph({"x": (6, 5, 2)}, populations, ("a",))
    constant, a = place(graph).layers
    assert (constant.cores, constant.input_axons, constant.memory_bytes) == (1, 0, 0)
    assert (constant.weight_bits, constant.delay_bits, constant.output_axons) == (0, 0, 1)
    assert (a.cores, a.input_axons) == (1, 30 + 1)
    without = {"a": population((6, 5, 4), ("x", conv(3, 2, 4)))}
    (alone,) = place(IntegerGraph({"x": (6, 5, 2)}, without, ("a",))).layers
    # One list of 120 synapses: 64 and 56 of them, without indices.
    assert a.memory_bytes - alone.memory_bytes == list_bytes(64, 8) + list_bytes(56, 8)
    # On TINY a has several cores: the constant neuron reaches each of them.
    constant, a = place(graph, TINY).layers
    assert a.cores > 1 and constant.output_axons == a.cores


def test_a_source_without_connections_is_cut_like_others():
    mapping = place(IntegerGraph({}, {"constant": population((3000,))}, ("constant",)))
    assert cores_of(mapping) == [3]
    assert mapping.layers[0].limited_by == "compartments"
    image = {"constant": population((40, 40, 2))}
    mapping = place(IntegerGraph({}, image, ("constant",)))
    assert cores_of(mapping) == [4]
    assert mapping.cores[0].where.startswith("rows 0-")


def test_channels_are_cut_as_all_connections_want():
    """Groups of 4 and of 6 channels: 12 channels in twos or whole, or as the larger groups are."""
    populations = {
        "a": population((4, 4, 12), ("x", conv(1, 3, 12, 3)), ("y", conv(1, 2, 12, 2))),
    }
    graph = IntegerGraph({"x": (4, 4, 3), "y": (4, 4, 2)}, populations, ("a",))
    for compartments in (192, 96, 64, 32, 16, 8, 4, 2, 1):
        mapping = place(graph, dataclasses.replace(TINY, compartments=compartments))
        for core in mapping.cores:
            start, stop = core.ranges[2]
            for size in (4, 6):
                within = start // size == (stop - 1) // size
                assert within or start % size == stop % size == 0


def test_the_longest_delay_of_all_connections_sets_the_neurons_of_a_core():
    slow, fast = ("x", dense(2, 1000, delay=62)), ("y", dense(3, 1000))
    alone = {"a": population((1000,), fast)}
    assert cores_of(place(IntegerGraph({"y": (3,)}, alone, ("a",)))) == [1]
    both = {"a": population((1000,), fast, slow)}
    mapping = place(IntegerGraph({"x": (2,), "y": (3,)}, both, ("a",)))
    (layer,) = mapping.layers
    assert (layer.cores, layer.delay_bits) == (8, 6)
    assert mapping.cores[0].utilisation.compartments == 125 / 128
    # Only the synapses of the slow connection store delays.
    slow_bytes = 2 * (list_bytes(64, 14) + list_bytes(61, 14))
    fast_bytes = 3 * (list_bytes(64, 8) + list_bytes(61, 8))
    assert layer.max_memory_bytes == slow_bytes + fast_bytes


def test_weight_bits_of_populations_and_of_connections():
    populations = {
        "a": population((64,), ("x", dense(3, 64))),
        "b": population((64,), ("x", dense(3, 64)), ("a", dense(64, 64))),
    }
    graph = IntegerGraph({"x": (3,)}, populations, ("b",))
    a, b = place(graph, weight_bits=[2, (7, 3)]).layers
    assert (a.weight_bits, b.weight_bits) == (2, 8)
    assert a.memory_bytes == 3 * list_bytes(64, 2)
    assert b.memory_bytes == 3 * list_bytes(64, 8) + 64 * list_bytes(64, 3)
    message = r"each of the 2 connections of 'b'. Received: \(7,\)"
    with pytest.raises(ValueError, match=message):
        map_network(graph, LOIHI1, weight_bits=[2, (7,)])
    with pytest.raises(ValueError, match="weight_bits must have one entry for each of the 2"):
        map_network(graph, LOIHI1, weight_bits=[2])
    with pytest.raises(ValueError, match=r"must be 1 to 8 on Loihi 1. Received: weight_bits=9"):
        map_network(graph, LOIHI1, weight_bits=[2, (9, 8)])


def test_names_are_those_of_the_populations():
    graph = IntegerGraph({"x": (3,)}, {"first": population((2,), ("x", dense(3, 2)))}, ("first",))
    assert place(graph).layers[0].name == "first"
    assert place(graph, names=["other"]).layers[0].name == "other"


# Residual networks


@pytest.mark.parametrize("chip", [LOIHI1, LOIHI2])
def test_a_residual_network_of_18_layers_is_placed_within_two_seconds(chip):
    graph = residual()
    assert len(graph.populations) == 1 + 3 * 8 + 2
    start = time.process_time()
    mapping = place(graph, chip)
    assert time.process_time() - start < 2
    assert mapping.assumptions == chip.assumptions
    for layer in mapping.layers:
        assert layer.cores == 1 or layer.limited_by != "layer size"
    # The relay of a block is as large as the layer that it repeats.
    sizes = {layer.name: (layer.neurons, layer.cores) for layer in mapping.layers}
    assert sizes["16/1/relay"] == sizes["16/0"]


def test_output_axons_of_a_branch_can_limit_it():
    """One target alone leaves a on one core; two, of 40 cores each, do not."""
    chip = dataclasses.replace(LOIHI1, compartments=50, output_axons=2100)
    wide = {f"b{i}": population((40 * 50,), ("a", dense(50, 40 * 50))) for i in range(2)}
    populations = {"a": population((50,), ("x", dense(1, 50))), **wide}
    one = {"a": populations["a"], "b0": populations["b0"]}
    assert cores_of(place(IntegerGraph({"x": (1,)}, one, ("b0",)), chip)) == [1, 40]
    mapping = place(IntegerGraph({"x": (1,)}, populations, ("b0", "b1")), chip)
    assert cores_of(mapping) == [2, 40, 40]
    assert mapping.layers[0].limited_by == "output axons"
    assert mapping.cores[0].output_axons == 25 * 80


# What cannot be placed


def test_neurons_that_feed_too_many_of_their_own_cores_are_a_problem():
    chip = dataclasses.replace(LOIHI1, output_axons=99)
    populations = {"a": population((100,), ("x", dense(1, 100)), ("a", dense(100, 100)))}
    graph = IntegerGraph({"x": (1,)}, populations, ("a",))
    (problem,) = map_network(graph, chip)[1]
    assert problem.layer == "a"
    assert problem.what == "its 100 neurons feed each other on too many cores"
    assert problem.limit == "99 output axons per core of Loihi 1"
    assert not map_network(graph, dataclasses.replace(chip, output_axons=100))[1]


def test_the_inputs_of_all_connections_count_for_the_limit():
    populations = {"a": population((5,), ("x", dense(3000, 5)), ("y", dense(2000, 5)))}
    graph = IntegerGraph({"x": (3000,), "y": (2000,)}, populations, ("a",))
    mapping, problems = map_network(graph, LOIHI1)
    assert [problem.what for problem in problems] == ["a neuron needs 5,000 input axons"]
    assert mapping.cores == mapping.layers == ()


def test_too_many_targets_are_named():
    chip = dataclasses.replace(LOIHI1, output_axons=9, compartments=2)
    populations = {
        "a": population((4,), ("x", dense(3, 4))),
        "b": population((10,), ("a", dense(4, 10))),
        "c": population((12,), ("a", dense(4, 12))),
    }
    (problem,) = map_network(IntegerGraph({"x": (3,)}, populations, ("b", "c")), chip)[1]
    assert problem.layer == "a"
    text = "its neurons reach too many cores: 'b' has 10 neurons, 'c' has 12 neurons"
    assert (problem.what, problem.remedy) == (text, "make the layers after it smaller")


def test_a_graph_of_one_population_without_room_says_so_for_images_with_padding():
    """The corner of the image has fewer inputs than the middle, and would fit."""
    graph = IntegerGraph(
        {"x": (5, 5, 1)}, {"a": population((5, 5, 1), ("x", conv(3, 1, 1)))}, ("a",)
    )
    (problem,) = map_network(graph, dataclasses.replace(LOIHI1, input_axons=8))[1]
    assert problem.what == "a neuron needs 9 input axons"


def test_assumptions_say_how_graphs_are_counted():
    text = " ".join(place(residual(8, (2,), 1)).assumptions)
    assert "Where several connections lead to a layer" in text
    assert "A layer that feeds itself" in text
    assert NOT_OPTIMAL not in text


def test_a_bias_takes_no_memory():
    neurons = Population((3,), NEURON, (Connection("x", dense(2, 3)),), np.ones(3, np.int32))
    with_bias = place(IntegerGraph({"x": (2,)}, {"a": neurons}, ("a",)))
    without = dataclasses.replace(neurons, bias=None)
    assert with_bias == place(IntegerGraph({"x": (2,)}, {"a": without}, ("a",)))
