"""WinnerTakeAll against a plain loop over neurons, its gradient, and its life as a Keras layer."""

import itertools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_cases import spikes

import keras_slayer as ks
from keras_slayer.layers import WinnerTakeAll


def plain_open(x, window, across_channels, steps):
    """Where spikes pass, for one recording (time, height, width, channels)."""
    duration, *shape = x.shape
    neurons = list(itertools.product(*(range(size) for size in shape)))  # by row, column, channel
    reach = (np.inf, np.inf) if window is None else [size // 2 for size in window]

    def neighbours(one, other):
        near = abs(one[0] - other[0]) <= reach[0] and abs(one[1] - other[1]) <= reach[1]
        return one != other and near and (across_channels or one[2] == other[2])

    silenced_until = dict.fromkeys(neurons, -1)
    is_open = np.ones(x.shape, bool)
    for t in range(duration):
        would = []
        for n in neurons:
            is_open[t][n] = silenced_until[n] < t
            if is_open[t][n] and x[t][n] > 0:
                would.append(n)
        passing = []
        for n in would:
            if any(neighbours(n, earlier) for earlier in would[: would.index(n)]):
                is_open[t][n] = False
            else:
                passing.append(n)
        for n in passing:
            for other in neurons:
                if neighbours(n, other):
                    silenced_until[other] = max(silenced_until[other], t + steps)
    return is_open


CASES = [
    # input without the batch, arguments, density
    ((30, 4, 5, 3), {"window": 3, "duration": 4.0}, 0.02),
    ((30, 4, 5, 3), {"window": 3}, 0.02),
    ((25, 5, 3, 2), {"window": (1, 3), "duration": 2.0}, 0.1),
    ((25, 5, 3, 2), {"window": (3, 1), "duration": 1.0, "across_channels": False}, 0.3),
    ((25, 1, 7, 4), {"window": 5, "duration": 1.5, "dt": 0.5, "across_channels": False}, 0.1),
    ((20, 3, 4, 5), {"duration": 3.0}, 0.1),
    ((20, 3, 4, 5), {}, 0.2),
    ((20, 2, 3, 2), {"window": None, "duration": 3.0}, 0.1),
    ((20, 2, 3, 2), {"window": None, "across_channels": False}, 0.1),
    ((1, 3, 3, 3), {"window": 3}, 0.5),
    ((20, 1, 1, 1), {"window": 9, "duration": 5.0}, 0.5),
]


@pytest.mark.parametrize("shape, options, density", CASES, ids=str)
def test_values_and_gradient_against_a_loop(shape, options, density):
    layer, x = WinnerTakeAll(**options), spikes((3, *shape), density, seed=3)
    steps = round(options.get("duration", 1e6) / options.get("dt", 1.0))
    window = options.get("window", 1)
    window = (window, window) if isinstance(window, int) else window
    is_open = np.stack(
        [plain_open(one, window, options.get("across_channels", True), steps) for one in x]
    )
    inputs, upstream = tf.constant(x), np.random.default_rng(0).normal(size=x.shape)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(inputs)
    np.testing.assert_array_equal(y, x * is_open)
    gradient = tape.gradient(y, inputs, output_gradients=tf.constant(upstream, tf.float32))
    np.testing.assert_allclose(gradient, upstream * is_open, rtol=1e-6)
    if x.shape[1] > 1 and np.prod(x.shape[2:]) > 1:
        assert 0 < y.numpy().sum() < x.sum()
    np.testing.assert_array_equal(tf.function(layer)(x), y)


@pytest.mark.parametrize("shape", [(12, 6), (12, 2, 3, 4, 6)])
def test_other_ranks_are_positions_of_their_own(shape):
    x = spikes((2, *shape), 0.2)
    y = WinnerTakeAll(duration=2.0)(x)
    as_image = x.reshape(2, shape[0], -1, 1, shape[-1])
    expected = [plain_open(one, (1, 1), True, 2) for one in as_image]
    np.testing.assert_array_equal(y, x * np.reshape(expected, x.shape))


def test_by_hand():
    """The winner goes on and renews the inhibition; a tie goes to the first; the loser is free
    again once the winner has been quiet for the duration."""
    train = lambda text: [float(c != ".") for c in text]  # noqa: E731
    x = np.array([train("..|.|....|.|"), train("..||..||.||.")]).T[np.newaxis]
    y = WinnerTakeAll(duration=2.0)(x)[0].numpy().T
    np.testing.assert_array_equal(y[0], train("..|.|......."))
    np.testing.assert_array_equal(y[1], train(".......|.||."))
    alone = WinnerTakeAll()(x)[0].numpy().T
    np.testing.assert_array_equal(alone, [x[0, :, 0], np.zeros(12)])


def test_a_silenced_neuron_silences_nobody():
    """A row of three: the middle one, silenced by the first, does not silence the last."""
    x = np.zeros((1, 4, 1, 3, 1), "float32")
    x[0, 0, 0, 0] = x[0, 1, 0, 1] = x[0, 2, 0, 2] = 1
    y = WinnerTakeAll(window=3, across_channels=False)(x)[0, :, 0, :, 0]
    np.testing.assert_array_equal(y, [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]])


def test_it_is_causal():
    x = spikes((1, 30, 4, 4, 3), 0.05)
    layer = WinnerTakeAll(3, duration=4.0)
    whole = layer(x).numpy()
    for steps in (1, 7, 20):
        np.testing.assert_array_equal(layer(x[:, :steps]), whole[:, :steps])


@pytest.mark.parametrize("shape", [(0, 5, 4, 4, 3), (2, 0, 4, 4, 3), (0, 5, 3), (2, 0, 3)])
def test_nothing_at_all(shape):
    assert WinnerTakeAll(duration=3.0)(np.zeros(shape, "float32")).shape == shape


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(dtype):
    """More neurons than a 16-bit float can count: ties are still told apart."""
    x = np.ones((1, 2, 60, 60, 2), "float32")
    layer = WinnerTakeAll(window=None, dtype=dtype)
    y = layer(tf.cast(x, dtype))
    assert y.dtype == dtype
    np.testing.assert_array_equal(tf.where(y > 0), [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0]])


def test_unknown_batch_and_time_and_training():
    inputs = keras.Input((None, 6, 6, 2))
    x = ks.SpikingConv2D(4, 3, neuron=ks.SRM(threshold=0.5, tau_response=3.0))(inputs)
    x = WinnerTakeAll(3, duration=3.0, name="winners")(x)
    assert x.shape == (None, None, 4, 4, 4)
    outputs = ks.SpikingDense(3, ks.SRM(threshold=0.5, surrogate_tau=2.0))(ks.Flatten()(x))
    model = keras.Model(inputs, outputs)
    model.compile("adam", ks.SpikeMaxLoss())
    before = [w.numpy() for w in model.trainable_weights]
    for steps in (10, 15):
        model.fit(spikes((4, steps, 6, 6, 2)), np.arange(4) % 3, batch_size=3, verbose=0)
    for one, other in zip(before, model.trainable_weights, strict=True):
        assert np.any(one != other.numpy()) and np.all(np.isfinite(other.numpy()))


def test_saving(tmp_path):
    options = {"window": (3, 5), "across_channels": False, "duration": 4.5, "dt": 1.5}
    inputs = keras.Input((12, 5, 6, 2))
    model = keras.Model(inputs, WinnerTakeAll(**options)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    config = loaded.layers[1].get_config()
    assert {name: config[name] for name in options} == options
    x = spikes((2, 12, 5, 6, 2), 0.1)
    np.testing.assert_array_equal(loaded(x), model(x))
    whole = WinnerTakeAll.from_config(WinnerTakeAll(window=None).get_config())
    assert whole.window is None and whole.duration is None


ARGUMENTS = [
    ({"window": 0}, "window must be an integer in [1, 16384] or a pair", "window=0"),
    ({"window": 4}, "window must be odd", "window=4"),
    ({"window": (3, 2)}, "window must be odd", "window=(3, 2)"),
    (
        {"across_channels": False},
        "a neuron has no neighbours within its own pixel and channel",
        "window=1, across_channels=False",
    ),
    ({"duration": 0}, "duration must be a number in (0, 2.14748e+09]", "duration=0"),
    ({"duration": 3.0, "dt": 2.0}, "duration must be a multiple of dt=2 ms", "duration=3.0"),
    ({"duration": 0.2}, "duration must be a multiple of dt=1 ms", "duration=0.2"),
    ({"dt": 0}, "dt must be a number in (0, inf)", "dt=0"),
]


@pytest.mark.parametrize("options, allowed, received", ARGUMENTS, ids=str)
def test_arguments(options, allowed, received):
    with pytest.raises(ValueError, match=re.escape(allowed)) as caught:
        WinnerTakeAll(**options)
    assert f"Received: {received}" in str(caught.value)


@pytest.mark.parametrize(
    "options, shape, axes",
    [
        ({}, (2, 5), "(batch, time, ..., channels)"),
        ({"window": 3}, (2, 5, 6), "(batch, time, height, width, channels)"),
        ({"window": None}, (2, 5, 6, 4), "(batch, time, height, width, channels)"),
    ],
)
def test_input_shape(options, shape, axes):
    with pytest.raises(ValueError, match=re.escape(axes)) as caught:
        WinnerTakeAll(**options)(spikes(shape))
    assert f"Received: input_shape={shape}" in str(caught.value)
