"""plot_traces: potential, threshold, spikes and current of the neurons chosen."""

import numpy as np
import pytest
from visualization_cases import mpl, texts, to_rgba

import keras_slayer as ks
from keras_slayer.visualization import plot_traces, style

MEMBRANE = np.random.default_rng(0).normal(size=(30, 6))
SPIKES = (MEMBRANE > 1).astype("float32")


def curve(ax, colour):
    (line,) = [line for line in ax.lines if line.get_color() == colour and len(line.get_xdata())]
    return line.get_xdata(), line.get_ydata()


def spike_times(ax):
    (ticks,) = [c for c in ax.collections if isinstance(c, mpl.collections.LineCollection)]
    assert {tuple(colour) for colour in ticks.get_colors()} <= {to_rgba(style.ON)}
    return [float(segment[0][0]) for segment in ticks.get_segments()]


def test_each_neuron_has_its_potential_threshold_and_spikes():
    limits = np.arange(6.0) + 1
    figure = plot_traces(MEMBRANE, SPIKES, threshold=limits, dt=2.0, neurons=[4, 1], title="Two")
    assert [ax.get_ylabel() for ax in figure.axes] == ["neuron 4", "neuron 1"]
    for ax, neuron in zip(figure.axes, [4, 1], strict=True):
        times, values = curve(ax, style.INK)
        np.testing.assert_array_equal(times, 2.0 * np.arange(30))
        np.testing.assert_array_equal(values, MEMBRANE[:, neuron])
        np.testing.assert_array_equal(curve(ax, style.OFF)[1], [limits[neuron]] * 30)
        np.testing.assert_allclose(spike_times(ax), 2.0 * np.flatnonzero(SPIKES[:, neuron]))
        assert ax.get_xlim() == (0, 60)
        # The spikes stand above all of the potential.
        top = max(values.max(), limits[neuron])
        assert ax.transLimits.transform((0, top))[1] < 0.86
    assert figure.axes[-1].get_xlabel() == "time (ms)" and "Two" in texts(figure)
    assert {"membrane potential", "threshold", "spikes"} <= set(texts(figure))


def test_current_has_a_panel_below_each_potential():
    figure = plot_traces(MEMBRANE, current=2 * MEMBRANE, neurons=[3], names=["left"])
    assert [ax.get_ylabel() for ax in figure.axes] == ["left", "current"]
    (area,) = figure.axes[1].collections
    assert area.get_datalim(figure.axes[1].transData).y1 == 2 * MEMBRANE[:, 3].max()
    assert {"threshold", "spikes"}.isdisjoint(texts(figure))


def test_by_default_the_neurons_that_fire_most():
    spikes = np.zeros((30, 6))
    for neuron, count in enumerate([0, 3, 0, 9, 1, 2]):
        spikes[:count, neuron] = 1
    shown = [ax.get_ylabel() for ax in plot_traces(MEMBRANE, spikes).axes]
    assert shown == ["neuron 1", "neuron 3", "neuron 4", "neuron 5"]
    shown = [ax.get_ylabel() for ax in plot_traces(MEMBRANE).axes]
    assert shown == [f"neuron {i}" for i in range(4)]


def test_what_a_neuron_fires_is_drawn_and_a_threshold_may_move():
    neuron = ks.ALIF()
    spikes, membrane = neuron.fire(np.full((1, 50, 2, 1), 3.0, "float32"))
    moving = np.linspace(1, 2, 50)[:, None] * np.ones(2)
    figure = plot_traces(membrane[0], spikes[0], threshold=moving)
    assert len(figure.axes) == 2
    for ax in figure.axes:
        assert len(spike_times(ax)) == int(np.sum(spikes)) / 2 > 1
        np.testing.assert_array_equal(curve(ax, style.OFF)[1], moving[:, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"membrane": np.zeros(30)}, r"\(time, neurons\). Received: membrane.shape=\(30,\)"),
        ({"spikes": SPIKES[:, :2]}, r"\(30, 6\) when flattened. Received: spikes.shape=\(30, 2\)"),
        ({"current": SPIKES[:9]}, r"Received: current.shape=\(9, 6\)"),
        ({"threshold": [1.0, 2.0]}, r"each of the 6 neurons.*threshold.shape=\(2,\)"),
        ({"neurons": [6]}, r"neurons\[...\] must be an integer in \[0, 5\]"),
        ({"neurons": []}, "1 to 24 numbers. Received: 0 of them"),
        ({"neurons": [0], "names": ["a", "b"]}, r"1 neurons drawn. Received: names=\['a', 'b'\]"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_traces(**{"membrane": MEMBRANE, **arguments})
