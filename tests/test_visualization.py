"""Pictures: what is drawn where, in which colour; what is refused; what is on disk afterwards."""

import subprocess
import sys
import types
import xml.etree.ElementTree

import numpy as np
import pytest

from keras_slayer.visualization import figures as figures_module
from keras_slayer.visualization import plot_events, plot_history, plot_raster, style, summary_figure

mpl = pytest.importorskip("matplotlib")
to_rgba = mpl.colors.to_rgba


def recording():
    """Three events in 10 steps of a sensor 5 wide and 4 high: ON, ON, OFF."""
    spikes = np.zeros((10, 4, 5, 2), "float32")
    spikes[2, 3, 1, 1] = spikes[6, 0, 4, 1] = spikes[9, 2, 2, 0] = 1
    return spikes


def output(winner=2, classes=4, steps=10):
    spikes = np.zeros((steps, classes), "float32")
    spikes[1, :] = 1
    spikes[::2, winner] = 1
    return spikes


HISTORY = {
    "accuracy": [0.5, 0.7, 0.9],
    "loss": [3.0, 2.0, 1.0],
    "val_accuracy": [0.4, 0.6, 0.8],
    "val_loss": [3.5, 2.5, 1.5],
}


def rows_of(ax):
    """Time and row of every tick drawn in a raster, and its colour."""
    (ticks,) = ax.collections
    ends = np.array(ticks.get_segments())
    assert np.array_equal(ends[:, 0, 0], ends[:, 1, 0])
    return ends[:, 0, 0], ends[:, :, 1].mean(axis=1), ticks.get_colors()


def texts(target):
    return [text.get_text() for text in target.findobj(mpl.text.Text)]


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


# Summary


def summary(path, **changes):
    arguments = {
        "input_spikes": recording(),
        "output_spikes": output(),
        "label": np.int64(2),
        "history": HISTORY,
    }
    return summary_figure(path, **{**arguments, **changes})


@pytest.fixture
def drawn(monkeypatch):
    """The figures that get saved, while they still can be asked what is in them."""
    figures = []
    save = style.save
    monkeypatch.setattr(figures_module, "save", lambda f, path: (figures.append(f), save(f, path)))
    return figures


def test_summary_writes_a_picture_of_input_output_and_learning(tmp_path, drawn):
    path = summary(tmp_path / "new" / "figure.png", dt=30.0)
    assert path == tmp_path / "new" / "figure.png"
    assert [file.name for file in path.parent.iterdir()] == ["figure.png"]
    from PIL import Image

    with Image.open(path) as image:
        assert image.size == (2000, 800)
        assert len(image.convert("RGB").getcolors(1 << 20)) > 100
    shown = texts(drawn[0])
    assert {"Input: 3 events", "Output: 2, correct", "Learning"} <= set(shown)
    assert {"0 to 100 ms", "100 to 200 ms", "200 to 300 ms", "class"} <= set(shown)
    thirds = [ax.images[0].get_array() for ax in drawn[0].axes if ax.images]
    # The events are at 60, 180 and 270 ms.
    assert [int((third.sum(axis=-1) < 3).sum()) for third in thirds] == [1, 1, 1]


def test_summary_says_what_a_wrong_answer_should_have_been(tmp_path, drawn):
    summary(tmp_path / "figure.png", label=0, names=["up", "down", "left", "right"])
    assert "Output: left, should be up" in texts(drawn[0])


def test_summary_of_a_sensor_without_an_image_is_a_raster(tmp_path, drawn):
    summary(tmp_path / "figure.pdf", input_spikes=output(classes=3), history={"loss": [1.0]})
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert "Input spikes" in texts(drawn[0])
    rasters = [ax for ax in drawn[0].axes if ax.get_xlabel() == "time (ms)"]
    assert [ax.get_ylim() for ax in rasters] == [(2.5, -0.5), (3.5, -0.5)]


def test_summary_as_svg(tmp_path):
    path = summary(str(tmp_path / "figure.SVG"))
    assert xml.etree.ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("name", ["figure.jpeg", "figure"])
def test_summary_refuses_other_formats(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in .png, .svg, .pdf. Received: path="):
        summary(tmp_path / name)


def test_summary_refuses_a_label_that_is_no_class(tmp_path):
    with pytest.raises(ValueError, match="Received: label=4"):
        summary(tmp_path / "figure.png", label=4)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = summary(tmp_path / "figure.png")
    before = path.read_bytes()

    def fail(self, target, **kwargs):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(mpl.figure.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        summary(path, label=0)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_drawing_leaves_pyplot_as_it_was(tmp_path):
    from matplotlib import pyplot

    def state():
        return mpl.get_backend(), pyplot.get_fignums(), dict(mpl.rcParams)

    before = state()
    summary(tmp_path / "figure.png")
    plot_events(recording())
    assert state() == before


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
