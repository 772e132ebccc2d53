"""Networks of any wiring: engines, streams and plain Python integers agree to the bit."""

import re
from itertools import pairwise

import numpy as np
import plain_loihi
import pytest
from random_graphs import RandomGraphs
from simulator_cases import ALL, ENGINES

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.graph import Connection, DenseSynapses, IntegerGraph, Population
from keras_slayer.export.network import IntegerNeuron

RELAY = IntegerNeuron(4096, 4096, 80)


def dense(source, *rows, delay=None):
    delay = None if delay is None else np.array(delay, np.uint8)
    return Connection(source, DenseSynapses(np.array(rows, np.int16), delay))


def listed(value):
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_against_plain_integers(seed):
    draw = RandomGraphs(seed)
    graph = draw.graph()
    steps = 15
    spikes = draw.graph_spikes(graph, batch=1, steps=steps)
    expected = plain_loihi.run_graph(
        graph, {name: x.reshape(steps, -1).astype(int).tolist() for name, x in spikes.items()}
    )
    for engine in ENGINES:
        record = LoihiSimulator.from_network(graph, engine=engine).record(spikes, ALL)
        assert [layer.name for layer in record.layers] == list(graph.populations)
        for layer in record.layers:
            u, v, s, operations = expected[layer.name]
            assert layer.current.reshape(steps, -1).T.tolist() == u
            assert layer.voltage.reshape(steps, -1).T.tolist() == v
            assert layer.spikes.reshape(steps, -1).T.tolist() == s
            assert layer.synaptic_operations.tolist() == [operations]
            assert layer.spike_counts.tolist() == [sum(map(sum, s))]
        for name, output in zip(graph.outputs, listed(record.spikes), strict=True):
            assert output.reshape(steps, -1).T.tolist() == expected[name][2]


@pytest.mark.parametrize("seed", range(100, 160))
def test_native_equals_numpy(seed):
    draw = RandomGraphs(seed)
    graph = draw.graph()
    spikes = draw.graph_spikes(graph, batch=3, steps=70)
    native, numpy = (
        LoihiSimulator.from_network(graph, engine=engine).record(spikes, ALL) for engine in ENGINES
    )
    for mine, other in zip(listed(native.spikes), listed(numpy.spikes), strict=True):
        np.testing.assert_array_equal(mine, other)
    for mine, other in zip(native.layers, numpy.layers, strict=True):
        assert (mine.name, mine.index, mine.type) == (other.name, other.index, other.type)
        for name in ("spike_counts", "synaptic_operations", *ALL):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name), err_msg=name)


def test_random_graphs_have_everything_and_are_lively():
    """The comparisons would prove little otherwise."""
    found, live, outputs = set(), 0, 0
    for seed in range(100, 160):
        draw = RandomGraphs(seed)
        graph = draw.graph()
        record = LoihiSimulator.from_network(graph).record(draw.graph_spikes(graph), "spikes")
        outputs += len(record.layers)
        live += sum(0 < layer.spikes.mean() < 1 for layer in record.layers)
        found.add(f"{len(graph.inputs)} inputs")
        found.add(f"{min(len(graph.outputs), 2)} outputs")
        reads = [c.source for p in graph.populations.values() for c in p.connections]
        for layer, (name, population) in zip(record.layers, graph.populations.items(), strict=True):
            sources = [c.source for c in population.connections]
            kinds = {type(c.synapses).__name__[:4] for c in population.connections}
            own = [c.synapses for c in population.connections if c.source == name]
            found |= {f"{len(sources)} sources", layer.type}
            found |= {f"loop {type(each).__name__} {each.longest_delay > 0}" for each in own}
            found.add(f"{len(kinds)} kinds")
            if len(set(sources)) < len(sources):
                found.add("twice from one source")
            if reads.count(name) > 1:
                found.add("branch")
    assert found >= {"1 inputs", "2 inputs", "1 outputs", "2 outputs", "branch"}
    assert found >= {"0 sources", "1 sources", "2 sources", "3 sources", "twice from one source"}
    assert found >= {"source", "dense", "conv", "mixed"}
    kinds = ("DenseSynapses", "ConvSynapses")
    assert found >= {f"loop {kind} {late}" for kind in kinds for late in (False, True)}
    assert live > 0.7 * outputs


@pytest.mark.parametrize("seed", range(200, 215))
def test_streams_cut_anywhere(seed):
    draw = RandomGraphs(seed)
    graph = draw.graph()
    spikes = draw.graph_spikes(graph, batch=2, steps=40)
    simulator = LoihiSimulator.from_network(graph, threads=2)
    whole = listed(simulator.run(spikes))
    stream = simulator.stream(batch=2)
    cuts = [0, *sorted(draw.rng.integers(0, 41, 5).tolist()), 40]
    for cut in (cuts, range(41)):
        chunks = [
            listed(stream({name: x[:, a:b] for name, x in spikes.items()}))
            for a, b in pairwise(cut)
        ]
        for mine, expected in zip(zip(*chunks, strict=True), whole, strict=True):
            np.testing.assert_array_equal(np.concatenate(mine, axis=1), expected)
        stream.reset()


def test_single_steps_of_a_recurrent_network():
    rng = np.random.default_rng(0)
    weight = (2 * rng.integers(-60, 60, (6, 6))).astype(np.int16)
    delay = rng.integers(0, 9, (6, 6)).astype(np.uint8)
    ring = Population(
        (6,),
        IntegerNeuron(2000, 900, 60),
        (dense("in", *np.eye(6, dtype=int) * 120), dense("ring", *weight, delay=delay)),
    )
    graph = IntegerGraph({"in": (6,)}, {"ring": ring}, ("ring",))
    spikes = (rng.random((1, 60, 6)) < 0.1).astype(np.float32)
    simulator = LoihiSimulator.from_network(graph)
    stream = simulator.stream()
    found = np.zeros((1, 60, 6))
    for t in range(60):
        found[0, t, stream.step(np.flatnonzero(spikes[0, t]))] = 1
    assert found.sum() > spikes.sum()
    np.testing.assert_array_equal(found, simulator.run(spikes))


def test_a_loop_takes_one_step_and_its_delay():
    ring = Population((1,), RELAY, (dense("in", [100]), dense("ring", [100], delay=[[2]])))
    graph = IntegerGraph({"in": (1,)}, {"ring": ring}, ("ring",))
    spikes = np.zeros((1, 12, 1))
    spikes[0, 1] = 1
    for engine in ENGINES:
        record = LoihiSimulator.from_network(graph, engine=engine).record(spikes)
        assert np.flatnonzero(record.spikes).tolist() == [2, 5, 8, 11]
        # The spike of the last step would arrive after the run.
        assert record.layers[0].synaptic_operations.tolist() == [4]


def test_inputs_and_outputs_as_lists_and_dicts():
    graph = IntegerGraph(
        {"left": (1,), "right": (2,)},
        {
            "sum": Population((1,), RELAY, (dense("left", [50]), dense("right", [50], [0]))),
            "beat": Population((2,), RELAY, (), np.array([81, 0], np.int32)),
        },
        ("beat", "sum"),
    )
    left, right = np.zeros((1, 4, 1)), np.zeros((1, 4, 2))
    left[0, :2] = right[0, 1] = 1
    for engine in ENGINES:
        simulator = LoihiSimulator.from_network(graph, engine=engine)
        assert simulator.input_shape == [(1,), (2,)]
        assert simulator.output_shape == [(2,), (1,)]
        for spikes in ([left, right], (left, right), {"right": right, "left": left}):
            beat, both = simulator.run(spikes)
            assert both.ravel().tolist() == [0, 0, 1, 0]
            assert beat[0].tolist() == [[1, 0]] * 4
    stream = LoihiSimulator.from_network(graph).stream()
    assert [len(listed(stream([left[:, :2], right[:, :2]])))] == [2]


def wide():
    """Two connections whose sums need 64 bits only together."""
    weight = np.full((800, 1), 254, np.int16)
    neuron = IntegerNeuron(0, 4096, 131071)
    connections = tuple(Connection(name, DenseSynapses(weight)) for name in ("a", "b"))
    return IntegerGraph(
        {"a": (800,), "b": (800,)}, {"sum": Population((1,), neuron, connections)}, ("sum",)
    )


def test_sums_add_up_over_connections():
    graph = wide()
    spikes = dict.fromkeys("ab", np.ones((1, 400, 800)))
    u, v, s = plain_loihi.run_neuron([0] + [1600 * 254] * 399, graph.populations["sum"].neuron)
    assert max(u) > 2**31
    for engine in ENGINES:
        (layer,) = LoihiSimulator.from_network(graph, engine=engine).record(spikes, ALL).layers
        assert layer.current.ravel().tolist() == u
        assert layer.voltage.ravel().tolist() == v
        assert layer.spikes.ravel().tolist() == s
        assert layer.synaptic_operations.tolist() == [399 * 1600]


def test_weights_of_all_connections_beyond_the_engine_are_refused():
    weight = np.full((70_000, 1), 254, np.int16)
    connection = Connection("in", DenseSynapses(weight))
    graph = IntegerGraph(
        {"in": (70_000,)}, {"sum": Population((1,), RELAY, (connection,) * 2)}, ("sum",)
    )
    with pytest.raises(ValueError, match=r"^sum: the weights .* add up to 35560000, more than"):
        LoihiSimulator.from_network(graph)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, a, b: s.run(a), "a list of 2 arrays, or a dict, for the inputs ['a', 'b']"),
        (lambda s, a, b: s.run([a]), "Received: list of length 1"),
        (lambda s, a, b: s.run({"a": a}), "spikes must be given for ['a', 'b']. Received: ['a']"),
        (lambda s, a, b: s.run([a, b[..., 1:]]), "b: spikes must be (batch, time, 800)"),
        (lambda s, a, b: s.run([a, 2 * b]), "b: spikes must be 0 or 1"),
        (
            lambda s, a, b: s.run([a, b[:, 1:]]),
            "the same batch and time. Received: {'a': (1, 3), 'b': (1, 2)}",
        ),
        (
            lambda s, a, b: s.stream().step([1]),
            "step() takes a network of one input and one output: give chunks of one step. "
            "Received: input_shape=[(800,), (800,)], output_shape=(1,)",
        ),
        (lambda s, a, b: s.stream(2)([a, b]), "The stream has 2 samples"),
        (
            lambda s, a, b: LoihiSimulator.from_network(
                IntegerGraph({}, {"x": Population((1,), RELAY, (), np.ones(1, np.int32))}, ("x",))
            ),
            "the network has no input, which gives the number of steps",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(LoihiSimulator.from_network(wide()), *np.ones((2, 1, 3, 800)))
