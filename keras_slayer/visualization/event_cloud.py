"""Event recordings as points in space and time."""

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from keras_slayer.visualization.style import FAINT, INK, OFF, ON, OTHER, PANE, heading, style_axes

_LATE = 1e6
"""A first event later than this (us), and than the recording is long, is where time begins."""


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
    def of(cls, source, dt: float, sensor_shape=None) -> "EventCloud":
        """The events of a stream, or of a spike tensor with steps of `dt` ms.

        Times of a stream that count from 1970, or from when the camera was switched on, are
        counted from its first event.
        """
        fields = ("x", "y", "t", "polarity")
        if hasattr(source, "polarity"):
            source = {name: getattr(source, name) for name in fields}
        if isinstance(source, Mapping):
            if not set(fields) <= source.keys():
                raise ValueError(
                    "An event stream must have x, y, t and polarity; as_events makes one of fields "
                    f"of other names. Received: fields {sorted(source)}"
                )
            x, y, t, on = columns = [np.asarray(source[name]) for name in fields]
            if {column.shape for column in columns} != {(x.size,)}:
                shapes = ", ".join(
                    f"{n}.shape={c.shape}" for n, c in zip(fields, columns, strict=True)
                )
                raise ValueError(
                    f"The fields of an event stream must be vectors of equal length. "
                    f"Received: {shapes}"
                )
            x, y = x.astype(int), y.astype(int)
            if t.size and t.min() > max(t.max() - t.min(), _LATE):
                t = t - t.min()
            # Whole ms, and more than the last event has: ends are excluded everywhere.
            duration = math.floor(t.max(initial=0) / 1000) + 1
            seen = (int(y.max(initial=0)) + 1, int(x.max(initial=0)) + 1)
            height, width = _sensor(sensor_shape, seen)
            return cls(t / 1000, x, y, on > 0, duration, height, width)
        spikes = np.asarray(source)
        if spikes.ndim != 4 or spikes.shape[-1] not in (1, 2):
            raise ValueError(
                "An event recording must be a stream with x, y, t and polarity, or spikes of "
                "shape (time, height, width, channels) with 1 or 2 channels. "
                f"Received: an array of shape {spikes.shape}"
            )
        steps, height, width, channels = spikes.shape
        height, width = _sensor(sensor_shape, (height, width))
        step, y, x, channel = np.nonzero(spikes)
        return cls(step * dt, x, y, channel == channels - 1, steps * dt, height, width)

    @property
    def colours(self):
        return np.where(self.on, ON, OFF)

    def select(self, chosen) -> "EventCloud":
        return self._replace(**{name: getattr(self, name)[chosen] for name in self._fields[:4]})

    def between(self, start: float, stop: float) -> "EventCloud":
        """The events from `start` to before `stop`, in ms."""
        return self.select((self.t >= start) & (self.t < stop))

    def counts(self) -> np.ndarray:
        """Events of each pixel, `(2, height, width)`: OFF, ON."""
        places = (self.on.astype(np.int64) * self.height + self.y) * self.width + self.x
        shape = (2, self.height, self.width)
        return np.bincount(places, minlength=math.prod(shape)).reshape(shape)

    def region(self, region) -> tuple[float, float]:
        """`region` checked: (start, stop) in ms; by default from 0 to the end."""
        if region is None:
            return 0.0, float(self.duration)
        try:
            start, stop = (float(edge) for edge in region)
        except (TypeError, ValueError):
            start = stop = math.nan
        if not 0 <= start < stop < math.inf:
            raise ValueError(
                "`region` must be None or (start, stop) in ms with 0 <= start < stop. "
                f"Received: region={region!r}"
            )
        return start, stop


def _sensor(shape, seen: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the sensor; without a shape, what the events were `seen` to cover."""
    if shape is None:
        return seen
    sides = tuple(shape)[:2]
    if len(shape) not in (2, 3) or any(s != int(s) or s < 1 for s in sides):
        raise ValueError(
            "`sensor_shape` must be (height, width) or (height, width, channels). "
            f"Received: sensor_shape={shape!r}"
        )
    if sides[0] < seen[0] or sides[1] < seen[1]:
        raise ValueError(
            f"`sensor_shape` must hold all events, {seen[0]} rows and {seen[1]} columns. "
            f"Received: sensor_shape={shape!r}"
        )
    return int(sides[0]), int(sides[1])


def full_count(totals: np.ndarray) -> float:
    """How many events of a pixel have the full colour, for images of these event counts."""
    return max(np.percentile(totals, 98), 1) if totals.size else 1


def colour(counts: np.ndarray, full: float | None = None) -> np.ndarray:
    """Pixels `(height, width, 3)` of counts `(2, height, width)` of OFF and ON events.

    Blue for ON, red for OFF, their mixture where both were; the paler, the fewer events.
    """
    from matplotlib.colors import to_rgb

    total = counts.sum(axis=0)
    full = full_count(total) if full is None else full
    colours = np.array([to_rgb(OFF), to_rgb(ON)])
    mixture = np.einsum("pyx,pc->yxc", counts / np.maximum(total, 1), colours)
    strength = np.clip(total / full, 0, 1)[..., None]
    return 1 - strength * (1 - mixture)


def draw_input(figure, cloud: EventCloud):
    """Space-time above, and below it the image of each third of the recording."""
    grid = figure.add_gridspec(2, 3, height_ratios=[2, 1])
    draw_space_time(figure.add_subplot(grid[0, :], projection="3d"), cloud, zoom=1.2)
    thirds = itertools.pairwise(np.linspace(0, cloud.duration, 4))
    for column, (start, stop) in enumerate(thirds):
        ax = figure.add_subplot(grid[1, column])
        draw_image(ax, cloud.between(start, stop))
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
    for colour_, name in ((ON, "ON"), (OFF, "OFF")):
        ax.plot([], [], [], ".", color=colour_, label=name)
    ax.legend(
        loc="upper right", fontsize=8, frameon=False, labelcolor="linecolor", handlelength=0.5
    )


def draw_image(ax, cloud: EventCloud, full: float | None = None):
    """How often each pixel fired: blue for ON, red for OFF, their mixture where both did."""
    ax.imshow(colour(cloud.counts(), full), interpolation="nearest")
    style_axes(ax)
    ax.spines[:].set(visible=True, color=FAINT)
