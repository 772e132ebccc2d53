"""A recording as a strip of images."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer import checks
from keras_slayer.visualization.event_cloud import EventCloud, colour, full_count
from keras_slayer.visualization.style import FAINT, INK, OFF, ON, heading, save, start_figure

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

    from keras_slayer.events import Events

_WIDTH = 10.0  # inches


def plot_frames(
    events_or_spikes: Events | Mapping[str, ArrayLike] | ArrayLike,
    n: int = 8,
    *,
    dt: float = 1.0,
    region: tuple[float, float] | None = None,
    sensor_shape: tuple[int, ...] | None = None,
    columns: int = 8,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """A recording as a strip of `n` images over time, all of equal length and on one scale.

    Blue pixels had ON events, red ones OFF events, and those in between both.

    Args:
        events_or_spikes: as in `plot_events`.
        n: how many images.
        dt: ms per step of a spike tensor; a stream has times of its own.
        region: (start, stop) in ms, stop excluded; by default the whole recording.
        sensor_shape: (height, width) of a stream's sensor; by default what its events cover.
        columns: images in a row at most.
        title: heading; by default the number of events drawn.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure, with an axes for each image.

    Raises:
        ValueError: a recording that `plot_events` refuses, a region without length, `n` off 1 to
            200; both `path` and `figure`.
    """
    n = checks.integer(n, "n", low=1, high=200)
    columns = min(n, checks.integer(columns, "columns", low=1, high=100))
    cloud = EventCloud.of(events_or_spikes, dt, sensor_shape)
    start, stop = cloud.region(region)
    edges = np.linspace(start, stop, n + 1)
    images = [cloud.between(*pair).counts() for pair in itertools.pairwise(edges)]
    full = full_count(np.stack([image.sum(axis=0) for image in images]))

    rows = -(-n // columns)
    side = _WIDTH / max(columns, 4)
    height = rows * (side * min(cloud.height / cloud.width, 2) + 0.25) + 0.35
    figure = start_figure(path, figure, side * columns, height)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    decimals = 0 if (stop - start) / n >= 2 else 1
    for ax, image, first, last in zip(axes, images, edges, edges[1:], strict=False):
        ax.imshow(colour(image, full), interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color(FAINT)
        span = f"{first:,.{decimals}f} to {last:,.{decimals}f} ms"
        ax.set_xlabel(span, fontsize=9 if columns <= 8 else 7, color=INK, labelpad=3)
    for ax in axes[n:]:
        ax.set_axis_off()
    drawn = sum(int(image.sum()) for image in images)
    heading(figure, f"{drawn:,} events" if title is None else title)
    wide, high = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi
    for inches, text, name in ((0.5, "ON", ON), (0.1, "OFF", OFF)):
        style = {"ha": "right", "va": "top", "fontsize": 9, "fontweight": "bold"}
        figure.text(1 - inches / wide, 1 - 0.05 / high, text, color=name, **style)
    save(figure, path)
    return figure
