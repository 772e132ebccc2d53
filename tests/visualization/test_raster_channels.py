"""Rasters of convolutions and of many neurons: order, bands, and dots that can be seen."""

import numpy as np
import pytest
from visualization_cases import mpl, texts

from keras_slayer.visualization import plot_raster, style

to_rgba = mpl.colors.to_rgba


def convolution():
    """Three spikes of 5 x 4 neurons in 3 channels: (step, y, x, channel)."""
    spikes = np.zeros((10, 5, 4, 3), "float32")
    places = [(1, 0, 0, 0), (4, 2, 3, 1), (7, 4, 3, 2)]
    spikes[tuple(np.transpose(places))] = 1
    return spikes


def points(ax):
    (dots,) = [c for c in ax.collections if isinstance(c, mpl.collections.PathCollection)]
    return dots


def test_neurons_of_a_convolution_are_grouped_by_channel():
    (ax,) = plot_raster(convolution(), dt=2.0).axes
    rows = [0, 20 + 2 * 4 + 3, 40 + 4 * 4 + 3]  # channel, then the pixels row by row
    np.testing.assert_allclose(points(ax).get_offsets(), np.stack([[2, 8, 14], rows], axis=1))
    assert ax.get_ylabel() == "channel" and ax.get_ylim() == (59.5, -0.5)
    np.testing.assert_allclose(ax.get_yticks(), [9.5, 29.5, 49.5])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "1", "2"]
    (band,) = ax.patches
    assert (band.get_y(), band.get_height()) == (19.5, 20)
    assert [line.get_ydata()[0] for line in ax.lines] == [19.5, 39.5]


def test_channels_have_names_and_many_of_them_not_all():
    (ax,) = plot_raster(convolution(), names=["a", "b", "c"]).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    (ax,) = plot_raster(np.ones((3, 2, 2, 100))).axes
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert shown == [str(i) for i in range(0, 100, 7)]
    np.testing.assert_allclose(ax.get_yticks()[:2], [1.5, 29.5])
    assert not ax.lines and len(ax.patches) == 50


def test_a_small_convolution_has_lines_and_no_counts():
    spikes = np.zeros((10, 2, 2, 2))
    spikes[3, 1, 0, 1] = 1
    (ax,) = plot_raster(spikes).axes
    (ticks,) = [c for c in ax.collections if isinstance(c, mpl.collections.LineCollection)]
    np.testing.assert_allclose(ticks.get_segments(), [[[3, 5.64], [3, 6.36]]])
    assert not ax.texts


def test_one_pixel_of_several_channels_is_a_row_for_each():
    spikes = np.zeros((10, 1, 1, 3))
    spikes[2, 0, 0, 1] = 1
    (ax,) = plot_raster(spikes, winner=1).axes
    assert ax.get_ylabel() == "neuron" and {"0", "1", "2"} <= set(texts(ax))


@pytest.mark.parametrize("argument", ["winner", "label"])
def test_a_convolution_has_no_winner(argument):
    message = f"`{argument}` must be a row .*Received: {argument}=1 and a convolution of 3 channels"
    with pytest.raises(ValueError, match=message):
        plot_raster(convolution(), **{argument: 1})


def test_a_convolution_has_a_name_for_each_channel():
    with pytest.raises(ValueError, match=r"each of the 3 channels. Received: names=\['a'\]"):
        plot_raster(convolution(), names=["a"])


@pytest.mark.parametrize("rows", [40, 400, 40_000])
def test_dots_are_seen_at_any_number_of_rows(rows):
    """At half the size of a file, 100 dots per inch, a dot covers more than a pixel."""
    spikes = np.zeros((50, rows), "float32")
    spikes[10, 3] = 1
    dots = points(plot_raster(spikes).axes[0])
    assert np.sqrt(dots.get_sizes()[0]) / 72 * 100 > 1.5
    assert dots.get_alpha() == 1


def test_dots_of_a_crowded_raster_are_transparent():
    spikes = np.random.default_rng(0).random((200, 2000)) < 0.2
    dots = points(plot_raster(spikes).axes[0])
    assert 0.2 < dots.get_alpha() < 0.5


def test_the_winner_among_many_rows_is_marked():
    spikes = np.zeros((10, 40), "float32")
    spikes[2, 5] = spikes[3, 7] = 1
    (ax,) = plot_raster(spikes, winner=7, label=5).axes
    colours = points(ax).get_facecolors()
    np.testing.assert_allclose(colours, [to_rgba(style.OTHER), to_rgba(style.WRONG)])
    (band,) = ax.patches
    assert (band.get_y(), band.get_height()) == (6.5, 1)
