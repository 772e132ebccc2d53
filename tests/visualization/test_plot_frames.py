"""plot_frames: which events are in which image, on which scale."""

import numpy as np
import pytest
from visualization_cases import mpl, recording, texts, to_rgba

from keras_slayer.events import Events
from keras_slayer.visualization import plot_frames, style
from keras_slayer.visualization.event_cloud import EventCloud

BLUE, RED = (np.array(to_rgba(c)[:3]) for c in (style.ON, style.OFF))


def images(figure):
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def fired(image):
    return [tuple(int(i) for i in place) for place in np.argwhere(image.min(axis=-1) < 1)]


def test_each_image_has_the_events_of_its_time():
    figure = plot_frames(recording(), 5, dt=3.0)
    assert [fired(image) for image in images(figure)] == [[], [(3, 1)], [], [(0, 4)], [(2, 2)]]
    np.testing.assert_allclose(images(figure)[1][3, 1], BLUE)
    np.testing.assert_allclose(images(figure)[4][2, 2], RED)
    spans = [ax.get_xlabel() for ax in figure.axes]
    assert spans == [f"{6 * i} to {6 * i + 6} ms" for i in range(5)]
    assert {"3 events", "ON", "OFF"} <= set(texts(figure))


def test_all_images_have_one_scale():
    spikes = np.zeros((4, 1, 1, 2))
    spikes[0, 0, 0] = [0, 1]
    spikes[2:, 0, 0, 1] = 1  # two events in the second half
    one, two = images(plot_frames(spikes, 2))
    full = np.percentile([1, 2], 98)
    np.testing.assert_allclose(one[0, 0], 1 - (1 - BLUE) / full)
    np.testing.assert_allclose(two[0, 0], BLUE)


def test_a_region_and_rows_of_images():
    figure = plot_frames(recording(), 3, region=(5, 8), columns=2, title="Part")
    assert [fired(image) for image in images(figure)] == [[], [(0, 4)], []]
    assert [ax.get_xlabel() for ax in figure.axes][:2] == ["5.0 to 6.0 ms", "6.0 to 7.0 ms"]
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (2, 2) and not figure.axes[3].axison
    assert "Part" in texts(figure)


def test_a_stream_on_a_larger_sensor():
    events = Events(x=[1], y=[0], t=[900], polarity=[1])
    (image,) = images(plot_frames(events, 1, sensor_shape=(6, 7, 2)))
    assert image.shape == (6, 7, 3) and fired(image) == [(0, 1)]


def test_draws_into_a_figure():
    figure = mpl.figure.Figure()
    assert plot_frames(recording(), 2, figure=figure) is figure and len(figure.axes) == 2


@pytest.mark.parametrize(
    ("first", "offset"),
    [(0, 0), (900_000, 900), (2_000_000, 0), (1_700_000_000_000_000, 0)],
)
def test_times_that_count_from_another_epoch_begin_at_the_first_event(first, offset):
    events = {"x": [0, 1], "y": [0, 0], "t": np.array([first, first + 50_000]), "polarity": [0, 1]}
    cloud = EventCloud.of(events, 1.0)
    np.testing.assert_allclose(cloud.t, [offset, offset + 50])
    assert cloud.duration == offset + 51


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, r"n must be an integer in \[1, 200\]"),
        ({"columns": 0}, r"columns must be an integer in \[1, 100\]"),
        ({"region": (3, 3)}, r"0 <= start < stop. Received: region=\(3, 3\)"),
        ({"region": 5}, "Received: region=5"),
        ({"sensor_shape": (4, 4)}, r"4 rows and 5 columns. Received: sensor_shape=\(4, 4\)"),
        ({"sensor_shape": (4,)}, r"\(height, width\) or .*Received: sensor_shape=\(4,\)"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_frames(recording(), **arguments)
