"""The pictures."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer.visualization.event_cloud import (
    EventCloud,
    draw_image,
    draw_input,
    draw_space_time,
)
from keras_slayer.visualization.style import (
    INK,
    ON,
    OTHER,
    RIGHT,
    WRONG,
    heading,
    new_figure,
    save,
    style_axes,
)

if TYPE_CHECKING:
    from keras.callbacks import History
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

    from keras_slayer.events import Events

_SUFFIXES = (".png", ".svg", ".pdf")
_NAMED_ROWS = 32  # a raster with more rows has no room for a name and a count on each


def plot_events(
    events_or_spikes: Events | Mapping[str, ArrayLike] | ArrayLike,
    *,
    dt: float = 1.0,
    title: str | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """One recording of an event camera: in space and time, and as the image it adds up to.

    Args:
        events_or_spikes: a stream with fields or keys `x`, `y`, `t` (microseconds) and `polarity`
            (0 OFF, 1 ON), such as `keras_slayer.events.Events`; or spikes of one sample,
            `(time, height, width, channels)` with channels OFF, ON, or a single one.
        dt: ms per step of a spike tensor; a stream has times of its own.
        title: heading.
        figure: Figure or SubFigure to draw into; a new one by default.

    Returns:
        The figure, with four panels: space-time, x over time, y over time, image.

    Raises:
        ValueError: spikes of another rank or with more than 2 channels, fields of unequal length.
    """
    cloud = EventCloud.of(events_or_spikes, dt)
    figure = figure or new_figure(10, 3.6)
    grid = figure.add_gridspec(2, 3, width_ratios=[1.5, 1.2, 1], wspace=0.08)
    draw_space_time(figure.add_subplot(grid[:, 0], projection="3d"), cloud, zoom=1.12)
    for row, (name, extent) in enumerate((("x", cloud.width), ("y", cloud.height))):
        ax = figure.add_subplot(grid[row, 1])
        places = getattr(cloud, name)
        ax.scatter(cloud.t, places, s=0.8, c=cloud.colours, linewidths=0, rasterized=True)
        ax.set(xlim=(0, cloud.duration), ylim=(-0.5, extent - 0.5), ylabel=f"{name} (pixels)")
        if name == "y":
            ax.invert_yaxis()
            ax.set_xlabel("time (ms)")
        style_axes(ax)
    ax = figure.add_subplot(grid[:, 2])
    draw_image(ax, cloud)
    ax.set(xlabel="x (pixels)", ylabel="y (pixels)")
    heading(figure, title)
    return figure


def plot_raster(
    spikes: ArrayLike,
    *,
    dt: float = 1.0,
    names: Sequence[str] | None = None,
    winner: int | None = None,
    label: int | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> FigureBase:
    """Spike trains, one row per neuron, time in milliseconds from left to right.

    Args:
        spikes: spikes of one sample, `(time, neurons)`; further axes are flattened.
        dt: ms per step.
        names: a name for each row; numbers by default.
        winner: row to highlight (the neuron that fired most, say), in red where `label` is another.
        label: row of the true class, marked with a triangle.
        title: heading.
        ax: axes to draw into; a new figure by default.

    Returns:
        The figure. Up to 32 rows carry their name and their spike count.

    Raises:
        ValueError: spikes of rank below 2, names of another number, a row that does not exist.
    """
    spikes = np.asarray(spikes, dtype="float32")
    if spikes.ndim < 2:
        raise ValueError(
            "`spikes` must be one sample of shape (time, neurons). "
            f"Received: spikes.shape={spikes.shape}"
        )
    spikes = spikes.reshape(len(spikes), -1)
    steps, rows = spikes.shape
    for argument, row in (("winner", winner), ("label", label)):
        if row is not None and not 0 <= row < rows:
            raise ValueError(
                f"`{argument}` must be a row of the raster, 0 to {rows - 1}. "
                f"Received: {argument}={row}"
            )
    if names is not None and len(names) != rows:
        raise ValueError(f"`names` must name each of the {rows} rows. Received: names={names!r}")
    ax = ax or new_figure(6, 3.6).add_subplot()
    step, row = np.nonzero(spikes)
    ax.set(xlim=(0, steps * dt), ylim=(rows - 0.5, -0.5), xlabel="time (ms)", ylabel="neuron")
    style_axes(ax)
    if rows <= _NAMED_ROWS:
        accent = RIGHT if label in (None, winner) else WRONG
        colours = np.full(rows, INK if winner is None else OTHER)
        colours[np.arange(rows) == winner] = accent
        ax.vlines(step * dt, row - 0.36, row + 0.36, colors=colours[row], linewidth=1.0)
        if winner is not None:
            ax.axhspan(winner - 0.5, winner + 0.5, color=accent, alpha=0.10, linewidth=0)
        _name_rows(ax, spikes.sum(axis=0), names or range(rows), winner, accent)
    else:
        size = np.clip(240 / rows, 0.4, 2.0) ** 2
        ax.scatter(step * dt, row, s=size, c=INK, linewidths=0, rasterized=True)
    if label is not None:
        place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        ax.annotate(
            "\u25b6", (0, label), (-6, 0), ha="center", va="center", size=7, color=INK, **place
        )
        ax.tick_params(axis="y", pad=10)
    heading(ax, title)
    return ax.figure


def plot_history(
    history: History | Mapping[str, Sequence[float]],
    *,
    metric: str | None = None,
    title: str | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """Learning curves: loss, and below it a metric, of training and validation.

    Args:
        history: what `model.fit` returned, or its `history` dictionary.
        metric: name of the metric; by default the first accuracy, or else the first metric.
        title: heading.
        figure: Figure or SubFigure to draw into; a new one by default.

    Returns:
        The figure, with one panel where the history has no metric.

    Raises:
        ValueError: a history without a loss, or without the metric asked for.
    """
    logs = getattr(history, "history", history)
    if not isinstance(logs, Mapping) or not len(logs.get("loss", [])):
        raise ValueError(
            "`history` must be what `model.fit` returned, after at least one epoch. "
            f"Received: history={history!r}"
        )
    others = [k for k in logs if k not in ("loss", "learning_rate") and not k.startswith("val_")]
    if metric is not None and metric not in others:
        raise ValueError(f"`metric` must be one of {others}. Received: metric={metric!r}")
    metric = metric or next((k for k in others if "acc" in k), next(iter(others), None))
    curves = ["loss"] if metric is None else ["loss", metric]
    figure = figure or new_figure(5, 4)
    axes = figure.subplots(len(curves), squeeze=False, sharex=True)[:, 0]
    for ax, name in zip(axes, curves, strict=True):
        _draw_curve(ax, logs, name, start=next(iter(getattr(history, "epoch", [])), 0))
    axes[-1].set_xlabel("epoch")
    heading(figure, title)
    return figure


def summary_figure(
    path: str | os.PathLike,
    *,
    input_spikes: Events | Mapping[str, ArrayLike] | ArrayLike,
    output_spikes: ArrayLike,
    label: int,
    history: History | Mapping[str, Sequence[float]],
    dt: float = 1.0,
    names: Sequence[str] | None = None,
) -> pathlib.Path:
    """Draw a network at work, what goes in, what comes out and how it learned, to a file.

    Args:
        path: file to write, .png (2000 pixels wide), .svg or .pdf by its suffix. Missing folders
            are made. The file appears whole or not at all.
        input_spikes: one sample: `(time, height, width, channels)` or an event stream, as in
            `plot_events`, or `(time, neurons)`, drawn as a raster.
        output_spikes: the network's `(time, classes)` for that sample.
        label: its true class.
        history: what `model.fit` returned, or its `history` dictionary.
        dt: ms per step.
        names: names of the classes; numbers by default.

    Returns:
        The path.

    Raises:
        ValueError: another suffix, or arguments of the wrong shape (see the other functions).
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"`path` must end in {', '.join(_SUFFIXES)}. Received: path={str(path)!r}")
    figure = new_figure(10, 4)
    left, middle, right = figure.subfigures(1, 3, width_ratios=[1.2, 1.15, 1], wspace=0.03)
    if getattr(input_spikes, "ndim", 0) == 2:
        plot_raster(input_spikes, dt=dt, title="Input spikes", ax=left.add_subplot())
    else:
        draw_input(left, EventCloud.of(input_spikes, dt))
    counts = np.asarray(output_spikes, dtype="float32").sum(axis=0).ravel()
    winner, ax = int(counts.argmax()), middle.add_subplot()
    plot_raster(output_spikes, dt=dt, names=names, winner=winner, label=label, ax=ax)
    ax.set_ylabel("class")
    names = names or range(counts.size)
    verdict = "correct" if winner == label else f"should be {names[label]}"
    heading(middle, f"Output: {names[winner]}, {verdict}")
    plot_history(history, title="Learning", figure=right)
    save(figure, path)
    return path


def _draw_curve(ax, logs, name: str, start: int):
    """One quantity over epochs, training and validation, each with its last value."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    percent = "acc" in name
    for key, text, colour in ((name, "train", OTHER), (f"val_{name}", "validation", ON)):
        values = np.asarray(logs.get(key, []), dtype=float)
        if not values.size:
            continue
        # With validation_freq=n Keras logs the validation of every nth epoch only.
        every = max(len(logs[name]) // values.size, 1)
        epochs = start + every * np.arange(1, values.size + 1)
        last = f"{values[-1]:.1%}" if percent else f"{values[-1]:.3g}"
        marker = "o" if values.size <= 30 else None
        ax.plot(epochs, values, color=colour, marker=marker, ms=2.5, lw=1.6, label=f"{text} {last}")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    if percent:
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylabel("accuracy" if percent else name.replace("_", " "))
    ax.legend(fontsize=8, frameon=False, labelcolor="linecolor", handlelength=1.2)
    style_axes(ax)


def _name_rows(ax, counts, names, winner, accent):
    """Each row's name on the left and its spike count on the right, the winner's in `accent`."""
    size = 8 if len(counts) <= 16 else 6
    ax.set_yticks(range(len(counts)), [str(name) for name in names])
    ax.tick_params(axis="y", length=0)
    margin = {"xytext": (20, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    place = ("axes fraction", "data")
    for row, count in enumerate(counts):
        style = {"color": accent, "weight": "bold"} if row == winner else {"color": INK}
        ax.get_yticklabels()[row].set(size=size, **style)
        ax.annotate(f"{count:g}", (1, row), xycoords=place, size=size, **margin, **style)
    ax.annotate("spikes", (1, -0.75), xycoords=place, size=7, color=INK, **margin)
