"""plot_traces: potential, threshold, spikes and current of the neurons chosen."""

import numpy as np
import pytest
from visualization_cases import mpl, network, network_input, texts, to_rgba

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


def recorded(**options):
    model, x = network(), network_input()
    return ks.record(model, x, **options)


def test_a_recorded_layer_is_drawn_with_all_that_was_recorded():
    layers = recorded()
    layer = layers["hidden"]
    figure = plot_traces(layer, sample=2, neurons=[5])
    potential, current = figure.axes
    times, values = curve(potential, style.INK)
    np.testing.assert_array_equal(times, 2.0 * np.arange(20))  # the dt of its neurons
    np.testing.assert_array_equal(values, layer.membrane[2, :, 5])
    np.testing.assert_allclose(curve(potential, style.OFF)[1], layer.threshold)
    np.testing.assert_allclose(spike_times(potential), 2.0 * np.flatnonzero(layer.spikes[2, :, 5]))
    assert layer.spikes[2, :, 5].any()
    (area,) = current.collections
    drawn = area.get_datalim(current.transData).y1
    assert drawn == pytest.approx(layer.current[2, :, 5].max())
    given = plot_traces(layer, dt=1.0, threshold=7.0, neurons=[5]).axes[0]
    assert curve(given, style.INK)[0][-1] == 19 and curve(given, style.OFF)[1][0] == 7
    with pytest.raises(ValueError, match=r"Received: a record with those of \['conv', 'hidden'"):
        plot_traces(layers)
    with pytest.raises(ValueError, match=r"0 to 3. Received: sample=4"):
        plot_traces(layer, sample=4)


def test_a_record_of_one_layer_and_of_potentials_alone():
    layers = recorded(probe="membrane", layers="conv")
    (ax,) = plot_traces(layers, neurons=[1]).axes
    np.testing.assert_array_equal(
        curve(ax, style.INK)[1], layers["conv"].membrane[0].reshape(20, -1)[:, 1]
    )
    assert "spikes" not in texts(ax.figure) and "threshold" in texts(ax.figure)
    with pytest.raises(AttributeError, match=r"of hidden .* was not recorded: .*probe='membrane'"):
        plot_traces(recorded(probe="spikes")["hidden"])


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
