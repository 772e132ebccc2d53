"""Maps of delays."""

import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.visualization.delay_map import plot_delay_maps

DELAYS = np.arange(24.0).reshape(2, 3, 4) + 0.9


def images(figure):
    """What each map shows, without the colour bar."""
    return [ax.images[0] for ax in figure.axes if ax.images]


def test_draws_a_map_for_each_channel_in_whole_steps(tmp_path):
    path = tmp_path / "delays.png"
    figure = plot_delay_maps(DELAYS, path, dt=2.0, names="abcd", columns=3, title="Delays")
    maps = images(figure)
    assert [image.axes.get_title() for image in maps] == list("abcd")
    for channel, image in enumerate(maps):
        np.testing.assert_array_equal(image.get_array(), DELAYS[..., channel] // 2 * 2)
        assert image.get_clim() == (0, 22)  # one scale for all
    assert path.stat().st_size > 5_000


def test_takes_a_layer_and_its_time_step():
    layer = ks.DelayLayer(per="neuron", dt=4.0)
    layer.build((None, 10, 2, 3, 4))
    layer.delay.assign(DELAYS)
    figure = plot_delay_maps(layer, longest=62.0)
    np.testing.assert_array_equal(images(figure)[1].get_array(), DELAYS[..., 1] // 4 * 4)
    assert images(figure)[0].get_clim() == (0, 62)


def test_draws_delays_that_are_all_zero():
    assert images(plot_delay_maps(np.zeros((2, 2, 1))))[0].get_clim() == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delays": np.zeros((2, 3))}, r"Received: an array of shape \(2, 3\)"),
        ({"delays": -DELAYS}, "finite delays >= 0"),
        ({"delays": ks.DelayLayer(9.0)}, "DelayLayer that is built.*delays=<DelayLayer"),
        ({"delays": DELAYS, "names": "abc"}, "each of the 4 maps. Received: 'abc'"),
        ({"delays": DELAYS, "path": "x.png", "figure": object()}, "both `path` and `figure`"),
    ],
)
def test_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_delay_maps(**arguments)
