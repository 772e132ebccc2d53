"""The mapping of networks onto cores: published counts, formats, what cannot be placed."""

import dataclasses
import json
import math
import time

import numpy as np
import pytest
from mapping_cases import TINY, conv, cores_of, dense, gesture, mlp, nmnist, place

from keras_slayer.export.mapping.mapping import map_network
from keras_slayer.export.network import (
    IntegerNetwork,
)
from keras_slayer.export.targets import get_target
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1
from keras_slayer.export.targets.loihi2 import CHIP as LOIHI2

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
