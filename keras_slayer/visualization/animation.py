"""Recordings of event cameras as films."""

from __future__ import annotations

import base64
import html
import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_slayer import checks
from keras_slayer.visualization import film
from keras_slayer.visualization.event_cloud import EventCloud, colour
from keras_slayer.visualization.style import (
    FAINT,
    INK,
    OFF,
    ON,
    OTHER,
    check_path,
    new_figure,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from keras_slayer.events import Events

SUFFIXES = (".gif", ".mp4", ".html")
_DPI = 100
_MARGIN, _BOTTOM = 8, 20  # pixels beside and below the image
_LINE, _LETTER, _BOLD = 19, 7.0, 8.2  # pixels of a line, of a letter and of a bold one, about
_NARROWEST = 220  # pixels: less has no room for time and legend
_SAMPLED = 64  # frames that the scale of colours is taken from


def animate_events(
    events_or_spikes: Events | Mapping[str, ArrayLike] | ArrayLike,
    path: str | os.PathLike | None = None,
    *,
    dt: float = 20.0,
    fps: float = 25.0,
    speed: float | None = None,
    spike_dt: float = 1.0,
    region: tuple[float, float] | None = None,
    sensor_shape: tuple[int, ...] | None = None,
    size: int = 360,
    max_frames: int = 500,
    title: str | None = None,
) -> EventAnimation:
    """A recording of an event camera as a film: blue for ON events, red for OFF.

    A frame shows the events of `dt` ms, and the film has `fps` frames a second: it runs at
    `dt * fps / 1000` times the speed of the recording, at half of it by default. The heading says
    so, and the time of each frame.

    In a notebook the result shows itself, as a GIF. Frames are drawn when they are written; of a
    long recording only the events are kept in memory.

    Args:
        events_or_spikes: as in `plot_events`.
        path: file to write as well: .gif; .mp4, for which the program ffmpeg has to be installed;
            or .html, a page with buttons and a slider that needs no network. The file appears
            whole or not at all.
        dt: ms of the recording in a frame.
        fps: frames a second, up to 50. GIFs count in hundredths of a second.
        speed: 1 for real time, 0.1 for ten times slower; it sets `dt` to `1000 * speed / fps`.
        spike_dt: ms per step of a spike tensor; a stream has times of its own.
        region: (start, stop) in ms, stop excluded; by default the whole recording.
        sensor_shape: (height, width) of a stream's sensor; by default what its events cover.
        size: longer side of the image in pixels, about: each pixel of the sensor becomes a square
            of pixels, or of a large sensor a square of them becomes one, which the heading says.
        max_frames: frames at most. A longer recording is cut there, and the heading says so.
        title: start of the heading.

    Returns:
        The film. Its `save(path)` writes it to further files.

    Raises:
        ValueError: a recording that `plot_events` refuses, another suffix, a number out of its
            range.
        RuntimeError: .mp4 without ffmpeg, or an ffmpeg that fails.
    """
    check_path(path, SUFFIXES)
    fps = checks.number(fps, "fps", high=50.0, open_low=True)
    if speed is not None:
        dt = 1000 * checks.number(speed, "speed", open_low=True) / fps
    dt = checks.number(dt, "dt", open_low=True)
    size = checks.integer(size, "size", low=16, high=4000)
    max_frames = checks.integer(max_frames, "max_frames", low=1, high=100_000)
    cloud = EventCloud.of(events_or_spikes, spike_dt, sensor_shape)
    start, stop = cloud.region(region)
    wanted = max(math.ceil((stop - start) / dt - 1e-9), 1)
    animation = EventAnimation(cloud, start, stop, dt, fps, min(wanted, max_frames), size, title)
    if path is not None:
        animation.save(path)
    return animation


class EventAnimation:
    """A film of a recording, from `animate_events`.

    Attributes:
        frames: how many frames it has.
        fps: frames a second.
        cut: whether the recording goes on after the last frame.
        heading: the lines over the frames.
    """

    def __init__(self, cloud, start, stop, dt, fps, frames: int, size: int, title: str | None):
        self._start, self._dt, self.fps, self.frames = start, dt, fps, frames
        end = start + frames * dt
        cloud, shrink = _shrink(cloud.between(start, end), size)
        self._cloud = cloud.select(np.argsort(cloud.t, kind="stable"))
        self._zoom = max(1, round(size / max(cloud.height, cloud.width)))
        self.cut = end < stop
        facts = f"{dt * fps / 1000:.3g}x real time"
        if self.cut:
            facts += f", first {frames * dt / 1000:.3g} s of {(stop - start) / 1000:.3g} s"
        if shrink > 1:
            facts += f", {shrink} x {shrink} pixels in one"
        self.heading = facts if title is None else f"{title}\n{facts}"
        self._gif: bytes | None = None

    @property
    def seconds(self) -> float:
        """How long the film runs."""
        return self.frames / self.fps

    def save(self, path: str | os.PathLike) -> pathlib.Path:
        """Writes the film to a .gif, .mp4 or .html file; see `animate_events`."""
        check_path(path, SUFFIXES)
        film.write(path, self._film)
        return pathlib.Path(path)

    def _repr_html_(self) -> str:
        if self._gif is None:
            self._gif = film.gif(self._film)
        data = base64.b64encode(self._gif).decode()
        return f'<img src="data:image/gif;base64,{data}" alt="{html.escape(self.heading)}">'

    @property
    def _film(self) -> film.Film:
        title = self.heading.replace("\n", ", ")
        return film.Film(self.images, self.frames, self.fps, title)

    def images(self, numbers: Iterable[int] | None = None) -> Iterator[np.ndarray]:
        """Frames, by default all, one after the other, as bytes `(height, width, 3)`."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        sampled = np.unique(np.linspace(0, self.frames - 1, _SAMPLED).astype(int))
        totals = np.stack([self._counts(i).sum(axis=0) for i in sampled])
        # Not the strongest pixels: one event has to be seen as long as the frame lasts.
        full = max(np.median(totals[totals > 0]), 1) if totals.any() else 1
        figure, picture, time, bar = self._stage()
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        background = canvas.copy_from_bbox(figure.bbox)
        decimals = max(0, -math.floor(math.log10(self._dt)))
        for number in range(self.frames) if numbers is None else numbers:
            picture.set_data(colour(self._counts(number), full))
            time.set_text(f"{self._start + number * self._dt:,.{decimals}f} ms")
            bar.set_width((number + 1) / self.frames)
            canvas.restore_region(background)
            for artist in (picture, time, bar):
                artist.axes.draw_artist(artist)
            yield np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _counts(self, number: int) -> np.ndarray:
        """Events of each pixel in a frame, `(2, height, width)`."""
        edges = self._start + self._dt * np.array([number, number + 1])
        first, last = np.searchsorted(self._cloud.t, edges)
        return self._cloud.select(slice(first, last)).counts()

    def _stage(self):
        """A figure with what all frames share, and the artists that change."""
        rows, columns = self._cloud.height, self._cloud.width
        height, width = self._zoom * rows, self._zoom * columns
        lines = self.heading.split("\n")
        top = _LINE * (len(lines) + 1) + 8
        text = max(_LETTER * len(lines[-1]), *(_BOLD * len(line) for line in ["", *lines[:-1]]))
        across = max(width, _NARROWEST, round(text)) + 2 * _MARGIN
        across, down = (side + side % 2 for side in (across, height + top + _BOTTOM))  # for mp4
        figure = new_figure(across / _DPI, down / _DPI)
        figure.set_layout_engine("none")
        figure.set_dpi(_DPI)

        def axes(left, bottom, wide, high, **options):
            place = (left / across, bottom / down, wide / across, high / down)
            return figure.add_axes(place, xticks=[], yticks=[], **options)

        left = (across - width) // 2
        axes(left - 1, _BOTTOM - 1, width + 2, height + 2).spines[:].set_color(FAINT)
        ax = axes(left, _BOTTOM, width, height)
        ax.set_axis_off()
        blank = np.ones((rows, columns, 3))
        picture = ax.imshow(blank, interpolation="nearest", aspect="auto", animated=True)
        ax = axes(left, 8, width, 4, facecolor=FAINT)
        (bar,) = ax.barh([0.5], [0], height=1, color=OTHER, animated=True)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.spines[:].set_visible(False)
        ax = axes(_MARGIN, down - top, across - 2 * _MARGIN, top, xlim=(0, 1), ylim=(top, 0))
        ax.set_axis_off()
        style = {"va": "center", "fontsize": 9, "color": INK}
        for number, line in enumerate(lines):
            weight = "bold" if number < len(lines) - 1 else "normal"
            ax.text(0, (number + 0.6) * _LINE, line, fontweight=weight, **style)
        place, bold = top - 0.7 * _LINE, {**style, "fontsize": 11, "fontweight": "bold"}
        time = ax.text(0, place, "", animated=True, **bold)
        for x, name, shade in ((1 - 46 / (across - 2 * _MARGIN), "ON", ON), (1.0, "OFF", OFF)):
            ax.text(x, place, name, ha="right", **{**bold, "color": shade})
        return figure, picture, time, bar


def _shrink(cloud: EventCloud, size: int) -> tuple[EventCloud, int]:
    """A cloud of at most 1.5 times `size` pixels a side; how many pixels a side became one."""
    factor = math.ceil(max(cloud.height, cloud.width) / (1.5 * size))
    if factor == 1:
        return cloud, 1
    height, width = -(-cloud.height // factor), -(-cloud.width // factor)
    smaller = {"x": cloud.x // factor, "y": cloud.y // factor, "height": height, "width": width}
    return cloud._replace(**smaller), factor
