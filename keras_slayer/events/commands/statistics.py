"""Figures of a recording that is read in chunks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_slayer.events.stream import Events

WINDOW_MICROSECONDS = 10_000
# A hot pixel fires so many times as often as 99 % of the pixels that fire at all.
HOT_FACTOR, HOT_PERCENTILE = 10, 99
_SIDE = 1 << 16


class Tally:
    """How often each of some whole numbers was there, in the order of the numbers."""

    def __init__(self):
        self.values = np.zeros(0, np.int64)
        self.counts = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self.values.size

    def add(self, values: np.ndarray) -> None:
        """Counts them, too."""
        new, counts = np.unique(values, return_counts=True)
        self.values, places = np.unique(np.concatenate([self.values, new]), return_inverse=True)
        totals = np.zeros(len(self), np.int64)
        np.add.at(totals, places, np.concatenate([self.counts, counts]))
        self.counts = totals


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
    windows: Tally = dataclasses.field(default_factory=Tally)
    pixels: Tally = dataclasses.field(default_factory=Tally)

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
        self.windows.add(chunk.t // WINDOW_MICROSECONDS)
        self.pixels.add(chunk.y.astype(np.int64) * _SIDE + chunk.x)

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
        busiest = int(np.argmax(self.windows.counts))
        start = int(self.windows.values[busiest]) * WINDOW_MICROSECONDS - self.first
        rate = int(self.windows.counts[busiest]) * 1e6 / WINDOW_MICROSECONDS
        return rate, max(start, 0) / 1e6

    def hot_pixels(self) -> list[tuple[int, int, int]]:
        """(x, y, events) of pixels that fire far more often than the others, the hottest first."""
        counts, places = self.pixels.counts, self.pixels.values
        if not len(counts):
            return []
        hot = np.flatnonzero(counts > HOT_FACTOR * np.percentile(counts, HOT_PERCENTILE))
        hot = hot[np.argsort(-counts[hot], kind="stable")].tolist()
        return [(int(places[i]) % _SIDE, int(places[i]) // _SIDE, int(counts[i])) for i in hot]
