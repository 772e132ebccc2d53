"""Spike trains beside the trains they should be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer.metrics import match_spikes
from keras_slayer.visualization.style import INK, WRONG, heading, save, start_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

_MARKED_ROWS = 32  # up to here each spike is a line, beyond it a dot


def plot_spike_trains(
    target: ArrayLike,
    output: ArrayLike,
    *,
    tolerance: float = 2.0,
    dt: float = 1.0,
    origin: str = "upper",
    title: str | None = None,
    path: str | os.PathLike | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """A target raster and an output raster side by side, with what differs in red.

    On the left the target, where spikes that the output misses are red; on the right the output,
    where spikes that the target does not have are red (``keras_slayer.match_spikes``). The
    headings count them.

    Args:
        target: target spikes of one sample, `(time, neurons)`; further axes are flattened.
        output: the network's spikes, of the same shape.
        tolerance: ms between a spike and its target within which they match.
        dt: ms per step.
        origin: where neuron 0 is: `"upper"` (as in `plot_raster`) or `"lower"`.
        title: heading of the whole.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure.

    Raises:
        ValueError: shapes that differ or of rank below 2, values other than 0 and 1, another
            origin; both `path` and `figure`.
    """
    if origin not in ("upper", "lower"):
        raise ValueError(f"`origin` must be 'upper' or 'lower'. Received: origin={origin!r}")
    matches = match_spikes(*(_flat(spikes) for spikes in (output, target)), tolerance, dt)
    figure = start_figure(path, figure, 10, 4)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _draw(left, matches.target, matches.target_matched, dt, origin)
    _draw(right, matches.output, matches.output_matched, dt, origin)
    right.set_ylabel("")
    within = f"within {tolerance:g} ms"
    heading(left, f"Target: {matches.target.sum():,} spikes, {matches.matched:.1%} met {within}")
    heading(right, f"Output: {matches.output.sum():,} spikes, {matches.spurious:.1%} spurious")
    heading(figure, title)
    save(figure, path)
    return figure


def _flat(spikes):
    spikes = np.asarray(spikes)
    return spikes if spikes.ndim < 2 else spikes.reshape(len(spikes), -1)


def _draw(ax, spikes, matched, dt: float, origin: str):
    """One raster `(time, neurons)`, the matched spikes dark, the others red."""
    steps, rows = spikes.shape
    edges = (rows - 0.5, -0.5)
    ax.set(
        xlim=(0, steps * dt),
        ylim=edges if origin == "upper" else edges[::-1],
        xlabel="time (ms)",
        ylabel="neuron",
    )
    style_axes(ax)
    for part, colour in ((spikes & matched, INK), (spikes & ~matched, WRONG)):
        step, row = np.nonzero(part)
        if rows <= _MARKED_ROWS:
            ax.vlines(step * dt, row - 0.36, row + 0.36, colors=colour, linewidth=1.2)
        else:
            size = np.clip(240 / rows, 1.2, 2.2) ** 2
            ax.scatter(step * dt, row, s=size, c=colour, linewidths=0, rasterized=True)
