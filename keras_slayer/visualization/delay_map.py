"""Delays as maps: one image for each neuron that reads a picture through delays."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_slayer.visualization.style import INK, heading, save, start_figure

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

    from keras_slayer.layers import DelayLayer

_COLOURS = "cividis"  # even steps of lightness, also for colour-blind readers


def plot_delay_maps(
    delays: DelayLayer | ArrayLike,
    path: str | os.PathLike | None = None,
    *,
    dt: float = 1.0,
    names: Sequence[str] | None = None,
    columns: int | None = None,
    longest: float | None = None,
    title: str | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """The delays of each channel as an image, all on one scale: dark is early, bright is late.

    Args:
        delays: a `DelayLayer(per="neuron")` after an image, or its delays in ms, `(height, width,
            channels)`.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        dt: ms per step: delays are drawn as the layer applies them, in whole steps. A layer has a
            `dt` of its own.
        names: a name over each map; numbers by default.
        columns: maps in a row; as square as it gets by default.
        longest: delay in ms at the bright end of the scale; by default the longest there is.
        title: heading.
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure: an axes for each channel, then the colour bar.

    Raises:
        ValueError: delays of another rank, not finite or negative; names of another number; both
            `path` and `figure`.
    """
    if isinstance(delays, keras.layers.Layer):
        if not hasattr(delays, "delay"):
            raise ValueError(
                "`delays` must be a DelayLayer that is built: part of a model that begins with "
                f"keras.Input, or called once. Received: delays={delays!r}"
            )
        delays, dt = delays.delay, delays.dt
    delays = np.asarray(delays, dtype=float)
    if delays.ndim != 3 or delays.size == 0 or not (np.isfinite(delays) & (delays >= 0)).all():
        raise ValueError(
            "`delays` must be a DelayLayer(per='neuron') after an image, or finite delays >= 0 of "
            f"shape (height, width, channels). Received: an array of shape {delays.shape}"
        )
    maps = np.moveaxis(np.floor(delays / dt) * dt, -1, 0)
    if names is not None and len(names) != len(maps):
        raise ValueError(f"`names` must name each of the {len(maps)} maps. Received: {names!r}")
    columns = columns or math.ceil(math.sqrt(len(maps)))
    rows = -(-len(maps) // columns)
    figure = start_figure(path, figure, 0.95 * columns + 0.8, 1.1 * rows + 0.3)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(maps) :]:
        ax.remove()
    for ax, image, name in zip(axes.flat, maps, names or range(len(maps)), strict=False):
        picture = ax.imshow(image, cmap=_COLOURS, vmin=0, vmax=longest or max(maps.max(), dt))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_title(str(name), fontsize=8, color=INK, pad=2)
    bar = figure.colorbar(picture, ax=list(axes.flat[: len(maps)]), shrink=0.8, pad=0.02)
    bar.set_label("delay (ms)", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    heading(figure, title)
    save(figure, path)
    return figure
