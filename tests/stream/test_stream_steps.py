"""Single steps, from events to events, give the spikes of the whole."""

import re

import keras
import numpy as np
import pytest
from own_neuron_cases import Least, TwinOfALIF
from stream_cases import STEPS, chain, excitable, image_network, spikes

import keras_slayer as ks


@pytest.mark.parametrize("neuron", ["srm", "cuba", "loihi", "alif", "rf"])
def test_single_steps_are_the_whole(neuron):
    """Mixed with chunks, with events in any order, and named twice."""
    recording = spikes(9, 8, 2, batch=1, density=0.2)
    stream = ks.Stream(chain(neuron))
    whole = stream(recording).numpy()
    assert whole.any()
    stream.reset()
    random = np.random.default_rng(0)
    for t in range(STEPS):
        if t in (7, 8, 15):
            (found,) = np.nonzero(stream(recording[:, t : t + 1]).numpy().ravel())
        else:
            places = np.flatnonzero(recording[0, t])
            found = stream.step(random.permutation([*places, *places[:2]]))
        np.testing.assert_array_equal(found, np.flatnonzero(whole[0, t]))
        if t == 10:
            stream.state = stream.state
    assert stream.steps == STEPS - 11  # since the state was set


def partly_in_tensorflow(shape=(6, 5, 2)):
    """Layers that run natively before, between and behind others."""
    keras.utils.set_random_seed(1)
    return excitable(
        keras.Sequential(
            [
                keras.Input((100, *shape)),
                ks.SpikingConv2D(3, 3, padding="same", neuron="cuba"),
                ks.SpikingRecurrentConv2D(4, 3, neuron="alif"),
                ks.DelayLayer(3.0, delay_initializer=keras.initializers.RandomUniform(0, 3)),
                ks.Flatten(),
                ks.SpikingDense(16, TwinOfALIF(threshold=0.3, beta=0.1)),
                keras.layers.Dropout(0.5),
                ks.SpikingDense(70, "cuba"),
                ks.SpikingRecurrentDense(9, Least()),
            ]
        )
    )


def test_neurons_in_python_take_single_steps():
    recording = spikes(6, 5, 2, batch=1, density=0.3)
    stream = ks.Stream(partly_in_tensorflow())
    whole = stream(recording).numpy()
    assert 0.02 < whole.mean() < 0.9
    stream.reset()
    for t in range(STEPS):
        if t in (7, 8):
            (found,) = np.nonzero(stream(recording[:, t : t + 1]).numpy().ravel())
        else:
            found = stream.step(np.flatnonzero(recording[0, t])[::-1])
            assert found.dtype == np.int32
        np.testing.assert_array_equal(found, np.flatnonzero(whole[0, t]))
        if t == 10:
            stream.state = stream.state
    assert len(stream.state) == 6  # the layers that have one


def test_values_pass_a_delay_before_neurons_in_python():
    """And events that cannot be are refused there, too."""
    ones = {"kernel_initializer": "ones"}
    model = keras.Sequential(
        [keras.Input((None, 5)), ks.DelayLayer(2.0), ks.SpikingDense(3, Least(), **ones)]
    )
    recording = np.zeros((1, 4, 5), np.float32)
    recording[0, 0] = [0, 9.5, 0, -1.0, 0]
    stream = ks.Stream(model)
    whole = stream(recording).numpy()
    stream.reset()
    found = [stream.step([3, 1], [-1.0, 9.5]), *(stream.step([]) for _ in range(3))]
    assert whole.any()
    for t, places in enumerate(found):
        np.testing.assert_array_equal(places, np.flatnonzero(whole[0, t]))
    for index, value, message in (
        ([5], None, r"an index must lie in \[0, 4\]. Received: 5"),
        ([2, 2], [1.0, 1.0], "a place has one value in a step. Received: index 2 twice"),
        ([0.5], None, "must be a vector of integers"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.step(index, value)


def test_values_of_events():
    ones = {"kernel_initializer": "ones", "neuron": "cuba"}
    model = keras.Sequential([keras.Input((None, 5)), ks.SpikingDense(3, **ones)])
    recording = np.zeros((1, 4, 5), np.float32)
    recording[0, 0] = [0, 9.5, 0, -1.0, 0]
    stream = ks.Stream(model)
    whole = stream(recording).numpy()
    stream.reset()
    found = [stream.step([3, 1], [-1.0, 9.5]), *(stream.step([]) for _ in range(3))]
    assert whole.any()
    for t, places in enumerate(found):
        np.testing.assert_array_equal(places, np.flatnonzero(whole[0, t]))
    delay = ks.Stream(keras.Sequential([keras.Input((None, 5)), ks.DelayLayer(0.0)]))
    assert delay.step([4, 2, 0], [2.0, 0.0, 1.0]).tolist() == [0, 4]  # 0 is no event


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        ([3, 144], None, r"an index must lie in [0, 143]. Received: 144"),
        ([-1], None, r"an index must lie in [0, 143]. Received: -1"),
        ([3, 2**32], None, "an index must be a place in the input. Received: 4294967296"),
        ([5, 5], [1.0, 1.0], "a place has one value in a step. Received: index 5 twice"),
        ([1, 2], [1.0], "`value` must have a number for each of 2 places. Received: 1"),
        ([[1]], None, "`index` must be a vector of integers. Received: int64 of shape (1, 1)"),
        ([0.5], None, "`index` must be a vector of integers. Received: float64 of shape (1,)"),
    ],
)
def test_wrong_events(index, value, message):
    stream = ks.Stream(chain())
    with pytest.raises(ValueError, match=re.escape(message)):
        stream.step(index, value)


def branches():
    inputs = keras.Input((100, 4))
    x = ks.SpikingDense(3)(inputs)
    return keras.Model(inputs, keras.layers.Add()([x, ks.SpikingDense(3)(x)]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            branches,
            "one behind the other. Call the stream on chunks of one step instead. Received: add",
        ),
        (lambda: image_network(), "takes a chain of"),
        (
            lambda: keras.Sequential([keras.Input((9, 4)), ks.SpikingDense(3, dtype="float16")]),
            "with dtype float16",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((9, 4)), ks.SpikingDense(3, neuron=ks.SRM(kernel_cutoff=0.1))]
            ),
            "kernel_cutoff=0.1",
        ),
    ],
)
def test_no_single_steps(model, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ks.Stream(model()).step([])


def test_steps_go_on_where_delays_were_trained():
    """Between a chunk and a step: the history of the delays has another length then."""
    delays = {"delay_initializer": keras.initializers.Constant(2.0)}
    model = excitable(
        keras.Sequential(
            [keras.Input((None, 6)), ks.DelayLayer(9.0, **delays), ks.SpikingDense(20, "cuba")]
        )
    )
    recording = spikes(6, batch=1, density=0.3)
    for longest in (8.0, 1.0):
        by_chunks, by_steps = ks.Stream(model), ks.Stream(model)
        model.layers[0].delay.assign([2.0] * 6)
        for stream in (by_chunks, by_steps):
            stream(recording[:, :9])
        model.layers[0].delay.assign(np.linspace(0, longest, 6))
        rest = by_chunks(recording[:, 9:]).numpy()
        for t, frame in enumerate(recording[0, 9:]):
            places = by_steps.step(np.flatnonzero(frame))
            np.testing.assert_array_equal(places, np.flatnonzero(rest[0, t]))
        np.testing.assert_array_equal(by_steps(recording), by_chunks(recording))


def test_single_steps_are_of_one_sample():
    stream = ks.Stream(chain())
    stream(spikes(9, 8, 2))
    with pytest.raises(ValueError, match=r"takes one sample.*Received: a state of 2 samples"):
        stream.step([])
