"""plot_spike_trains: what it draws dark, what red, and what the headings say."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from keras_slayer.visualization.spike_trains import plot_spike_trains
from keras_slayer.visualization.style import INK, WRONG


def rasters(neurons):
    """Target and output: neuron 0 is met, neuron 1 missed, neuron 2 spurious."""
    target, output = np.zeros((2, 30, neurons))
    target[10, 0] = output[11, 0] = 1
    target[12, 1] = 1
    output[20, 2] = 1
    return target, output


def drawn(ax):
    """{colour: [(time, neuron), ...]} of one panel."""
    places = {}
    for collection in ax.collections:
        if isinstance(collection, LineCollection):
            colours = collection.get_colors()
            points = [(path[0][0], path[:, 1].mean()) for path in collection.get_segments()]
        else:
            assert isinstance(collection, PathCollection)
            colours, points = collection.get_facecolors(), collection.get_offsets()
        if len(points):
            places[to_hex(colours[0])] = [tuple(float(v) for v in point) for point in points]
    return places


@pytest.mark.parametrize("neurons", [3, 100])
def test_what_differs_is_red(neurons):
    target, output = rasters(neurons)
    figure = plot_spike_trains(target, output, tolerance=2.0)
    left, right = figure.axes
    ink, wrong = INK.lower(), WRONG.lower()
    assert drawn(left) == {ink: [(10.0, 0.0)], wrong: [(12.0, 1.0)]}
    assert drawn(right) == {ink: [(11.0, 0.0)], wrong: [(20.0, 2.0)]}
    assert left.get_title(loc="left") == "Target: 2 spikes, 50.0% met within 2 ms"
    assert right.get_title(loc="left") == "Output: 2 spikes, 50.0% spurious"


def test_times_and_tolerance_are_in_milliseconds():
    target, output = rasters(3)
    left, right = plot_spike_trains(target, output, tolerance=0.4, dt=0.5).axes
    assert drawn(right) == {WRONG.lower(): [(5.5, 0.0), (10.0, 2.0)]}
    assert left.get_xlim() == (0.0, 15.0)


def test_origin():
    target, output = rasters(3)
    assert plot_spike_trains(target, output).axes[0].get_ylim() == (2.5, -0.5)
    lower = plot_spike_trains(target, output, origin="lower").axes
    assert [ax.get_ylim() for ax in lower] == [(-0.5, 2.5)] * 2


def test_draws_into_a_figure_and_flattens_images():
    figure = Figure()
    target, output = rasters(4)
    shape = (30, 2, 2)
    result = plot_spike_trains(
        target.reshape(shape), output.reshape(shape), title="Both", figure=figure
    )
    assert result is figure
    assert figure.get_suptitle() == "Both"
    assert drawn(figure.axes[1])[WRONG.lower()] == [(20.0, 2.0)]


@pytest.mark.parametrize(
    ("target", "output", "options", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), {}, "must have the same shape"),
        (np.zeros(5), np.zeros(5), {}, "must be spikes of shape"),
        (np.zeros((5, 2)), np.zeros((5, 2)), {"origin": "left"}, "origin='left'"),
    ],
)
def test_rejects(target, output, options, message):
    with pytest.raises(ValueError, match=message):
        plot_spike_trains(target, output, **options)
