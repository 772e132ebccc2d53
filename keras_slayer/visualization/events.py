"""One recording of an event camera, as points and as an image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_slayer.visualization.event_cloud import EventCloud, draw_image, draw_space_time
from keras_slayer.visualization.style import heading, save, start_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase
    from numpy.typing import ArrayLike

    from keras_slayer.events import Events


def plot_events(
    events_or_spikes: Events | Mapping[str, ArrayLike] | ArrayLike,
    *,
    dt: float = 1.0,
    sensor_shape: tuple[int, ...] | None = None,
    title: str | None = None,
    path: str | os.PathLike | None = None,
    figure: FigureBase | None = None,
) -> FigureBase:
    """One recording of an event camera: in space and time, and as the image it adds up to.

    Args:
        events_or_spikes: a stream with fields or keys `x`, `y`, `t` (microseconds) and `polarity`
            (0 OFF, 1 ON), such as `keras_slayer.events.Events`; or spikes of one sample,
            `(time, height, width, channels)` with channels OFF, ON, or a single one.
        dt: ms per step of a spike tensor; a stream has times of its own.
        sensor_shape: (height, width) of a stream's sensor; by default what its events cover.
        title: heading.
        path: file to write as well, in a format of its suffix (.png, .svg, .pdf).
        figure: Figure or SubFigure to draw into, then nothing can be written to `path`; a new one
            by default.

    Returns:
        The figure, with four panels: space-time, x over time, y over time, image.

    Raises:
        ValueError: spikes of another rank or with more than 2 channels, fields of unequal length,
            events off the sensor; both `path` and `figure`.
    """
    cloud = EventCloud.of(events_or_spikes, dt, sensor_shape)
    figure = start_figure(path, figure, 10, 3.6)
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
    save(figure, path)
    return figure
