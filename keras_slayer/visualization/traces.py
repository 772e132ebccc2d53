"""Membrane potentials of single neurons."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer import checks
from keras_slayer.neurons.time_constants import DEFAULT_DT
from keras_slayer.recorded import LayerRecord
from keras_slayer.visualization.recording import check_sample
from keras_slayer.visualization.style import (
    INK,
    OFF,
    ON,
    OTHER,
    heading,
    save,
    start_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

_CHOSEN = 4  # neurons drawn where the user chooses none
_MOST = 24  # more are too low to be read


def plot_traces(
    membrane: ArrayLike | LayerRecord | Mapping[str, LayerRecord],
    spikes: ArrayLike | None = None,
    *,
    threshold: ArrayLike | None = None,
    current: ArrayLike | None = None,
    dt: float | None = None,
    sample: int = 0,
    neurons: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """The membrane potential of single neurons over time, with threshold and spikes.

    `keras_slayer.record(model, x)` records all that is drawn: pass one of its layers. Or pass
    arrays of one sample, as `neuron.fire(z)` returns them for a batch.

    Args:
        membrane: what `record` gave for a layer, or for a model of which one layer was recorded
            with its membrane potential; then spikes, threshold, current and dt come with it, as far
            as they were recorded and are not given here. Or membrane potentials `(time, neurons)`;
            further axes are flattened.
        spikes: spikes of the same shape, drawn as lines above the potential.
        threshold: what the potential has to reach: one number, one per neuron, or `(time,
            neurons)`. A dashed line.
        current: synaptic input of the same shape as `membrane`, in a panel of its own below.
        dt: ms per step; 1 where nothing says.
        sample: number of the sample of a record.
        neurons: numbers of the neurons to draw, from top to bottom; by default the four with the
            most spikes, or without `spikes` the first four.
        names: a name for each neuron drawn; "neuron 3" by default.
        title: heading.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure: for each neuron a panel, and one for its current.

    Raises:
        ValueError: arrays of other shapes, neurons that do not exist or more than 24; both `path`
            and `figure`.
    """
    if isinstance(membrane, LayerRecord | Mapping):
        layer = _layer(membrane)
        check_sample(layer.membrane, sample)
        given = {"spikes": spikes, "current": current, "threshold": threshold, "dt": dt}
        membrane, spikes, current, threshold, dt = _recorded(layer, sample, given)
    dt = DEFAULT_DT if dt is None else dt
    membrane = _flat(membrane, "membrane")
    spikes = _like(spikes, "spikes", membrane)
    current = _like(current, "current", membrane)
    threshold = _threshold(threshold, membrane)
    chosen = _choose(neurons, membrane.shape[1], spikes)
    if names is not None and len(names) != len(chosen):
        raise ValueError(
            f"`names` must name each of the {len(chosen)} neurons drawn. Received: names={names!r}"
        )
    names = [f"neuron {i}" for i in chosen] if names is None else names
    panels = 1 if current is None else 2
    figure = start_figure(path, figure, 8, 0.5 + len(chosen) * (1.0 + 0.7 * panels) * 0.75)
    heights = ([2, 1] if panels == 2 else [1]) * len(chosen)
    axes = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    times = np.arange(len(membrane)) * dt
    for ax, i, name in zip(axes[::panels], chosen, names, strict=True):
        limit = None if threshold is None else threshold[:, i]
        _draw(ax, times, membrane[:, i], limit, None if spikes is None else spikes[:, i] != 0)
        ax.set_ylabel(name)
    if current is not None:
        for ax, i in zip(axes[1::2], chosen, strict=True):
            ax.fill_between(times, current[:, i], step="post", color=OTHER, alpha=0.5, linewidth=0)
            ax.axhline(0, color=OTHER, linewidth=0.6)
            ax.set_ylabel("current")
    for ax in axes:
        style_axes(ax)
        ax.locator_params(axis="y", nbins=4)
    axes[-1].set(xlim=(0, len(membrane) * dt), xlabel="time (ms)")
    figure.align_ylabels(axes)
    _explain(axes[0], threshold is not None, spikes)
    heading(figure, title)
    save(figure, path)
    return figure


def _layer(record) -> LayerRecord:
    """The layer of a record that is drawn."""
    if isinstance(record, LayerRecord):
        return record
    layers = [name for name, layer in record.items() if "membrane" in layer.probes]
    if len(layers) != 1:
        raise ValueError(
            "a record must have one layer with a membrane potential, or give one of its layers: "
            f"`plot_traces(record[name])`. Received: a record with those of {layers}"
        )
    return record[layers[0]]


def _recorded(layer: LayerRecord, sample: int, given: dict):
    """Membrane, spikes, current, threshold and dt of a sample: as given, else as recorded."""
    recorded = [name for name in ("spikes", "current") if name in layer.probes]
    own = {name: getattr(layer, name)[sample] for name in recorded}
    own = {**own, "threshold": layer.threshold, "dt": layer.dt}
    own.update({name: value for name, value in given.items() if value is not None})
    return layer.membrane[sample], *map(own.get, ("spikes", "current", "threshold", "dt"))


def _flat(array, name: str) -> np.ndarray:
    array = np.asarray(array, dtype=float)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(
            f"`{name}` must be of one sample, of shape (time, neurons). "
            f"Received: {name}.shape={array.shape}"
        )
    return array.reshape(len(array), -1)


def _like(array, name: str, membrane: np.ndarray) -> np.ndarray | None:
    if array is None:
        return None
    array = _flat(array, name)
    if array.shape != membrane.shape:
        raise ValueError(
            f"`{name}` must have the shape of `membrane`, {membrane.shape} when flattened. "
            f"Received: {name}.shape={array.shape}"
        )
    return array


def _threshold(threshold, membrane: np.ndarray) -> np.ndarray | None:
    """The threshold of each neuron at each step."""
    if threshold is None:
        return None
    threshold = np.asarray(threshold, dtype=float)
    if threshold.ndim > 2:
        threshold = threshold.reshape(len(threshold), -1)
    if threshold.shape not in ((), (membrane.shape[1],), membrane.shape):
        raise ValueError(
            f"`threshold` must be a number, one for each of the {membrane.shape[1]} neurons, or "
            f"have the shape of `membrane`. Received: threshold.shape={threshold.shape}"
        )
    return np.broadcast_to(threshold, membrane.shape)


def _choose(neurons, there: int, spikes) -> list[int]:
    if neurons is None:
        counts = np.zeros(there) if spikes is None else (spikes != 0).sum(axis=0)
        return sorted(np.argsort(-counts, kind="stable")[:_CHOSEN].tolist())
    neurons = list(neurons)
    if not 1 <= len(neurons) <= _MOST:
        raise ValueError(
            f"`neurons` must be 1 to {_MOST} numbers. Received: {len(neurons)} of them"
        )
    return [checks.integer(i, "neurons[...]", low=0, high=there - 1) for i in neurons]


def _draw(ax, times, membrane, threshold, spikes):
    ax.plot(times, membrane, color=INK, linewidth=1.1)
    if threshold is not None:
        ax.plot(times, threshold, color=OFF, linewidth=1.0, linestyle=(0, (5, 3)))
    # Room above for the spikes, so that none hides the potential.
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.22 * (high - low))
    if spikes is not None:
        place = ax.get_xaxis_transform()
        ax.vlines(times[spikes], 0.86, 0.99, color=ON, linewidth=1.3, transform=place)


def _explain(ax, threshold: bool, spikes):
    """What the lines are, over the first panel."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=INK, linewidth=1.1, label="membrane potential")]
    if threshold:
        style = {"color": OFF, "linestyle": (0, (5, 3)), "linewidth": 1.0}
        lines.append(Line2D([], [], label="threshold", **style))
    if spikes is not None:
        style = {"color": ON, "marker": "|", "linestyle": "", "markersize": 7, "markeredgewidth": 1}
        lines.append(Line2D([], [], label="spikes", **style))
    ax.legend(
        handles=lines,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(lines),
        fontsize=8,
        frameon=False,
        labelcolor=INK,
        borderaxespad=0,
    )
