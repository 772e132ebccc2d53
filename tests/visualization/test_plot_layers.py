"""plot_layers: input, every spiking layer, and the answer, of the sample asked for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from visualization_cases import mpl, network, network_input, texts, to_rgba

import keras_slayer as ks
from keras_slayer.visualization import plot_layers, style
from keras_slayer.visualization.recording import summarise


def outputs(model, x):
    layers = [model.get_layer(name).output for name in ("conv", "hidden", "out")]
    return keras.Model(model.inputs, layers).predict(x, verbose=0)


def rasters(figure):
    return [ax for ax in figure.axes if not ax.images]


def drawn(ax):
    """(time, row) of each spike of a raster, in order."""
    for collection in ax.collections:
        if isinstance(collection, mpl.collections.LineCollection):
            ends = np.array(collection.get_segments())
            return np.stack([ends[:, 0, 0], ends[:, :, 1].mean(axis=1)], axis=1)
    (dots,) = ax.collections
    return np.asarray(dots.get_offsets())


def test_all_layers_of_one_sample():
    model, x = network(), network_input()
    sample = 2
    conv, hidden, out = (spikes[sample] for spikes in outputs(model, x))
    assert all(spikes.sum() > 0 for spikes in (conv, hidden, out))
    answer = int(out.sum(axis=0).argmax())
    figure = plot_layers(model, x, sample=sample, label=answer, names=["a", "b", "c"])
    strip = [ax for ax in figure.axes if ax.images]
    assert len(strip) == 8 and strip[-1].get_xlabel() == "35 to 40 ms"
    assert f"input: {int(x[sample].sum())} events" in texts(figure)
    conv = np.moveaxis(conv, -1, 1).reshape(20, -1)
    for ax, spikes, name in zip(
        rasters(figure), (conv, hidden, out), ("conv", "hidden", "out"), strict=True
    ):
        step, row = np.nonzero(spikes)
        np.testing.assert_allclose(drawn(ax), np.stack([2.0 * step, row], axis=1))
        head = f"{name}: {spikes.shape[1]} neurons, {int(spikes.sum())} spikes"
        assert ax.get_title(loc="left").startswith(head)
        assert ax.get_xlim() == (0, 40)
    assert [ax.get_ylabel() for ax in rasters(figure)] == ["channel", "neuron", "class"]
    assert f"Answer: {'abc'[answer]}, correct" in texts(figure)
    labels = rasters(figure)[2].get_yticklabels()
    assert [label.get_text() for label in labels] == ["a", "b", "c"]
    assert to_rgba(labels[answer].get_color()) == to_rgba(style.RIGHT)


def test_a_wrong_answer_is_red_and_corrected():
    model, x = network(), network_input()
    answer = int(outputs(model, x)[2][0].sum(axis=0).argmax())
    label = (answer + 1) % 3
    figure = plot_layers(model, x, label=label)
    assert f"Answer: {answer}, should be {label}" in texts(figure)
    winner = rasters(figure)[2].get_yticklabels()[answer]
    assert to_rgba(winner.get_color()) == to_rgba(style.WRONG)
    assert f"Answer: {answer}" in texts(plot_layers(model, x))


def test_takes_a_recording_or_a_data_set():
    model, x = network(), network_input()
    data = tf.data.Dataset.from_tensor_slices((x, np.arange(4))).batch(2)
    pictures = [plot_layers(model, given, layers="hidden") for given in (x, x[0], data)]
    first, *others = ([drawn(ax) for ax in rasters(figure)] for figure in pictures)
    assert len(first) == 1
    for other in others:
        np.testing.assert_array_equal(other[0], first[0])


def test_input_that_is_no_image_is_a_raster_and_a_silent_layer_is_red():
    model = keras.Sequential(
        [
            keras.Input((10, 5)),
            ks.SpikingDense(4, ks.SRM(threshold=1000.0), name="silent"),
            ks.SpikingDense(3, name="out"),
            keras.layers.Lambda(lambda spikes: keras.ops.mean(spikes, axis=1)),
        ]
    )
    x = np.zeros((1, 10, 5), "float32")
    x[0, 3, 2] = 1
    figure = plot_layers(model, x, title="Nothing")
    source, silent, out = figure.axes
    np.testing.assert_allclose(drawn(source), [[3, 2]])
    assert source.get_title(loc="left") == "input: 1 events"
    assert silent.get_title(loc="left") == "silent: 4 neurons, silent"
    assert silent.title.get_color() != style.WRONG
    (title,) = [text for text in silent.findobj(mpl.text.Text) if "silent" in text.get_text()]
    assert title.get_color() == style.WRONG
    assert out.get_ylabel() == "neuron"  # the output is the rate
    assert "Nothing" in texts(figure) and "Answer: 0" not in texts(figure)


def test_neurons_that_do_not_say_how_long_a_step_is():
    neuron = ks.CUBA(0.5, 0.5, 0.1)
    assert neuron.dt is None
    model = keras.Sequential([keras.Input((10, 5)), ks.SpikingDense(3, neuron)])
    figure = plot_layers(model, np.ones((1, 10, 5), "float32"))
    assert all(ax.get_xlim() == (0, 10) for ax in figure.axes)


def test_the_model_is_left_as_it_was():
    model, x = network(), network_input()
    before = model.predict(x, verbose=0)
    plot_layers(model, x)
    assert "call" not in vars(model.get_layer("conv"))
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_a_layer_that_is_used_twice_is_drawn_once_and_counts_twice():
    inputs = keras.Input((10, 5))
    layer = ks.SpikingDense(5, name="twice")
    model = keras.Model(inputs, layer(layer(inputs)))
    x = (np.random.default_rng(0).random((2, 10, 5)) < 0.5).astype("float32")
    run = summarise(model, x, sample=1)
    np.testing.assert_array_equal(run.layers["twice"].spikes, np.asarray(layer(x))[1])
    assert run.layers["twice"].shares.shape == (10,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample": 4}, "0 to 3. Received: sample=4"),
        ({"layers": ["conv", "last"]}, r"of \['conv', 'hidden', 'out'\]. Received: layers="),
        ({"layers": []}, r"Received: layers=\[\]"),
        ({"label": 3}, "0 to 2. Received: label=3"),
        ({"names": ["a"]}, "each of the 3 classes"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_layers(network(), network_input(), **arguments)


def test_refuses_models_without_spikes_and_labels_without_classes():
    plain = keras.Sequential([keras.Input((5, 3)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="no layer with spiking neurons"):
        plot_layers(plain, np.zeros((1, 5, 3)))
    model = keras.Sequential([keras.Input((20, 6, 6, 2)), ks.SpikingConv2D(2, 3)])
    with pytest.raises(ValueError, match="need a network with one output"):
        plot_layers(model, network_input(), label=1)
