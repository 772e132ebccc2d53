"""The arithmetic of the simulator's neurons, in both engines, at the limits of every number."""

import itertools

import numpy as np
import plain_loihi
import pytest
from simulator_cases import ALL, ENGINES, single

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.network import IntegerConv, IntegerNetwork, IntegerNeuron


def test_step_of_the_neuron_by_hand(write_net):
    # z = 100 arrives one step after the spike: u = 6400, v = 6400 > 80 << 6 = 5120: spike, v = 0.
    # Next u = 6400 * 3072 / 4096 = 4800, v = 4800: no spike; then u = 3600,
    # v = 4800 * 3968 / 4096 + 3600 = 4650 + 3600 = 8250: spike.
    path = write_net(single([100], IntegerNeuron(1024, 128, 80)))
    spikes = np.array([1, 0, 0, 0, 0]).reshape(1, 5, 1)
    for engine in ENGINES:
        record = LoihiSimulator(path, engine=engine).record(spikes, ALL)
        (layer,) = record.layers
        assert layer.current.ravel().tolist() == [0, 6400, 4800, 3600, 2700]
        assert layer.voltage.ravel().tolist() == [0, 0, 4800, 0, 2700]
        assert record.spikes.ravel().tolist() == [0, 1, 0, 1, 0]
        assert record.spikes.dtype == np.float32
        assert layer.spike_counts.tolist() == [2]
        assert layer.synaptic_operations.tolist() == [1]


def test_threshold_is_strict(write_net):
    spikes = np.array([1, 0, 0]).reshape(1, 3, 1)
    for weight, fires in ((80, 0), (82, 1)):
        path = write_net(single([weight], IntegerNeuron(4096, 4096, 80)))
        for engine in ENGINES:
            assert LoihiSimulator(path, engine=engine).run(spikes).sum() == fires


def extreme_networks():
    """Single neurons whose u wraps and whose v clips, at the limits of every parameter."""
    for current_decay in (0, 1, 2048, 4096):
        for voltage_decay in (0, 1, 4096):
            for threshold in (0, 1, 131070, 131071):
                neuron = IntegerNeuron(current_decay, voltage_decay, threshold)
                yield neuron, [254] * 500, None
                yield neuron, [254] + [-256] * 500, None
                yield neuron, [254, -256], 4095
                yield neuron, [254, -256], -4096


def test_extreme_parameters_against_plain_integers(write_net):
    wrapped = clipped = fired = 0
    rng = np.random.default_rng(0)
    for neuron, weights, bias in extreme_networks():
        network = single(weights, neuron, bias)
        spikes = (rng.random((1, 150, len(weights))) < 0.7).astype(np.float32)
        sums = [0] + [int(s @ weights) for s in spikes[0, :-1].astype(int)]
        u, v, s = plain_loihi.run_neuron(sums, neuron, bias or 0)
        path = write_net(network)
        for engine in ENGINES:
            record = LoihiSimulator(path, engine=engine).record(spikes, ALL)
            assert record.layers[0].current.ravel().tolist() == u
            assert record.layers[0].voltage.ravel().tolist() == v
            assert record.spikes.ravel().tolist() == s
        wrapped += any(a * b < 0 and abs(a - b) > 2**23 for a, b in itertools.pairwise(u))
        clipped += any(abs(x) == 2**23 - 1 for x in v)
        fired += any(s)
    # The cases are worth their name only if all of this happened.
    assert min(wrapped, clipped, fired) > 10


def test_sums_beyond_the_chip_wrap_once_as_specified(write_net):
    # 3000 weights of 254: z = 762000, z << 6 = 2.9 * 2^24. One wrap leaves u far out of 24 bits.
    neuron = IntegerNeuron(0, 4096, 131071)
    spikes = np.ones((1, 6, 3000), np.float32)
    path = write_net(single([254] * 3000, neuron))
    u, v, s = plain_loihi.run_neuron([0] + [762000] * 5, neuron)
    assert u[-1] == 5 * (762000 * 64 - 2**24) > 2**26
    for engine in ENGINES:
        (layer,) = LoihiSimulator(path, engine=engine).record(spikes, ALL).layers
        assert layer.current.ravel().tolist() == u
        assert layer.voltage.ravel().tolist() == v
        assert layer.spikes.ravel().tolist() == s


def test_sums_of_a_convolution_count_all_its_taps(write_net):
    """Sums beyond 2^18 need 64 bits, also where the last tap adds nothing to them."""
    neuron = IntegerNeuron(0, 4096, 131071)
    weight = np.zeros((1, 2, 20_000, 1), np.int16)
    weight[0, 0] = 254
    network = IntegerNetwork((1, 2, 20_000), (IntegerConv(weight, neuron),))
    path = write_net(network)
    spikes = np.ones((1, 12, 1, 2, 20_000), np.float32)
    u, v, s = plain_loihi.run_neuron([0] + [254 * 20_000] * 11, neuron)
    assert u[-1] > 2**31
    for engine in ENGINES:
        (layer,) = LoihiSimulator(path, engine=engine).record(spikes, ALL).layers
        assert layer.current.ravel().tolist() == u
        assert layer.voltage.ravel().tolist() == v
        assert layer.spikes.ravel().tolist() == s


@pytest.mark.parametrize("silent", [0, 2000], ids=["32 bits", "64 bits"])
@pytest.mark.parametrize("weights", [[-256] * 512, [254] * 516 + [8]], ids=["lower", "upper"])
def test_current_at_the_ends_of_its_range(weights, silent, write_net):
    """-2^23 wraps to 2^23, and 2^23 stays: 24 bits hold only one of them."""
    neuron = IntegerNeuron(4096, 4096, 131071)
    path = write_net(single([*weights, *[254] * (1 + silent)], neuron))
    spikes = np.zeros((1, 3, len(weights) + 1 + silent))
    spikes[0, 0, : len(weights)] = 1
    assert abs(sum(weights)) == 2**17
    u, v, s = plain_loihi.run_neuron([0, sum(weights), 0], neuron)
    assert u == [0, 2**23, 0]
    for engine in ENGINES:
        (layer,) = LoihiSimulator(path, engine=engine).record(spikes, ALL).layers
        assert layer.current.ravel().tolist() == u
        assert layer.voltage.ravel().tolist() == v
        assert layer.spikes.ravel().tolist() == s
