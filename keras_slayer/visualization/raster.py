"""Spike rasters."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer.visualization.style import (
    FAINT,
    INK,
    OTHER,
    PANE,
    RIGHT,
    WRONG,
    heading,
    save,
    start_axes,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

_NAMED_ROWS = 32  # a raster with more rows has no room for a name and a count on each
_DOTS = 1.4, 2.2  # points: least and greatest diameter of a spike among more rows
_AREA = 6 * 72 * 3 * 72  # square points that a raster has, about
_COVERED = 0.35  # share of it that dots may cover before they turn transparent
_PALEST = 0.25  # opacity that a dot has at least
_NAMED_CHANNELS = 16


def plot_raster(
    spikes: ArrayLike,
    *,
    dt: float = 1.0,
    names: Sequence[str] | None = None,
    winner: int | None = None,
    label: int | None = None,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    ax: Axes | None = None,
) -> FigureBase:
    """Spike trains, one row per neuron, time in milliseconds from left to right.

    Neuron 0 is on top. The neurons of a convolution are grouped by channel, channel 0 on top, with
    a line between channels; within a channel they are in the order of the image's pixels.

    Args:
        spikes: spikes of one sample, `(time, neurons)`, or `(time, height, width, channels)` of a
            convolution; the axes of other ranks are flattened.
        dt: ms per step.
        names: a name for each row, or for each channel; numbers by default.
        winner: row to highlight (the neuron that fired most, say), in red where `label` is another.
        label: row of the true class, marked with a triangle.
        title: heading.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        ax: axes to draw into, then nothing can be written to `path`; a new figure by default.

    Returns:
        The figure. Up to 32 rows carry their name and their spike count.

    Raises:
        ValueError: spikes of rank below 2, names of another number, a row that does not exist, a
            `winner` or `label` of a convolution; both `path` and `ax`.
    """
    spikes = np.asarray(spikes, dtype="float32")
    if spikes.ndim < 2:
        raise ValueError(
            "`spikes` must be one sample of shape (time, neurons). "
            f"Received: spikes.shape={spikes.shape}"
        )
    steps, shape = len(spikes), spikes.shape[1:]
    channels = shape[2] if len(shape) == 3 and shape[0] * shape[1] > 1 else None
    if channels is not None:
        spikes = np.moveaxis(spikes, -1, 1)
    spikes = spikes.reshape(steps, math.prod(shape))
    rows = spikes.shape[1]
    _check(rows, channels, names, winner, label)
    ax = start_axes(path, ax, 6, 3.6)
    step, row = np.nonzero(spikes)
    ax.set(xlim=(0, steps * dt), ylim=(rows - 0.5, -0.5), xlabel="time (ms)", ylabel="neuron")
    style_axes(ax)
    accent = RIGHT if label in (None, winner) else WRONG
    colours = np.full(rows, INK if winner is None else OTHER)
    colours[np.arange(rows) == winner] = accent
    if rows <= _NAMED_ROWS:
        ax.vlines(step * dt, row - 0.36, row + 0.36, colors=colours[row], linewidth=1.0)
    else:
        size = np.clip(240 / rows, *_DOTS) ** 2
        alpha = np.clip(_COVERED * _AREA / max(size * step.size, 1), _PALEST, 1)
        style = {"s": size, "alpha": alpha, "linewidths": 0, "rasterized": True}
        ax.scatter(step * dt, row, c=colours[row], **style)
    if winner is not None:
        ax.axhspan(winner - 0.5, winner + 0.5, color=accent, alpha=0.10, linewidth=0)
    if channels is not None:
        _separate(ax, rows, channels, names)
    elif rows <= _NAMED_ROWS:
        names = range(rows) if names is None else names
        _name_rows(ax, spikes.sum(axis=0), names, winner, accent)
    if label is not None:
        place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        ax.annotate(
            "\u25b6", (0, label), (-6, 0), ha="center", va="center", size=7, color=INK, **place
        )
        ax.tick_params(axis="y", pad=10)
    heading(ax, title)
    save(ax.figure, path)
    return ax.figure


def _check(rows, channels, names, winner, label):
    for argument, row in (("winner", winner), ("label", label)):
        if row is None:
            continue
        if channels is not None:
            raise ValueError(
                f"`{argument}` must be a row of spikes (time, neurons). "
                f"Received: {argument}={row} and a convolution of {channels} channels"
            )
        if not 0 <= row < rows:
            raise ValueError(
                f"`{argument}` must be a row of the raster, 0 to {rows - 1}. "
                f"Received: {argument}={row}"
            )
    what, number = ("rows", rows) if channels is None else ("channels", channels)
    if names is not None and len(names) != number:
        raise ValueError(
            f"`names` must name each of the {number} {what}. Received: names={names!r}"
        )


def _separate(ax, rows: int, channels: int, names):
    """Every other channel on a pale band, a line between channels, and the name of each."""
    size = rows // channels
    edges = np.arange(channels + 1) * size - 0.5
    for start in edges[1:-1:2]:
        ax.axhspan(start, start + size, color=PANE, linewidth=0, zorder=0)
    if channels <= 4 * _NAMED_CHANNELS:
        for edge in edges[1:-1]:
            ax.axhline(edge, color=FAINT, linewidth=0.6, zorder=0.5)
    every = -(-channels // _NAMED_CHANNELS)
    shown = range(0, channels, every)
    names = [str(i) for i in range(channels)] if names is None else names
    ax.set_yticks([edges[i] + size / 2 for i in shown], [str(names[i]) for i in shown])
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("channel")


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
