"""LoihiSimulator of .nir files that are damaged, hostile, changed, or without integers."""

import re

import h5py
import nir
import numpy as np
import pytest
from damage import damaged
from random_graphs import RandomGraphs

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.formats import nir as writer
from keras_slayer.export.formats.nir_integers_reader import read_network
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
)
from keras_slayer.export.network import IntegerNeuron

NEURON = IntegerNeuron(1024, 128, 80)


@pytest.fixture
def path(tmp_path):
    """Nodes input, conv2d (windows), cubalif, flatten, linear (dense), cubalif_1, output."""
    windows = ConvSynapses(np.full((2, 2, 1, 3), 20, np.int16))
    dense = DenseSynapses(np.full((18, 4), 30, np.int16), np.full((18, 4), 2, np.uint8))
    graph = IntegerGraph(
        {"in": (4, 3, 1)},
        {
            "windows": Population((3, 2, 3), NEURON, (Connection("in", windows),)),
            "dense": Population(
                (4,), NEURON, (Connection("windows", dense),), np.arange(4, dtype=np.int32)
            ),
        },
        ("dense",),
    )
    path = tmp_path / "a.nir"
    writer.write(graph, path)
    return path


def put(place, value):
    """Replaces (or with None removes) what lies at ``place`` below node/nodes."""

    def harm(file):
        group = file["node"] if place.startswith("metadata") else file["node/nodes"]
        if place in group:
            del group[place]
        if value is not None:
            group[place] = value

    return harm


def meta(node, field, value):
    return put(f"metadata/nodes/{node}/{field}", value)


HARM = {
    "version": (put("metadata/integers", 2), "graph: 'integers' must be integers from 1 to 1"),
    "no arithmetic": (put("metadata/arithmetic", None), "'arithmetic' must be text"),
    "arithmetic": (put("metadata/arithmetic", "other"), "'arithmetic' must be 'loihi_cuba'"),
    "no digest": (put("metadata/digest", None), "graph: 'digest' must be text in its metadata"),
    "digest": (put("metadata/digest", "0" * 64), "the file was changed after its export"),
    "weights": (
        put("linear/weight", np.zeros((4, 18), np.float32)),
        "the file was changed after its export",
    ),
    "integers": (
        meta("linear", "weight", np.full((18, 4), 32, np.int16)),
        "the file was changed after its export",
    ),
    "no name": (meta("cubalif", "name", None), "node 'cubalif': 'name' must be text"),
    "name of numbers": (meta("input", "name", 3), "'input': 'name' must be text.* int64 of shape"),
    "one name": (meta("cubalif_1", "name", "windows"), "'cubalif_1': 'name' 'windows' is there tw"),
    "input's name": (meta("cubalif", "name", "in"), "'cubalif': 'name' 'in' is there twice"),
    "position": (meta("cubalif", "position", 7), "'position' is 7, expected 0 to 1"),
    "one position": (meta("cubalif_1", "position", 0), "'position' 0 is there twice"),
    "order": (
        lambda file: (
            meta("cubalif", "position", 1)(file),
            meta("cubalif_1", "position", 0)(file),
        ),
        "graph: 'dense': 'windows' does not come before it",
    ),
    "decay": (meta("cubalif", "current_decay", 4097), "'current_decay' must be .* to 4096, found"),
    "negative": (meta("cubalif", "voltage_decay", -1), "from 0 to 4096, found -1"),
    "threshold": (meta("cubalif", "threshold_mantissa", 131072), "to 131071, found 131072"),
    "fraction": (meta("cubalif", "current_decay", 1.5), "of rank 0 .*found float64 of shape"),
    "no decay": (meta("cubalif", "current_decay", None), "'current_decay' .* found nothing"),
    "bias": (meta("cubalif_1", "bias", np.array([1, 2, 3, 4096])), "from -4096 to 4095, found"),
    "bias's shape": (meta("cubalif_1", "bias", np.arange(3)), "graph: 'dense': bias has shape"),
    "shape": (meta("cubalif", "shape", np.array([3, 2, 4])), "'v_threshold' has 18 numbers"),
    "giant": (meta("cubalif", "shape", np.full(3, 1 << 20)), "at most 16777216 in all"),
    "rank": (meta("cubalif", "shape", np.array([9, 2])), r"expected \(neurons,\) or \(height"),
    "input's shape": (
        put("input/shape", np.array([1, 4, 4])),
        "graph: 'windows': weights of shape",
    ),
    "giant input": (put("input/shape", np.array([1 << 40])), "'input': 'shape' must be .* found"),
    "weight": (meta("linear", "weight", np.full((18, 4), 256)), "from -256 to 255, found 256"),
    "weights of floats": (meta("linear", "weight", np.ones((18, 4))), "'weight' must be integers"),
    "weight's shape": (meta("linear", "weight", np.ones((18, 5), int)), "graph: 'dense': weights"),
    "delay": (meta("linear", "delay", np.full((18, 4), 63)), "from 0 to 62, found 63"),
    "delay's shape": (meta("linear", "delay", np.zeros((4, 18), int)), "graph: 'dense': weights"),
    "source": (meta("linear", "source", "x"), "graph: 'dense': 'x' does not come before it"),
    "target": (meta("linear", "target", "x"), r"connections lead to \['x'\], which are not there"),
    "kind": (meta("linear", "synapses", "sparse"), "'synapses' must be dense or conv, not 'spa"),
    "padding": (meta("conv2d", "padding", np.array([0, 1 << 40])), "from 0 to 65536, found"),
    "strides": (meta("conv2d", "strides", np.array([0, 1])), "from 1 to 65536, found 0"),
    "dilation": (meta("conv2d", "dilation", np.array([1])), "'dilation' must be two numbers"),
    "groups": (meta("conv2d", "groups", 0), "'groups' must be integers from 1 to 65536"),
    "groups that split": (meta("conv2d", "groups", 2), "graph: 'windows': weights of shape"),
    "no taps": (
        meta("conv2d", "weight", np.zeros((0, 2, 1, 3), int)),
        r"'weight' has shape \(0, 2, 1, 3\): no side may be 0",
    ),
    "no weight": (meta("conv2d", "weight", None), "'weight' must be .* found nothing"),
    "output": (meta("output", "population", "x"), r"graph: outputs \['x'\] are no populations"),
    "no output": (put("metadata/nodes/output", None), "graph: outputs .* are no populations"),
    "metadata of text": (
        put("metadata/nodes/cubalif", "x"),
        "'cubalif': there must be such a node",
    ),
    "node of text": (put("cubalif", "x"), "'cubalif': there must be such a node"),
    "no nodes": (lambda file: file["node"].pop("nodes"), "graph: the graph must have 1 to 50000"),
    "edges": (
        lambda file: (file["node"].pop("edges"), file["node"].create_dataset("edges", data=[1])),
        "graph: its edges must be pairs of names",
    ),
    "link": (
        lambda file: file["node/nodes"].__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")),
        "a link to elsewhere",
    ),
    "declared only": (
        lambda file: file["node/metadata/nodes/linear"].create_dataset(
            "more", shape=(1 << 40,), dtype="i2", chunks=(8,)
        ),
        "more than 134217728 numbers",
    ),
}


@pytest.mark.parametrize("name", HARM)
def test_files_that_lie(name, path):
    harm, what = HARM[name]
    assert read_network(path).outputs == ("dense",)
    with h5py.File(path, "r+") as file:
        harm(file)
    with pytest.raises(ValueError, match=what) as caught:
        LoihiSimulator(path)
    assert str(path) in str(caught.value)


def test_damaged_files_are_errors_that_name_the_file(path):
    """Cut off, or with bytes changed: an error, or a network like the one before."""
    good = path.read_bytes()
    expected = read_network(path)
    failures = 0
    for data in damaged(good, changes=16):
        path.write_bytes(data)
        try:
            found = read_network(path)
        except ValueError as error:
            failures += 1
            assert str(path) in str(error)
        else:
            for name, population in expected.populations.items():
                (mine,), (other,) = found.populations[name].connections, population.connections
                np.testing.assert_array_equal(mine.synapses.weight, other.synapses.weight)
                assert found.populations[name].neuron == population.neuron
    assert failures > 20


def test_networks_without_integers_are_sent_to_from_nir(tmp_path):
    lif = nir.LIF(np.full(3, 1e-3), np.full(3, 10.0), np.zeros(3), np.ones(3))
    nir.write(tmp_path / "a.nir", nir.NIRGraph.from_list(nir.Linear(np.eye(3)), lif))
    message = f"{tmp_path / 'a.nir'}: no integers of a chip in this NIR graph"
    with pytest.raises(ValueError, match=re.escape(message) + ".*keras_slayer.export.from_nir"):
        LoihiSimulator(tmp_path / "a.nir")


@pytest.mark.parametrize("seed", [2])
def test_what_nir_reads_and_writes_again_is_the_same_network(seed, tmp_path):
    draw = RandomGraphs(seed)
    graph = draw.graph()
    writer.write(graph, tmp_path / "a.nir")
    nir.write(tmp_path / "b.nir", nir.read(tmp_path / "a.nir"))
    assert (tmp_path / "a.nir").read_bytes() != (tmp_path / "b.nir").read_bytes()
    spikes = draw.graph_spikes(graph)
    found, expected = (LoihiSimulator(tmp_path / name).run(spikes) for name in ("a.nir", "b.nir"))
    for mine, other in zip(
        *(x if isinstance(x, list) else [x] for x in (found, expected)), strict=True
    ):
        np.testing.assert_array_equal(mine, other)
