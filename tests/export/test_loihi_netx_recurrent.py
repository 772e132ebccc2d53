"""Recurrent layers of lava-dl in a ``.net`` file: their loop takes one step."""

import re
from itertools import pairwise

import numpy as np
import plain_loihi
import pytest
from netx_cases import cells, dense, even
from simulator_cases import ALL, ENGINES

from keras_slayer.export import LoihiSimulator, from_net, read_net, write_flat
from keras_slayer.export.graph import IntegerGraph


def recurrent(weight, own, **more):
    return dense(weight, **{"type": "dense_rec", "weight_rec": own, **cells(), **more})


def lively(rng, outputs, inputs):
    """A layer that keeps itself going, but not every neuron in every step."""
    own = (2 * rng.integers(-60, 30, (outputs, outputs))).astype(np.int16)
    return recurrent((2 * rng.integers(-30, 40, (outputs, inputs))).astype(np.int16), own)


def spikes_for(rng, *shape):
    return (rng.random((2, 40, *shape)) < 0.2).astype(np.float32)


def test_what_is_sent_arrives_in_the_next_step(write_layers):
    """From the input to neuron 0, from there to neuron 1, and back."""
    ring = recurrent([[100], [0]], [[0, 100], [100, 0]], **cells(4096, 4096, 80))
    path = write_layers(ring)
    spikes = np.zeros((1, 8, 1))
    spikes[0, 1] = 1
    for engine in ENGINES:
        out = LoihiSimulator(path, engine=engine).run(spikes)[0]
        assert np.flatnonzero(out[:, 0]).tolist() == [2, 4, 6]
        assert np.flatnonzero(out[:, 1]).tolist() == [3, 5, 7]


@pytest.mark.parametrize("seed", range(4))
def test_engines_and_streams_against_plain_integers(seed, write_layers):
    """Two recurrent layers with one without between, after an image; one has biases."""
    rng = np.random.default_rng(seed)
    first = lively(rng, 9, 2 * 3 * 4) | {"bias": rng.integers(-30, 60, 9)}
    path = write_layers(
        {"type": "input", "shape": [2, 3, 4]},
        {"type": "flatten"},
        first,
        dense(even(rng, 7, 9), **cells()),
        lively(rng, 6, 7),
    )
    graph = read_net(path)
    assert isinstance(graph, IntegerGraph)
    assert list(graph.populations) == ["layer 1", "layer 2", "layer 3"]
    own, other = (graph.populations["layer 1"].connections[i].synapses.weight for i in (1, 0))
    np.testing.assert_array_equal(own, first["weight_rec"].T)
    image = first["weight"].reshape(9, 2, 3, 4).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(other, image.reshape(24, 9))
    spikes = spikes_for(rng, 3, 4, 2)
    for sample in spikes:
        expected = plain_loihi.run_graph(graph, {"input": sample.reshape(40, 24).astype(int)})
        for engine in ENGINES:
            record = LoihiSimulator(path, engine=engine).record(sample[None], ALL)
            for layer in record.layers:
                u, v, s, operations = expected[layer.name]
                assert layer.current[0].T.tolist() == u
                assert layer.voltage[0].T.tolist() == v
                assert layer.spikes[0].T.tolist() == s
                assert layer.synaptic_operations.tolist() == [operations]
    simulator = LoihiSimulator(path)
    whole, stream = simulator.run(spikes), simulator.stream(batch=2)
    assert 0.02 < whole.mean() < 0.9
    cuts = [0, *sorted(rng.integers(0, 41, 5).tolist()), 40]
    chunks = [stream(spikes[:, a:b]) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), whole)


def test_delays_of_zero_are_none(write_layers):
    layer = lively(np.random.default_rng(0), 5, 3)
    spikes = spikes_for(np.random.default_rng(1), 3)
    expected = LoihiSimulator(write_layers(layer)).run(spikes)
    for delay in (np.zeros(5, np.float32), 0):
        found = LoihiSimulator(write_layers(layer | {"delay": delay})).run(spikes)
        np.testing.assert_array_equal(found, expected)


def test_a_model_has_another_loop(write_layers):
    layer = lively(np.random.default_rng(0), 5, 3)
    path = write_layers(layer)
    message = (
        "layer 0: its neurons feed each other 1 step later; allowed: two steps, as those of "
        "SpikingRecurrentDense do; to do: run the file in LoihiSimulator"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        from_net(path)
    path = write_layers(layer | {"weight_rec": np.zeros((5, 5))})  # no loop in fact
    spikes = spikes_for(np.random.default_rng(1), 3)
    out = from_net(path).predict(spikes, verbose=0)
    assert out.sum() > 0
    np.testing.assert_array_equal(out, LoihiSimulator(path).run(spikes))


def test_it_goes_into_the_file_for_programs_in_cpp(write_layers, tmp_path):
    path = write_layers(lively(np.random.default_rng(0), 5, 3))
    write_flat(path, tmp_path / "from_path.flat")
    write_flat(read_net(path), tmp_path / "from_graph.flat")
    first, second = ((tmp_path / f"from_{w}.flat").read_bytes() for w in ("path", "graph"))
    assert first == second


POSITIVE, MIXED = [[2, 64]], [[-256, 254]]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"weight": POSITIVE}, "'weight_rec' is missing"),
        (recurrent(POSITIVE, [2]), r"'weight_rec' has shape \(1,\), expected \(1, 1\)"),
        (recurrent(POSITIVE, [[256]]), "'weight_rec' must hold integers from -256 to 255"),
        (recurrent([[255, 0]], [[-2]]), "'weight' and 'weight_rec' of both signs from -2 to 255"),
        (recurrent([[-2, 0]], [[-4]]), "'weight' and 'weight_rec' have no positive value"),
        (recurrent([[2, 100]], [[-128]]), "'weight_rec' has no positive value, .* one, -128, is"),
        (recurrent([[-256, 0]], [[254]]), "'weight' has no positive value, .* one, -256, is"),
        (recurrent(MIXED, [[4]], delay=[1.0]), "'delay' of a recurrent layer is one of its"),
        (recurrent(MIXED, [[4]], delay=[0, 0, 0]), r"'delay' has shape \(3,\), expected"),
        (recurrent([[[2]]], [[4]]), r"'weight' has shape \(1, 1, 1\), expected"),
    ],
)
def test_refused(layer, message, write_layers):
    layer = {"type": "dense_rec", "shape": [1], **cells()} | layer
    with pytest.raises(ValueError, match="layers.net: layer 0: " + message):
        LoihiSimulator(write_layers(layer))


@pytest.mark.parametrize(
    "layer",
    [
        recurrent([[2, 128]], [[-128]]),  # scaled by 1, not 2
        recurrent([[2, 100]], [[-126]]),
        recurrent(MIXED, [[-128]]),
        recurrent([[0, 0]], [[0]]),
        recurrent([[1, 255]], [[3]]),
    ],
)
def test_weights_that_the_loader_keeps_are_read(layer, write_layers):
    (population,) = read_net(write_layers(layer)).populations.values()
    weights = [connection.synapses.weight for connection in population.connections]
    assert weights[0].tolist() == np.transpose(layer["weight"]).tolist()
    assert weights[1].tolist() == layer["weight_rec"]
