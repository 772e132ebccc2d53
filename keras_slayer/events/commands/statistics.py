"""Figures of a recording that is read in chunks."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable

import numpy as np

from keras_slayer.events.stream import Events

WINDOW_MICROSECONDS = 10_000
# A hot pixel fires so many times as often as 99 % of the pixels that fire at all.
HOT_FACTOR, HOT_PERCENTILE = 10, 99
_SIDE = 1 << 16


@dataclasses.dataclass
class Statistics:
    """Counts over a recording.

    Attributes:
        events: how many.
        first, last: earliest and latest time in microseconds.
        on: events with a polarity other than 0.
        backwards: events that are earlier than the one before.
        width, height: the smallest sensor that holds all events.
        sensor_shape: `(height, width)`, where the file tells it.
        windows: events in each 10 ms that have any.
        pixels: events of each pixel that has any, by 65536 y + x.
    """

    events: int = 0
    first: int = 0
    last: int = 0
    on: int = 0
    backwards: int = 0
    width: int = 0
    height: int = 0
    sensor_shape: tuple[int, int] | None = None
    windows: Counter = dataclasses.field(default_factory=Counter)
    pixels: Counter = dataclasses.field(default_factory=Counter)

    @classmethod
    def of(cls, chunks: Iterable[Events]) -> Statistics:
        counts, before = cls(), None
        for chunk in chunks:
            counts._add(chunk, before)
            before = int(chunk.t[-1])
        return counts

    def _add(self, chunk: Events, before: int | None) -> None:
        first, last = int(chunk.t.min()), int(chunk.t.max())
        self.first = min(self.first, first) if self.events else first
        self.last = max(self.last, last) if self.events else last
        self.events += len(chunk)
        self.on += int(np.count_nonzero(chunk.polarity))
        steps = np.diff(chunk.t, prepend=chunk.t[0] if before is None else before)
        self.backwards += int(np.count_nonzero(steps < 0))
        self.width = max(self.width, int(chunk.x.max()) + 1)
        self.height = max(self.height, int(chunk.y.max()) + 1)
        self.sensor_shape = chunk.sensor_shape
        _count(self.windows, chunk.t // WINDOW_MICROSECONDS)
        _count(self.pixels, chunk.y.astype(np.int64) * _SIDE + chunk.x)

    @property
    def seconds(self) -> float:
        return (self.last - self.first) / 1e6

    @property
    def mean_rate(self) -> float | None:
        """Events per second; None for a recording without a duration."""
        return self.events / self.seconds if self.seconds else None

    @property
    def peak(self) -> tuple[float, float]:
        """Events per second in the busiest 10 ms, and when those begin, in s from the first."""
        window, count = max(self.windows.items(), key=lambda item: (item[1], -item[0]))
        start = max(window * WINDOW_MICROSECONDS - self.first, 0)
        return count * 1e6 / WINDOW_MICROSECONDS, start / 1e6

    def hot_pixels(self) -> list[tuple[int, int, int]]:
        """(x, y, events) of pixels that fire far more often than the others, the hottest first."""
        if not self.pixels:
            return []
        limit = HOT_FACTOR * np.percentile(list(self.pixels.values()), HOT_PERCENTILE)
        hot = [(place, count) for place, count in self.pixels.most_common() if count > limit]
        return [(place % _SIDE, place // _SIDE, count) for place, count in hot]


def _count(counter: Counter, values: np.ndarray) -> None:
    found, counts = np.unique(values, return_counts=True)
    counter.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
