"""Graphs of any wiring in .nir: the chip's integers to the bit, and the same spikes in readers."""

import io
import re

import nir
import nir_cycles
import numpy as np
import pytest
from random_graphs import RandomGraphs

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.formats import netx, nir_timing
from keras_slayer.export.formats import nir as writer
from keras_slayer.export.formats.nir_integers_reader import read_network
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    graph_of,
)
from keras_slayer.export.network import IntegerNeuron

MEMORYLESS = IntegerNeuron(4096, 4096, 80)


def dense(source, *rows, delay=None):
    delay = None if delay is None else np.array(delay, np.uint8)
    return Connection(source, DenseSynapses(np.array(rows, np.int16), delay))


def listed(value):
    return value if isinstance(value, list) else [value]


def read(graph):
    return nir.read(io.BytesIO(writer.to_bytes(graph)))


def same(mine, other):
    """Whether all fields of two graphs are equal."""
    if isinstance(mine, np.ndarray):
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)
    elif isinstance(mine, dict):
        assert list(mine) == list(other)
        for name in mine:
            same(mine[name], other[name])
    elif isinstance(mine, tuple) and mine and not isinstance(mine[0], int | str):
        assert len(mine) == len(other)
        for pair in zip(mine, other, strict=True):
            same(*pair)
    elif hasattr(mine, "__dataclass_fields__"):
        assert type(mine) is type(other)
        same(vars(mine), vars(other))
    else:
        assert mine == other


@pytest.mark.parametrize("seed", range(10))
def test_a_file_holds_the_chips_integers(seed, tmp_path):
    draw = RandomGraphs(seed)
    graph = draw.graph()
    path = tmp_path / "network.nir"
    writer.write(graph, path)
    assert path.read_bytes() == writer.to_bytes(graph)
    simulator = LoihiSimulator(path)
    same(simulator.network, graph)
    spikes = draw.graph_spikes(graph, batch=2, steps=30)
    expected = listed(LoihiSimulator.from_network(graph).run(spikes))
    for mine, other in zip(listed(simulator.run(spikes)), expected, strict=True):
        np.testing.assert_array_equal(mine, other)
    stream = simulator.stream(batch=2)
    parts = [listed(stream({name: x[:, part] for name, x in spikes.items()})) for part in HALVES]
    for mine, other in zip(zip(*parts, strict=True), expected, strict=True):
        np.testing.assert_array_equal(np.concatenate(mine, axis=1), other)


HALVES = (slice(0, 13), slice(13, None))


class Exact(RandomGraphs):
    """Graphs whose neurons floating point computes without rounding."""

    def neuron(self):
        return IntegerNeuron(4096, self.choice(0, 4096), int(self.rng.integers(40, 300)))

    def bias(self, size):
        return self.choice(None, None, self.rng.integers(-20, 200, size).astype(np.int32))


@pytest.mark.parametrize("seed", range(1000, 1012))
def test_readers_see_the_same_spikes_earlier(seed):
    """Step t of an output in the file is step t + r of the chip."""
    draw = Exact(seed)
    graph = draw.graph()
    spikes = draw.graph_spikes(graph, batch=1, steps=40)
    record = LoihiSimulator.from_network(graph).record(spikes, ("voltage", "current"))
    assert max(abs(layer.voltage).max() for layer in record.layers) < 2**23 - 1
    found = nir_cycles.run(read(graph), list(spikes.values()))
    ahead = nir_timing.ahead(graph)
    for name, mine, chip in zip(graph.outputs, found, listed(record.spikes), strict=True):
        late = ahead[name]
        assert not chip[:, :late].any()
        mine = mine[:, : 40 - late]
        if mine.shape[2:] != chip.shape[2:]:  # an image behind dense weights
            image = (chip.shape[4], *chip.shape[2:4])
            mine = np.moveaxis(mine.reshape(1, 40 - late, *image), 2, -1)
        np.testing.assert_array_equal(mine, chip[:, late:])


def test_what_readers_see_is_lively_and_late():
    """The comparison above would prove little otherwise."""
    lively, delays, cycles, biased = 0, 0, 0, 0
    for seed in range(1000, 1012):
        draw = Exact(seed)
        graph = draw.graph()
        nodes = writer.to_nir(graph).nodes.values()
        outputs = listed(LoihiSimulator.from_network(graph).run(draw.graph_spikes(graph, 1)))
        lively += any(0 < x.mean() < 1 for x in outputs)
        delays += any(isinstance(node, nir.Delay) for node in nodes)
        cycles += any(c.source == n for n, p in graph.populations.items() for c in p.connections)
        biased += any(getattr(node, "v_leak", np.zeros(1)).any() for node in nodes)
    assert min(lively, delays, cycles, biased) >= 5


def test_delay_nodes_by_hand():
    """A skip past one population is one step late; so is what a bias begins in step 0."""
    one = np.ones(1, np.int32)
    graph = IntegerGraph(
        {"in": (1,)},
        {
            "first": Population((1,), MEMORYLESS, (dense("in", [100], delay=[[4]]),)),
            "sum": Population((1,), MEMORYLESS, (dense("in", [100]), dense("first", [100]))),
            "biased": Population((1,), MEMORYLESS, (dense("sum", [100]),), one),
            "ring": Population(
                (2,),
                MEMORYLESS,
                (
                    dense("sum", [100, 2]),
                    dense("ring", [2, 0], [0, 4]),
                    dense("ring", [2, 2], [4, 0], delay=[[0, 3], [5, 9]]),
                ),
            ),
        },
        ("biased", "ring"),
    )
    assert nir_timing.ahead(graph) == {"in": 0, "first": 5, "sum": 1, "biased": 0, "ring": 2}
    found = writer.to_nir(graph)
    late = {}
    for a, b in found.edges:
        node = found.nodes[b]
        if isinstance(node, nir.Linear):
            delay = found.nodes[a]
            steps = np.round(delay.delay / 1e-4) if isinstance(delay, nir.Delay) else None
            late[b] = None if steps is None else steps.tolist()
    assert late == {
        "linear": None,  # in to first: r(first) takes up its delay
        "linear_1": None,  # in to sum
        "linear_2": [5],  # first to sum: 1 - (1 - 5)
        "linear_3": [2],  # sum to biased: 1 - (0 - 1)
        "linear_4": None,  # sum to ring
        "linear_5": None,  # ring to itself: readers take the step
        "linear_6": [0, 5],  # delays of 0 and 5: the first of each input
        "linear_7": [3, 0],  # a delay of 3; that of 9 has no weight
    }
    weights = [found.nodes[name].weight * 64 for name in ("linear_6", "linear_7")]
    assert [w.tolist() for w in weights] == [[[2, 4], [0, 0]], [[0, 0], [2, 0]]]


def test_a_bias_is_added_to_the_voltage_in_every_step():
    neuron = IntegerNeuron(1024, 1024, 131071)
    bias = np.array([64, -32, 0], np.int32)
    graph = IntegerGraph({"in": (2,)}, {"beat": Population((3,), neuron, (), bias)}, ("beat",))
    node = read(graph).nodes["cubalif"]
    decay = 1e-4 / node.tau_mem
    np.testing.assert_allclose(decay * node.v_leak, [1, -0.5, 0], rtol=1e-12)
    # Without connections it hangs on weights of zero from an input.
    assert dict(writer.to_nir(graph).edges) == {
        "input": "linear",
        "linear": "cubalif",
        "cubalif": "output",
    }
    assert not writer.to_nir(graph).nodes["linear"].weight.any()


def test_what_no_input_leads_to_is_in_a_graph_that_nir_takes(tmp_path):
    """An input that nothing reads, and neurons that their biases and loops alone drive."""
    loop = ConvSynapses(np.full((3, 3, 2, 2), 6, np.int16), padding=(1, 1), delay=1)
    bias = np.array([9, -3], np.int32)
    graph = IntegerGraph(
        {"in": (2, 3, 1)},
        {
            "image": Population((4, 3, 2), MEMORYLESS, (Connection("image", loop),), bias * 9),
            "ring": Population((2,), MEMORYLESS, (dense("ring", [40, 50], [3, 2]),), bias * 10),
        },
        ("image", "ring"),
    )
    path = tmp_path / "a.nir"
    writer.write(graph, path)
    same(LoihiSimulator(path).network, graph)
    spikes = np.zeros((1, 30, 2, 3, 1), np.float32)
    chip = LoihiSimulator(path).run(spikes)
    found = nir_cycles.run(nir.read(path), [spikes])
    found[0] = np.moveaxis(found[0].reshape(1, 30, 2, 4, 3), 2, -1)
    for mine, expected in zip(found, chip, strict=True):
        assert 0.1 < expected.mean() < 0.9
        np.testing.assert_array_equal(mine, expected)


def test_images_behind_dense_weights_are_vectors():
    rng = np.random.default_rng(0)
    full = DenseSynapses((2 * rng.integers(-50, 60, (5, 12))).astype(np.int16))
    windows = ConvSynapses(
        (2 * rng.integers(-50, 60, (2, 1, 2, 3))).astype(np.int16), (1, 2), (1, 0), (2, 1)
    )
    graph = IntegerGraph(
        {"in": (5,)},
        {
            "image": Population((2, 3, 2), MEMORYLESS, (Connection("in", full),)),
            "windows": Population((2, 2, 3), MEMORYLESS, (Connection("image", windows),)),
        },
        ("windows",),
    )
    kinds = [type(node).__name__ for node in writer.to_nir(graph).nodes.values()]
    assert kinds == ["Input", "Linear", "CubaLIF", "Linear", "CubaLIF", "Output"]
    spikes = (rng.random((3, 20, 5)) < 0.5).astype(np.float32)
    chip = LoihiSimulator.from_network(graph).run(spikes)
    (found,) = nir_cycles.run(read(graph), [spikes])
    found = np.moveaxis(found.reshape(3, 20, 3, 2, 2), 2, -1)
    assert chip.any()
    np.testing.assert_array_equal(found[:, :18], chip[:, 2:])


def test_too_many_numbers_are_a_problem(monkeypatch):
    monkeypatch.setattr(writer, "MAX_ELEMENTS", 100)
    delay = np.arange(40, dtype=np.uint8).reshape(4, 10)
    wide = dense("in", *np.full((4, 10), 2), delay=delay)
    graph = IntegerGraph({"in": (4,)}, {"wide": Population((10,), MEMORYLESS, (wide,))}, ("wide",))
    (problem,) = writer.problems(graph)
    assert problem.layer == "wide"
    assert "its weights are 520 numbers" in problem.what
    with pytest.raises(ValueError, match="wide: its weights are 520 numbers"):
        writer.to_bytes(graph)


def test_only_chains_fit_a_net_file():
    two = (dense("in", [2]), dense("in", [4]))
    graph = IntegerGraph(
        {"in": (1,)},
        {
            "ring": Population((1,), MEMORYLESS, (dense("ring", [2]),)),
            "sum": Population((1,), MEMORYLESS, two),
        },
        ("sum",),
    )
    found = netx.problems(graph)
    assert [(p.layer, p.what) for p in found] == [
        ("ring", "its neurons feed each other"),
        ("sum", "2 connections lead to it"),
    ]
    assert {(p.limit, p.remedy) for p in found} == {
        ("only chains fit a .net file", "export to .nir")
    }
    with pytest.raises(ValueError, match=r"2 problems.*\n.*ring: its neurons feed each other"):
        netx.to_bytes(graph)


def test_a_chain_is_the_same_file_either_way(network):
    assert netx.to_bytes(graph_of(network)) == netx.to_bytes(network)
    assert netx.problems(graph_of(network)) == netx.problems(network) == []
    assert writer.to_bytes(graph_of(network)) == writer.to_bytes(network)


def test_other_suffixes_are_refused(tmp_path):
    for name in ("network.h5", "network"):
        message = (
            f"LoihiSimulator takes .net and .nir files.*Received: path={str(tmp_path / name)!r}"
        )
        with pytest.raises(ValueError, match=message):
            LoihiSimulator(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=re.escape("a.nir")):
        read_network(tmp_path / "a.nir")
