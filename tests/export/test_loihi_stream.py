"""A simulated file in chunks of time gives the spikes of the whole; so does the model."""

import copy
import pickle
import re
from itertools import pairwise

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator

STEPS = 30
CUTS = [0, 1, 1, 2, 9, 25, STEPS]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A model with delays, its file in the simulator, and input of two samples."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((None, 8, 7, 2)),
            ks.SpikingConv2D(4, 3, neuron="loihi"),
            ks.SpikingSumPooling2D(2, neuron="loihi"),
            ks.Flatten(),
            ks.SpikingDense(30, neuron="loihi"),
            ks.DelayLayer(5.0, delay_initializer=keras.initializers.RandomUniform(0, 5)),
            ks.SpikingDense(6, neuron="loihi"),
        ]
    )
    for weight in model.trainable_weights:
        if weight.name == "kernel":
            weight.assign(4 * weight + abs(weight.numpy()).mean())
    path = tmp_path_factory.mktemp("stream") / "net.net"
    model.export_loihi(path)
    random = np.random.default_rng(0)
    spikes = (random.random((2, STEPS, 8, 7, 2)) < 0.15).astype("float32")
    return model, LoihiSimulator(path), spikes


def test_chunks_are_the_whole(network):
    _, simulator, spikes = network
    whole = simulator.run(spikes)
    assert whole.any()
    stream = simulator.stream(batch=np.int64(2))
    for cuts in (CUTS, list(range(STEPS + 1))):
        chunks = [stream(spikes[:, a:b]) for a, b in pairwise(cuts)]
        np.testing.assert_array_equal(np.concatenate(chunks, axis=1), whole)
        assert stream.steps == STEPS
        stream.reset()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_is_refused(copied, network):
    with pytest.raises(TypeError, match=r"SimulatorStream cannot be copied or pickled: .*at rest"):
        copied(network[1].stream())


def test_model_and_chip_step_by_step(network):
    model, simulator, spikes = network
    model_stream, chip = ks.Stream(model), simulator.stream()
    fired = 0
    for t in range(STEPS):
        places = np.flatnonzero(spikes[0, t])
        expected = chip.step(np.random.default_rng(t).permutation([*places, *places[:1]]))
        np.testing.assert_array_equal(model_stream.step(places), expected)
        fired += len(expected)
    assert fired > 0


def test_integers_may_be_of_numpy(network):
    _, simulator, spikes = network
    simulator = LoihiSimulator(simulator.path, threads=np.int64(1))
    found = simulator.stream(batch=np.int32(2))(spikes)
    np.testing.assert_array_equal(found, simulator.run(spikes))


def test_some_samples_begin_again(network):
    _, simulator, spikes = network
    stream = simulator.stream(batch=2)
    first = stream(spikes)
    stream.reset(np.array([False, True]))
    second = stream(spikes)
    np.testing.assert_array_equal(second[1], first[1])
    assert np.any(second[0] != first[0])


def test_it_outlives_its_simulator(network, tmp_path):
    model, simulator, spikes = network
    model.export_loihi(tmp_path / "net.net")
    stream = LoihiSimulator(tmp_path / "net.net").stream(batch=2)
    np.testing.assert_array_equal(stream(spikes), simulator.run(spikes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, x: s.stream(batch=0), "batch must be a positive integer. Received: batch=0"),
        (lambda s, x: s.stream()(x), "The stream has 1 samples: give as many, or make another"),
        (lambda s, x: s.stream(2)(2 * x), "spikes must be 0 or 1"),
        (lambda s, x: s.stream(2)(x[:, :, 1:]), "spikes must be (batch, time, 8, 7, 2)"),
        (lambda s, x: s.stream(2).step([1]), "step() takes a stream of one sample"),
        (lambda s, x: s.stream(batch=True), "batch must be a positive integer. Received: batch=T"),
        (lambda s, x: s.stream().step([112]), "must lie in [0, 111]. Received: 112"),
        (lambda s, x: s.stream().step([5, -1]), "must lie in [0, 111]. Received: -1"),
        (lambda s, x: s.stream().step([2**32]), "in [0, 111]. Received: 4294967296"),
        (lambda s, x: s.stream().step([0.5]), "`index` must be a vector of integers"),
        (lambda s, x: s.stream(2).reset(np.zeros(3, bool)), "booleans of the shape (2,)"),
        (
            lambda s, x: LoihiSimulator(s.path, engine="numpy").stream(),
            "stream() needs engine='native'",
        ),
    ],
)
def test_errors(network, call, message):
    _, simulator, spikes = network
    with pytest.raises(ValueError, match=re.escape(message)):
        call(simulator, spikes)
