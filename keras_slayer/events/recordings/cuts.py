"""How a recording is cut into windows, and what labels those have."""

import dataclasses
import math

import numpy as np

from keras_slayer.events.recordings.columns import Columns
from keras_slayer.events.recordings.sensor import is_count
from keras_slayer.events.recordings.sources import Entry

_SECOND = 1_000_000  # us
# A recording of 1 s has its last event a little before its end, and still is a window of 1 s.
_MISSING_SHARE = 0.01
# Of one recording; a day in steps of 10 ms has 8.6 million. One wrong time makes billions.
_MOST_WINDOWS = 10_000_000


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of one recording: vectors of one length.

    The events `first` .. `last` - 1 of the recording, with times from `begin` on (microseconds).
    """

    first: np.ndarray
    last: np.ndarray
    begin: np.ndarray
    label: np.ndarray

    def select(self, index) -> "Windows":
        return Windows(*(getattr(self, f.name)[index] for f in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class Slices:
    """Windows of equal length, in microseconds or (`by_count`) in events."""

    size: int
    stride: int
    by_count: bool
    partial: str
    origin: str
    overlap: float
    background: int | None = None

    def with_background(self, label: int) -> "Slices":
        """The same, with a class for windows that no interval covers enough."""
        return dataclasses.replace(self, background=label)

    def of(self, entry: Entry, found: Columns) -> Windows:
        """The windows of a recording."""
        t = found.events.t
        zero = found.info.first if self.origin == "first" else 0
        if self.by_count:
            first = window_starts(0, len(t), self.size, self.stride, self.partial)
            last = np.minimum(first + self.size, len(t))
            begin, end = (t[first], t[last - 1] + 1) if len(first) else (first, first)
        else:
            begin = _time_starts(found.info, zero, self.size, self.stride, self.partial)
            end = begin + self.size
            first, last = np.searchsorted(t, begin), np.searchsorted(t, end)
        if entry.label is not None:
            return Windows(first, last, begin, np.full(len(first), entry.label))
        label = self._labels(_in_microseconds(entry, found, zero), begin, end)
        windows = Windows(first, last, begin, label)
        return windows.select(label >= 0)

    def _labels(self, intervals, begin, end) -> np.ndarray:
        """The class that covers most of each window; -1 where none covers enough."""
        classes = sorted({label for *_, label in intervals})
        nothing = -1 if self.background is None else self.background
        if not classes:
            return np.full(len(begin), nothing)
        covered = np.zeros((len(begin), len(classes)))
        for start, stop, label in intervals:
            common = np.minimum(end, stop) - np.maximum(begin, start)
            covered[:, classes.index(label)] += np.maximum(common, 0)
        covered /= np.maximum(end - begin, 1)[:, np.newaxis]
        best = covered.argmax(axis=1)
        enough = (covered.max(axis=1) >= self.overlap) & (covered.max(axis=1) > 0)
        return np.where(enough, np.asarray(classes)[best], nothing)

    def __str__(self) -> str:
        if self.by_count:
            return f"{self.size:,} events, stride {self.stride:,}"
        return f"{self.size / _SECOND:g} s, stride {self.stride / _SECOND:g} s"


@dataclasses.dataclass(frozen=True)
class Trials:
    """One window for each labelled interval."""

    origin: str

    def of(self, entry: Entry, found: Columns) -> Windows:
        """The windows of a recording."""
        zero = found.info.first if self.origin == "first" else 0
        rows = np.array(_in_microseconds(entry, found, zero), np.int64).reshape(-1, 3)
        begin, end, label = rows.T
        t = found.events.t
        return Windows(np.searchsorted(t, begin), np.searchsorted(t, end), begin, label)

    def __str__(self) -> str:
        return "one for each labelled interval"


def check_slices(window, stride, count, partial, origin, overlap) -> Slices:
    """The arguments of `Recordings.slice`, checked."""
    if (window is None) == (count is None):
        raise ValueError(
            "Slices need a `window` in seconds or a `count` of events, not both. "
            f"Received: window={window}, count={count}"
        )
    by_count = count is not None
    size = count if by_count else window
    lengths = {
        "count" if by_count else "window": size,
        "stride": size if stride is None else stride,
    }
    for name, value in lengths.items():
        good = is_count(value) if by_count else is_number(value) and value * _SECOND >= 1
        if not good:
            what = "a positive number of events" if by_count else "seconds, at least 0.000001"
            raise ValueError(f"`{name}` must be {what}. Received: {name}={value}")
    if partial not in ("drop", "keep"):
        raise ValueError(f'`partial` must be "drop" or "keep". Received: partial={partial!r}')
    check_origin(origin)
    if not is_number(overlap) or not 0 <= overlap <= 1:
        raise ValueError(f"`overlap` must be a number from 0 to 1. Received: overlap={overlap}")
    size, stride = (int(v) if by_count else round(float(v) * _SECOND) for v in lengths.values())
    return Slices(size, stride, by_count, partial, origin, overlap)


def check_origin(origin) -> None:
    """ValueError unless `origin` is one that exists."""
    if origin not in ("first", "zero"):
        raise ValueError(f'`origin` must be "first" or "zero". Received: origin={origin!r}')


def is_number(value) -> bool:
    """Whether it is a finite number."""
    kinds = (int, float, np.integer, np.floating)
    number = isinstance(value, kinds) and not isinstance(value, bool)
    return number and math.isfinite(value)


def window_starts(
    begin: int, end: int, size: int, stride: int, partial: str, missing: int = 0
) -> np.ndarray:
    """Where the windows begin: `begin`, `begin + stride`, ...

    They end by `end + missing`. `partial="keep"` adds the next one where it holds something that
    no window before it does.
    """
    full = max((end + missing - begin - size) // stride + 1, 0)
    starts = begin + stride * np.arange(full + 1, dtype=np.int64)
    covered = starts[-2] + size if full else begin
    keep = partial == "keep" and starts[-1] < end and covered < end
    return starts if keep else starts[:-1]


def _time_starts(info, zero, size, stride, partial) -> np.ndarray:
    """Where the windows of a recording begin, in microseconds.

    Raises:
        ValueError: there would be more than `_MOST_WINDOWS`.
    """
    if not info.count:
        return np.zeros(0, np.int64)
    # A window before the first event holds nothing; a clock may count from 1970.
    skipped = max((info.first - zero - size) // stride + 1, 0)
    begin, missing = zero + skipped * stride, int(_MISSING_SHARE * size)
    windows = (info.last - begin) // stride + 1
    if windows > _MOST_WINDOWS:
        raise ValueError(
            f"a recording may have {_MOST_WINDOWS:,} windows, and this one has {windows:,}: its "
            f"events are from {info.first / _SECOND:,g} s to {info.last / _SECOND:,g} s. Is the "
            "time of the first or last event wrong? Drop that event, in the "
            "`reader` of from_folder for example. Else choose a longer stride. "
            f"Received: stride={stride / _SECOND:g} s"
        )
    return window_starts(begin, info.last + 1, size, stride, partial, missing)


def _in_microseconds(entry, found, zero) -> list[tuple[int, int, int]]:
    """The intervals in the clock of the recording.

    Raises:
        ValueError: one that holds nothing of the recording.
    """
    info, intervals = found.info, []
    for start, stop, label in entry.intervals:
        begin, end = (zero + round(seconds * _SECOND) for seconds in (start, stop))
        if info.count and (end <= info.first or begin > info.last):
            duration = (info.first - zero) / _SECOND, (info.last - zero) / _SECOND
            raise ValueError(
                f"the interval from {start:g} s to {stop:g} s is outside of the recording, which "
                f"lasts from {duration[0]:g} s to {duration[1]:g} s. origin='first' counts from "
                "the first event, origin='zero' in the clock of the file, both in seconds. "
                f"Received: interval=({start:g}, {stop:g})"
            )
        intervals.append((begin, end, label))
    return intervals
