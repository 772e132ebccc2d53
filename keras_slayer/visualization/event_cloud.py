"""Event recordings as points in space and time."""

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from keras_slayer.visualization.style import FAINT, INK, OFF, ON, OTHER, PANE, heading, style_axes


class EventCloud(NamedTuple):
    """Events as points: times in ms, columns, rows, ON flags; and the extent of the recording."""

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    on: np.ndarray
    duration: float
    height: int
    width: int

    @classmethod
    def of(cls, source, dt: float) -> "EventCloud":
        fields = ("x", "y", "t", "polarity")
        if hasattr(source, "polarity"):
            source = {name: getattr(source, name) for name in fields}
        if isinstance(source, Mapping):
            x, y, t, on = columns = [np.asarray(source[name]) for name in fields]
            if {column.shape for column in columns} != {(x.size,)}:
                shapes = ", ".join(
                    f"{n}.shape={c.shape}" for n, c in zip(fields, columns, strict=True)
                )
                raise ValueError(
                    f"The fields of an event stream must be vectors of equal length. "
                    f"Received: {shapes}"
                )
            duration = math.ceil(t.max(initial=1) / 1000)
            height, width = int(y.max(initial=0)) + 1, int(x.max(initial=0)) + 1
            return cls(t / 1000, x.astype(int), y.astype(int), on > 0, duration, height, width)
        spikes = np.asarray(source)
        if spikes.ndim != 4 or spikes.shape[-1] not in (1, 2):
            raise ValueError(
                "An event recording must be a stream with x, y, t and polarity, or spikes of "
                "shape (time, height, width, channels) with 1 or 2 channels. "
                f"Received: an array of shape {spikes.shape}"
            )
        steps, height, width, channels = spikes.shape
        step, y, x, channel = np.nonzero(spikes)
        return cls(step * dt, x, y, channel == channels - 1, steps * dt, height, width)

    @property
    def colours(self):
        return np.where(self.on, ON, OFF)

    def select(self, chosen) -> "EventCloud":
        return self._replace(**{name: getattr(self, name)[chosen] for name in self._fields[:4]})


def draw_input(figure, cloud: EventCloud):
    """Space-time above, and below it the image of each third of the recording."""
    grid = figure.add_gridspec(2, 3, height_ratios=[2, 1])
    draw_space_time(figure.add_subplot(grid[0, :], projection="3d"), cloud, zoom=1.2)
    thirds = itertools.pairwise(np.linspace(0, cloud.duration, 4))
    for column, (start, stop) in enumerate(thirds):
        ax = figure.add_subplot(grid[1, column])
        draw_image(ax, cloud.select((cloud.t >= start) & (cloud.t < stop)))
        ax.set(xticks=[], yticks=[], xlabel=f"{start:.0f} to {stop:.0f} ms")
    heading(figure, f"Input: {cloud.t.size:,} events")


def draw_space_time(ax, cloud: EventCloud, zoom: float):
    """Every event as a point, time running to the right, the image plane standing upright."""
    from matplotlib.ticker import MaxNLocator

    cloud = cloud.select(np.argsort(-cloud.x, kind="stable"))  # near columns over far ones
    style = {"s": 0.9, "linewidths": 0, "depthshade": False, "rasterized": True}
    ax.scatter(cloud.t, cloud.x, cloud.y, c=cloud.colours, **style)
    ax.set(xlim=(0, cloud.duration), ylim=(0, cloud.width), zlim=(cloud.height, 0))
    ax.view_init(elev=16, azim=-62)
    ax.set_box_aspect((2.0, 1, 1), zoom=zoom)
    for axis, name, pad in (
        (ax.xaxis, "time (ms)", 2),
        (ax.yaxis, "x (px)", -2),
        (ax.zaxis, "y (px)", -6),
    ):
        axis.set_label_text(name, fontsize=9, color=INK)
        axis.labelpad = pad
        axis.set_pane_color(PANE)
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        axis.line.set_color(OTHER)
    ax.tick_params(labelsize=7, pad=-2, colors=INK)
    ax.grid(False)
    for colour, name in ((ON, "ON"), (OFF, "OFF")):
        ax.plot([], [], [], ".", color=colour, label=name)
    ax.legend(
        loc="upper right", fontsize=8, frameon=False, labelcolor="linecolor", handlelength=0.5
    )


def draw_image(ax, cloud: EventCloud):
    """How often each pixel fired: blue for ON, red for OFF, their mixture where both did."""
    from matplotlib.colors import to_rgb

    counts = np.zeros((2, cloud.height, cloud.width))
    np.add.at(counts, (cloud.on.astype(int), cloud.y, cloud.x), 1)
    total = counts.sum(axis=0)
    colours = np.array([to_rgb(OFF), to_rgb(ON)])
    mixture = np.einsum("pyx,pc->yxc", counts / np.maximum(total, 1), colours)
    strength = np.clip(total / max(np.percentile(total, 98), 1), 0, 1)[..., None]
    ax.imshow(1 - strength * (1 - mixture), interpolation="nearest")
    style_axes(ax)
    ax.spines[:].set(visible=True, color=FAINT)
