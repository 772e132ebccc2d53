"""plot_rates: distributions, medians, and the shares of silent and saturated neurons."""

import numpy as np
import pytest
from visualization_cases import mpl, network, network_input, to_rgba

import keras_slayer as ks
from keras_slayer.visualization import plot_rates, style


def spikes(rates, batch=2, steps=50):
    """Neurons that fire in exactly these shares of the steps."""
    step = np.arange(steps)[:, None]
    return np.tile(step < np.round(np.asarray(rates) * steps), (batch, 1, 1)).astype("float32")


LAYERS = {
    "first": spikes([0.0, 0.02, 0.02, 0.1, 0.2]),
    "dead": spikes(np.zeros(30)),
    "mad": spikes([0.9, 0.9, 1.0, 0.02]),
}


def column(ax, name):
    """What stands under a heading, from top to bottom, with colours."""
    headings = {text.get_text().strip(): text for text in ax.texts}
    right = headings[name].xyann[0] - 3
    below = [text for text in ax.texts if text.xyann[0] == right]
    below.sort(key=lambda text: text.xy[1])
    return [text.get_text() for text in below], [to_rgba(text.get_color()) for text in below]


def test_each_layer_has_its_shares_and_alarms_are_red():
    (ax,) = plot_rates(LAYERS, title="Rates").axes
    ink, red = to_rgba(style.INK), to_rgba(style.WRONG)
    assert column(ax, "silent") == (["20%", "100%", "0%"], [ink, red, ink])
    assert column(ax, "saturated") == (["0%", "0%", "75%"], [ink, ink, red])
    assert column(ax, "median")[0] == ["0.02", "0", "0.9"]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["first\n5 neurons", "dead\n30 neurons", "mad\n4 neurons"]
    assert np.diff(ax.get_yticks()).tolist() == [1, 1] and ax.yaxis_inverted()
    assert ax.get_title(loc="left") == "Rates" and ax.get_xscale() == "log"


def test_the_distribution_counts_the_neurons_that_fired():
    (ax,) = plot_rates(LAYERS).axes
    stairs = [p for p in ax.patches if isinstance(p, mpl.patches.StepPatch)]
    assert len(stairs) == 2  # the silent layer has none
    for patch, rates in zip(stairs, ([0.02, 0.02, 0.1, 0.2], [0.9, 0.9, 1.0, 0.02]), strict=True):
        tops, edges, base = patch.get_data()
        heights = base - tops
        expected, _ = np.histogram(rates, edges)
        np.testing.assert_allclose(heights, 0.8 * expected / expected.max())
        assert expected.sum() == 4
    medians = [float(c.get_segments()[0][0][0]) for c in ax.collections]
    np.testing.assert_allclose(medians, [0.02, 0.9])


def test_a_model_gives_what_firing_rates_gives():
    model, x = network(), network_input()
    x[:, 6:] = 0
    (ax,) = plot_rates(model, x, saturation=0.2).axes
    rates = ks.firing_rates(model, x, saturation=0.2)
    names = [label.get_text().split("\n")[0] for label in ax.get_yticklabels()]
    assert names == list(rates)
    assert any(0 < layer.silent < 1 for layer in rates.values())
    for quantity in ("silent", "saturated"):
        expected = [getattr(layer, quantity) for layer in rates.values()]
        assert column(ax, quantity)[0] == [f"{share:.0%}" for share in expected]


def test_small_shares_are_not_said_to_be_none():
    (ax,) = plot_rates({"a": spikes([0.0] + [0.1] * 399), "b": spikes([0.1] + [0.0] * 399)}).axes
    assert column(ax, "silent")[0] == ["<1%", ">99%"]


def test_long_names_are_shortened():
    (ax,) = plot_rates({"a" * 40: LAYERS["first"]}).axes
    assert ax.get_yticklabels()[0].get_text() == "a" * 23 + "…\n5 neurons"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spikes_or_model": {}}, "must hold a layer"),
        ({"spikes_or_model": {"a": np.zeros((5, 2))}}, r"Received: 'a' of shape \(5, 2\)"),
        ({"saturation": 2}, "Received: saturation=2"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_rates(**{"spikes_or_model": LAYERS, **arguments})


def test_a_model_needs_a_batch():
    with pytest.raises(ValueError, match="Received: a Sequential and x=None"):
        plot_rates(network())
