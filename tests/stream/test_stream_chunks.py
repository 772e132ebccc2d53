"""A Stream gives the spikes of the whole, whatever the chunks."""

import copy
import pickle
from itertools import pairwise

import keras
import numpy as np
import pytest
from stream_cases import CUTS, STEPS, excitable, image_network, sequential, spikes

import keras_slayer as ks


@pytest.fixture(scope="module")
def network():
    return ks.Stream(image_network())


@pytest.fixture
def stream(network):
    network.reset()
    return network


def through(stream, recording, cuts):
    return np.concatenate([stream(recording[:, a:b]) for a, b in pairwise(cuts)], axis=1)


@pytest.mark.parametrize("neuron", ["srm", "cuba", "loihi", "alif", "rf"])
def test_chunks_are_the_whole(neuron):
    model, recording = image_network(neuron), spikes(9, 8, 2)
    stream = ks.Stream(model)
    whole = stream(recording)
    assert np.any(whole) and stream.steps == STEPS
    stream.reset()
    np.testing.assert_array_equal(through(stream, recording, CUTS), whole)
    stream.reset()
    np.testing.assert_array_equal(through(stream, recording, list(range(STEPS + 1))), whole)


def test_the_whole_is_what_the_model_gives():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((None, 70)), ks.SpikingDense(80, neuron="cuba"), ks.SpikingDense(5)]
    )
    recording = spikes(70, density=0.03)
    expected = excitable(model)(recording)
    assert np.any(expected)
    np.testing.assert_array_equal(through(ks.Stream(model), recording, CUTS), expected)


def test_the_reference_streams_too(monkeypatch):
    from keras_slayer.ops import library

    monkeypatch.setattr(library, "native", lambda: None)
    layers = [ks.SpikingDense(9, neuron="cuba"), ks.DelayLayer(2.0), ks.WinnerTakeAll()]
    stream = ks.Stream(excitable(sequential(*layers, ks.SpikingDense(3, neuron="loihi"))))
    recording = spikes(6, density=0.3)
    whole = stream(recording)
    assert np.any(whole)
    stream.reset()
    np.testing.assert_array_equal(through(stream, recording, [0, 5, 5, STEPS]), whole)


def test_some_samples_begin_again(stream):
    recording = spikes(9, 8, 2)
    first = stream(recording).numpy()
    stream.reset(np.array([True, False]))
    second = stream(recording).numpy()
    np.testing.assert_array_equal(second[0], first[0])
    assert np.any(second[1] != first[1])
    stream.reset()
    np.testing.assert_array_equal(stream(recording[:1]), first[:1])  # another batch size


def test_a_state_is_saved_and_restored(stream, tmp_path):
    recording = spikes(9, 8, 2)
    assert stream.state == {}
    stream(recording[:, :9])
    np.savez(tmp_path / "state.npz", **stream.state)
    rest = stream(recording[:, 9:])
    other = ks.Stream(stream.model)
    other.state = dict(np.load(tmp_path / "state.npz"))
    np.testing.assert_array_equal(other(recording[:, 9:]), rest)
    assert all(type(array) is np.ndarray for array in other.state.values())
    other.state = {}
    assert other.batch_size is None


def test_states_do_not_grow(stream):
    chunk = spikes(9, 8, 2)
    stream(chunk)
    sizes = {name: state.shape for name, state in stream.state.items()}
    assert len(sizes) == 12  # the shared layer has two
    for _ in range(3):
        stream(chunk)
    assert {name: state.shape for name, state in stream.state.items()} == sizes


def test_training_goes_on():
    """The stream takes the weights as they are, and delays that became longer."""
    model, recording = image_network(), spikes(9, 8, 2)
    stream = ks.Stream(model)
    stream(recording[:, :9])
    for layer in model.layers:
        if isinstance(layer, ks.DelayLayer):
            layer.delay.assign(layer.delay + 3.0)
    after = stream(recording[:, 9:]).numpy()
    assert after.shape[1] == STEPS - 9
    changed = ks.Stream(model)
    changed(recording[:, :9])
    assert stream.state.keys() == changed.state.keys()


def test_no_samples(stream):
    """A batch of none has states of none, for all layers."""
    nothing = spikes(9, 8, 2)[:0]
    for _ in range(2):
        assert stream(nothing).shape == (0, STEPS, 6)
        stream.state = state = stream.state
        assert all(len(array) == 0 for array in state.values())
    layers = [ks.SpikingRecurrentDense(3, "alif"), ks.TemporalFilter("cuba")]
    recurrent = ks.Stream(sequential(*layers))
    assert recurrent(spikes(6)[:0]).shape == (0, STEPS, 3)
    image = keras.Sequential([keras.Input((9, 4, 4, 1)), ks.SpikingRecurrentConv2D(2, 3)])
    assert ks.Stream(image)(np.zeros((0, 9, 4, 4, 1))).shape == (0, 9, 2, 2, 2)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_goes_on_by_itself(copied):
    model = excitable(sequential(ks.SpikingDense(9), ks.DelayLayer(2.0), ks.SpikingDense(3)))
    recording = spikes(6, batch=1, density=0.3)
    whole, stream = ks.Stream(model)(recording), ks.Stream(model)
    assert np.any(whole[:, 5:])
    assert copied(stream).steps == 0
    stream(recording[:, :4])
    for frame in recording[0, 4:5]:
        stream.step(np.flatnonzero(frame))
    other = copied(stream)
    assert (other.steps, other.batch_size) == (5, 1)
    np.testing.assert_array_equal(other(recording[:, 5:]), whole[:, 5:])
    assert stream.steps == 5
    np.testing.assert_array_equal(stream(recording[:, 5:]), whole[:, 5:])
