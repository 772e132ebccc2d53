"""The simulator's engines against each other and against plain Python integers."""

import pickle
import sys

import numpy as np
import plain_loihi
import pytest
from simulator_cases import ALL, ENGINES, single

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.graph import graph_of
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.export.simulation import reference


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_against_plain_integers(seed, random_networks, write_net):
    source = random_networks(seed)
    network = source.network()
    spikes = source.spikes(network, batch=1, steps=15)
    expected = plain_loihi.run_sample(network, spikes.reshape(15, -1).tolist())
    path = write_net(network)
    for engine in ENGINES:
        record = LoihiSimulator(path, engine=engine).record(spikes, ALL)
        for layer, (u, v, s, operations) in zip(record.layers, expected, strict=True):
            assert layer.current.reshape(15, -1).T.tolist() == u
            assert layer.voltage.reshape(15, -1).T.tolist() == v
            assert layer.spikes.reshape(15, -1).T.tolist() == s
            assert layer.synaptic_operations.tolist() == [operations]
            assert layer.spike_counts.tolist() == [sum(map(sum, s))]


@pytest.mark.parametrize("seed", range(100, 160))
def test_native_equals_numpy(seed, random_networks, write_net):
    source = random_networks(seed)
    network = source.network()
    spikes = source.spikes(network, batch=5, steps=80)
    path = write_net(network)
    native, numpy = (LoihiSimulator(path, engine=engine).record(spikes, ALL) for engine in ENGINES)
    np.testing.assert_array_equal(native.spikes, numpy.spikes)
    for mine, other in zip(native.layers, numpy.layers, strict=True):
        assert (mine.index, mine.type) == (other.index, other.type)
        for name in ("spike_counts", "synaptic_operations", *ALL):
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name), err_msg=name)


def test_random_networks_are_lively(random_networks):
    """The comparison above would prove little on silent networks."""
    rates = []
    for seed in range(100, 160):
        source = random_networks(seed)
        network = source.network()
        spikes = {"input": source.spikes(network).astype(np.uint8)}
        runs = [run for _, run in reference.simulate(graph_of(network), spikes)]
        rates.append(runs[-1].spikes.mean())
    assert np.mean([0 < rate < 1 for rate in rates]) > 0.7


@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_that_is_in_no_file(engine, random_networks, write_net):
    source = random_networks(3)
    network = source.network()
    spikes = source.spikes(network)
    simulator = LoihiSimulator.from_network(network, engine=engine)
    assert (simulator.path, simulator.engine) == (None, engine)
    expected = LoihiSimulator(write_net(network)).run(spikes)
    assert expected.sum() > 0
    np.testing.assert_array_equal(simulator.run(spikes), expected)
    with pytest.raises(ValueError, match="Received: engine='fast'"):
        LoihiSimulator.from_network(network, engine="fast")


def test_threads_do_not_change_a_bit(random_networks, write_net):
    source = random_networks(7)
    network = IntegerNetwork((30,), (source.dense(30, 20), source.dense(20, 10)))
    spikes = source.spikes(network, batch=17)
    path = write_net(network)
    one, many = (LoihiSimulator(path, threads=n).record(spikes, ALL) for n in (1, 5))
    np.testing.assert_array_equal(one.spikes, many.spikes)
    for a, b in zip(one.layers, many.layers, strict=True):
        np.testing.assert_array_equal(a.voltage, b.voltage)
        np.testing.assert_array_equal(a.synaptic_operations, b.synaptic_operations)


def test_samples_of_a_batch_do_not_meet(random_networks, write_net):
    source = random_networks(3)
    network = source.network()
    spikes = source.spikes(network, batch=4)
    for engine in ENGINES:
        simulator = LoihiSimulator(write_net(network), engine=engine)
        alone = np.concatenate([simulator.run(sample[None]) for sample in spikes])
        np.testing.assert_array_equal(simulator.run(spikes), alone)


def test_delay_shifts_the_arrival(write_net):
    neuron = IntegerNeuron(4096, 4096, 80)
    layer = IntegerDense(
        np.array([[100, 100, 100]], np.int16), neuron, delay=np.array([[0, 3, 62]], np.uint8)
    )
    path = write_net(IntegerNetwork((1,), (layer,)))
    spikes = np.zeros((1, 70, 1))
    spikes[0, 2] = 1
    for engine in ENGINES:
        out = LoihiSimulator(path, engine=engine).run(spikes)
        assert np.argwhere(out[0]).tolist() == [[3, 0], [6, 1], [65, 2]]


def test_layers_each_take_one_step(write_net):
    relay = IntegerDense(np.array([[100]], np.int16), IntegerNeuron(4096, 4096, 80))
    path = write_net(IntegerNetwork((1,), (relay,) * 4))
    spikes = np.zeros((1, 8, 1))
    spikes[0, 1] = 1
    for engine in ENGINES:
        assert LoihiSimulator(path, engine=engine).run(spikes).ravel().tolist() == [0] * 5 + [
            1,
            0,
            0,
        ]


def test_synaptic_operations_count_weights_that_are_not_zero(write_net):
    # A 1 x 2 kernel [w, 0] on 1 x 3 pixels without padding: pixel 0 meets w once, pixel 1 meets 0
    # and w, pixel 2 meets 0.
    layer = IntegerConv(np.array([8, 0], np.int16).reshape(1, 2, 1, 1), IntegerNeuron(0, 0, 100))
    path = write_net(IntegerNetwork((1, 3, 1), (layer,)))
    spikes = np.zeros((3, 2, 1, 3, 1))
    for sample in range(3):
        spikes[sample, 0, 0, sample] = 1
    for engine in ENGINES:
        (record,) = LoihiSimulator(path, engine=engine).record(spikes).layers
        assert record.synaptic_operations.tolist() == [1, 1, 0]
        # A spike of the last step would arrive after the run.
        (record,) = LoihiSimulator(path, engine=engine).record(spikes[:, ::-1]).layers
        assert record.synaptic_operations.tolist() == [0, 0, 0]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("batch", "steps"), [(0, 5), (2, 0), (2, 1)])
def test_empty_runs(engine, batch, steps, write_net):
    layer = IntegerConv(np.full((2, 2, 1, 3), 100, np.int16), IntegerNeuron(0, 0, 1))
    network = IntegerNetwork((4, 3, 1), (layer, IntegerFlatten()))
    record = LoihiSimulator(write_net(network), engine=engine).record(
        np.ones((batch, steps, 4, 3, 1)), ALL
    )
    assert record.spikes.shape == (batch, steps, 18)
    assert record.spikes.sum() == 0
    assert record.layers[0].voltage.shape == (batch, steps, 3, 2, 3)
    assert record.layers[0].spike_counts.shape == (batch,)


@pytest.mark.parametrize("engine", ENGINES)
def test_only_what_is_probed_is_kept(engine, write_net):
    path = write_net(single([100], IntegerNeuron(0, 0, 1)))
    (layer,) = LoihiSimulator(path, engine=engine).record(np.ones((1, 3, 1)), "voltage").layers
    assert layer.voltage is not None
    assert layer.spikes is None
    assert layer.current is None


def test_accepts_any_dtype(write_net):
    path = write_net(single([100, 50], IntegerNeuron(100, 100, 80)))
    spikes = np.random.default_rng(0).random((2, 20, 2)) < 0.5
    expected = LoihiSimulator(path).run(spikes)
    assert expected.sum() > 0
    for dtype in (np.int8, np.uint64, np.float16, np.float64):
        np.testing.assert_array_equal(LoihiSimulator(path).run(spikes.astype(dtype)), expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [2, -1, 0.5, np.nan, np.inf])
def test_rejects_values_that_are_no_spikes(engine, value, write_net):
    simulator = LoihiSimulator(write_net(single([2], IntegerNeuron(0, 0, 1))), engine=engine)
    with pytest.raises(ValueError, match="spikes must be 0 or 1"):
        simulator.run(np.full((1, 2, 1), value))


@pytest.mark.parametrize("engine", ENGINES)
def test_rejects_wrong_shapes_and_arguments(engine, write_net):
    path = write_net(single([2, 2], IntegerNeuron(0, 0, 1)))
    simulator = LoihiSimulator(path, engine=engine)
    for shape in ((2,), (5, 2), (1, 5, 3), (1, 5, 2, 1)):
        with pytest.raises(ValueError, match=r"must be \(batch, time, 2\)\. Received: spikes of"):
            simulator.run(np.zeros(shape))
    with pytest.raises(ValueError, match=r"Received: probe=\['membrane'\]"):
        simulator.record(np.zeros((1, 5, 2)), "membrane")
    with pytest.raises(ValueError, match="Received: engine='fast'"):
        LoihiSimulator(path, engine="fast")
    for threads in (0, -1, 1.5):
        with pytest.raises(ValueError, match=f"Received: threads={threads}"):
            LoihiSimulator(path, threads=threads)


def test_missing_extension_says_what_to_do(write_net, monkeypatch):
    path = write_net(single([2], IntegerNeuron(0, 0, 1)))
    monkeypatch.setitem(sys.modules, "keras_slayer.export._simulator", None)
    with pytest.raises(ImportError, match=r'pip install -e \..*engine="numpy"'):
        LoihiSimulator(path)
    assert LoihiSimulator(path, engine="numpy").run(np.zeros((1, 2, 1))).shape == (1, 2, 1)


def test_weights_beyond_the_engine_are_refused(write_net):
    # 2^25 / 254 = 132105 inputs of the largest weight are too many for exact arithmetic.
    path = write_net(single([254] * 133_000, IntegerNeuron(0, 0, 1)))
    with pytest.raises(ValueError, match=r"0\.net: layer 0: .* more than 2\^25"):
        LoihiSimulator(path)


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_energy_of_a_run(engine, write_net):
    neuron = IntegerNeuron(4096, 4096, 10)
    layers = (
        IntegerDense(np.full((2, 3), 20, np.int16), neuron),
        IntegerDense(np.array([[20], [0], [20]], np.int16), neuron),
    )
    spikes = np.zeros((2, 6, 2), np.float32)
    spikes[0, 1, 0] = 1  # sample 0: 3 synapses, 3 spikes; then 2 synapses, 1 spike
    network = IntegerNetwork((2,), layers)
    record = LoihiSimulator(write_net(network), engine=engine).record(spikes)
    first, second = record.layers
    assert (first.neurons, first.steps, second.neurons) == (3, 6, 1)
    joules = [3 * 23.6 + 3 * 81 + 15 * 52 + 3 * 1.7, 18 * 52]
    np.testing.assert_allclose(first.energy.total, np.array(joules) * 1e-12)
    joules = [2 * 23.6 + 81 + 5 * 52 + 1.7, 6 * 52]
    np.testing.assert_allclose(second.energy.total, np.array(joules) * 1e-12)
    np.testing.assert_allclose(record.energy, first.energy.total + second.energy.total)


@pytest.mark.parametrize("engine", ENGINES)
def test_it_goes_to_other_processes(engine, random_networks, write_net):
    source = random_networks(0)
    network = source.network()
    spikes = source.spikes(network)
    simulators = (
        LoihiSimulator(write_net(network), engine=engine, threads=2),
        LoihiSimulator.from_network(network, engine=engine),
    )
    for simulator in simulators:
        again = pickle.loads(pickle.dumps(simulator))
        for name in ("path", "engine", "threads", "input_shape", "output_shape"):
            assert getattr(again, name) == getattr(simulator, name)
        np.testing.assert_array_equal(again.run(spikes), simulator.run(spikes))
