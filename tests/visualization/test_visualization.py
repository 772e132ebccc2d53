"""Pictures: what is drawn where, in which colour; what is refused; what is on disk afterwards."""

import subprocess
import sys
import types

import numpy as np
import pytest
from visualization_cases import HISTORY, mpl, output, recording, texts, to_rgba

from keras_slayer.visualization import plot_events, plot_history, plot_raster, style


def rows_of(ax):
    """Time and row of every tick drawn in a raster, and its colour."""
    (ticks,) = ax.collections
    ends = np.array(ticks.get_segments())
    assert np.array_equal(ends[:, 0, 0], ends[:, 1, 0])
    return ends[:, 0, 0], ends[:, :, 1].mean(axis=1), ticks.get_colors()


# Raster


def test_raster_draws_each_spike_at_its_time_in_its_row():
    spikes = output()
    (ax,) = plot_raster(spikes, dt=2.0, title="Spikes").axes
    time, row, colours = rows_of(ax)
    step, neuron = np.nonzero(spikes)
    np.testing.assert_allclose(time, step * 2.0)
    np.testing.assert_allclose(row, neuron)
    assert {tuple(colour) for colour in colours} == {to_rgba(style.INK)}
    assert ax.get_xlim() == (0, 20) and ax.get_ylim() == (3.5, -0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "neuron")
    assert ax.get_title(loc="left") == "Spikes"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "2", "3"]
    assert [text.get_text() for text in ax.texts] == ["1", "1", "6", "1", "spikes"]


@pytest.mark.parametrize(("label", "accent"), [(None, "RIGHT"), (2, "RIGHT"), (0, "WRONG")])
def test_raster_highlights_the_winner(label, accent):
    (ax,) = plot_raster(output(), names=list("abcd"), winner=2, label=label).axes
    _, row, colours = rows_of(ax)
    accent = to_rgba(getattr(style, accent))
    assert {tuple(colour) for colour in colours[row == 2]} == {accent}
    assert {tuple(colour) for colour in colours[row != 2]} == {to_rgba(style.OTHER)}
    names = ax.get_yticklabels()
    assert [name.get_text() for name in names] == ["a", "b", "c", "d"]
    assert [to_rgba(name.get_color()) == accent for name in names] == [False, False, True, False]
    (band,) = ax.patches
    assert (band.get_y(), band.get_height()) == (1.5, 1.0)
    triangles = [text for text in ax.texts if text.get_text() == "▶"]
    assert [text.xy for text in triangles] == ([] if label is None else [(0, label)])


def test_raster_of_many_neurons_is_points():
    spikes = np.random.default_rng(0).random((50, 5, 40)) < 0.1
    (ax,) = plot_raster(spikes).axes
    (points,) = ax.collections
    step, neuron = np.nonzero(spikes.reshape(50, 200))
    np.testing.assert_allclose(points.get_offsets(), np.stack([step, neuron], axis=1))
    assert ax.get_ylim() == (199.5, -0.5) and not ax.texts


def test_raster_draws_into_axes_that_it_is_given():
    figure = mpl.figure.Figure()
    left, right = figure.subplots(1, 2)
    assert plot_raster(output(), ax=right) is figure
    assert right.collections and not left.collections


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spikes": np.zeros(10)}, r"\(time, neurons\). Received: spikes.shape=\(10,\)"),
        ({"winner": 4}, "`winner` must be a row of the raster, 0 to 3. Received: winner=4"),
        ({"label": -1}, "`label` must be a row of the raster, 0 to 3. Received: label=-1"),
        ({"names": ["a"]}, r"`names` must name each of the 4 rows. Received: names=\['a'\]"),
    ],
)
def test_raster_names_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_raster(**{"spikes": output(), **arguments})


# Events


def panels(figure):
    space_time, x_time, y_time, image = figure.axes
    return space_time, x_time, y_time, image


@pytest.mark.parametrize("kind", ["spikes", "mapping", "object"])
def test_events_are_drawn_in_space_and_time_in_the_colour_of_their_polarity(kind):
    fields = {"x": [1, 4, 2], "y": [3, 0, 2], "t": [4000, 12000, 18000], "polarity": [1, 1, 0]}
    fields = {name: np.array(values) for name, values in fields.items()}
    source = {"spikes": recording(), "mapping": fields, "object": types.SimpleNamespace(**fields)}
    figure = plot_events(source[kind], dt=2.0, title="Three events")
    space_time, x_time, y_time, image = panels(figure)
    red, blue = to_rgba(style.OFF), to_rgba(style.ON)
    for ax, places in ((x_time, [1, 4, 2]), (y_time, [3, 0, 2])):
        (points,) = ax.collections
        np.testing.assert_allclose(points.get_offsets(), np.stack([[4, 12, 18], places], axis=1))
        np.testing.assert_allclose(points.get_facecolors(), [blue, blue, red])
    assert (x_time.get_ylim(), y_time.get_ylim()) == ((-0.5, 4.5), (3.5, -0.5))
    assert (space_time.get_ylim(), space_time.get_zlim()) == ((0, 5), (4, 0))
    assert (space_time.get_xlim(), space_time.get_ylim()) == ((0, x_time.get_xlim()[1]), (0, 5))
    assert len(space_time.collections[0].get_offsets()) == 3
    pixels = image.images[0].get_array()
    assert pixels.shape == (4, 5, 3)
    np.testing.assert_allclose(pixels[3, 1], blue[:3])
    np.testing.assert_allclose(pixels[2, 2], red[:3])
    fired = np.argwhere(pixels.sum(axis=-1) < 3)
    np.testing.assert_array_equal(fired, [[0, 4], [2, 2], [3, 1]])
    labels = [ax.get_xlabel() for ax in figure.axes]
    assert labels == ["time (ms)", "", "time (ms)", "x (pixels)"]
    assert "Three events" in texts(figure) and {"ON", "OFF"} <= set(texts(space_time))


def test_pixels_that_fired_both_ways_are_a_mixture():
    spikes = np.zeros((4, 1, 3, 2), "float32")
    spikes[0, 0, 0] = spikes[1, 0, 0] = 1  # 2 ON, 2 OFF: full strength
    spikes[2, 0, 2, 1] = 1  # 1 ON
    pixels = panels(plot_events(spikes))[3].images[0].get_array()
    red, blue = (np.array(to_rgba(c)[:3]) for c in (style.OFF, style.ON))
    scale = np.percentile([4, 0, 1], 98)
    np.testing.assert_allclose(pixels[0, 0], (red + blue) / 2)
    np.testing.assert_allclose(pixels[0, 1], 1)
    np.testing.assert_allclose(pixels[0, 2], 1 - (1 - blue) / scale)


def test_a_single_channel_is_on_and_an_empty_recording_is_drawn():
    (_, x_time, _, _) = panels(plot_events(recording()[..., 1:]))
    np.testing.assert_allclose(x_time.collections[0].get_facecolors(), [to_rgba(style.ON)] * 2)
    empty = plot_events(np.zeros((10, 4, 5, 2)))
    empty.draw_without_rendering()
    assert np.all(panels(empty)[3].images[0].get_array() == 1)


@pytest.mark.parametrize("shape", [(10, 4), (10, 4, 5), (10, 4, 5, 3), (1, 10, 4, 5, 2)])
def test_events_of_another_shape_are_named(shape):
    with pytest.raises(ValueError, match="must be a stream") as error:
        plot_events(np.zeros(shape))
    assert f"Received: an array of shape {shape}" in str(error.value)


def test_streams_with_fields_of_other_names_are_refused():
    with pytest.raises(ValueError, match=r"as_events .*Received: fields \['p', 't', 'x', 'y'\]"):
        plot_events({name: np.zeros(3) for name in "xytp"})


def test_streams_with_fields_of_unequal_length_are_refused():
    fields = {"x": np.zeros(3), "y": np.zeros(3), "t": np.zeros(2), "polarity": np.zeros(3)}
    with pytest.raises(
        ValueError, match=r"equal length. Received: x.shape=\(3,\).* t.shape=\(2,\)"
    ):
        plot_events(fields)


# History


def lines(ax):
    return {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in ax.lines}


def test_history_shows_loss_and_accuracy_of_train_and_validation():
    loss, accuracy = plot_history(HISTORY, title="Learning").axes
    assert list(lines(loss)) == ["train 1", "validation 1.5"]
    assert list(lines(accuracy)) == ["train 90.0%", "validation 80.0%"]
    for ax, key in ((loss, "loss"), (accuracy, "accuracy")):
        for (epochs, values), name in zip(lines(ax).values(), (key, f"val_{key}"), strict=True):
            np.testing.assert_array_equal(epochs, [1, 2, 3])
            np.testing.assert_array_equal(values, HISTORY[name])
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert (loss.get_xlabel(), accuracy.get_xlabel()) == ("", "epoch")


def test_history_of_a_continued_training_with_rare_validation():
    logs = {"loss": [4.0, 3.0, 2.0, 1.0], "val_loss": [3.5, 1.5]}
    (ax,) = plot_history(types.SimpleNamespace(history=logs, epoch=[10, 11, 12, 13])).axes
    (train, _), (validation, _) = lines(ax).values()
    np.testing.assert_array_equal(train, [11, 12, 13, 14])
    np.testing.assert_array_equal(validation, [12, 14])


@pytest.mark.parametrize(
    ("keys", "metric", "shown"),
    [
        (["loss", "van_rossum_distance", "spike_count_accuracy"], None, "accuracy"),
        (["loss", "learning_rate", "val_loss", "van_rossum_distance"], None, "van rossum distance"),
        (["loss", "spike_count_accuracy", "far"], "far", "far"),
    ],
)
def test_history_chooses_its_metric(keys, metric, shown):
    _, ax = plot_history({key: [1.0, 0.5] for key in keys}, metric=metric).axes
    assert ax.get_ylabel() == shown


@pytest.mark.parametrize("history", [{}, {"loss": []}, {"accuracy": [1.0]}, None, [1.0]])
def test_history_without_a_loss_is_refused(history):
    with pytest.raises(ValueError, match=r"must be what `model.fit` returned.*Received: history="):
        plot_history(history)


def test_history_names_a_metric_it_lacks():
    with pytest.raises(ValueError, match=r"one of \['accuracy'\]. Received: metric='far'"):
        plot_history(HISTORY, metric="far")


def test_without_matplotlib_only_drawing_fails_and_says_what_to_install():
    code = """
import sys
sys.modules["matplotlib"] = None
import numpy as np
from keras_slayer import visualization
try:
    visualization.plot_raster(np.ones((3, 2)))
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "pictures need matplotlib: pip install 'keras_slayer[plot]'\n"
