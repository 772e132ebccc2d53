"""What all Recordings made from one set share: its entries, its sensor, what could not be read."""

import concurrent.futures
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator

from keras_slayer.events.recordings.columns import Columns, Info
from keras_slayer.events.recordings.errors import (
    MISTAKES,
    RecordingError,
    RecordingsWarning,
    naming,
)
from keras_slayer.events.recordings.sensor import Sensor
from keras_slayer.events.recordings.sources import Entry

ON_ERROR = ("raise", "skip")
# Each holds a recording, or a chunk of one.
_MOST_THREADS = 8


def parallel(function: Callable, items: Iterable) -> Iterator:
    """`map` by threads, in order."""
    with concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        yield from pool.map(function, items)


class Shared:
    """A set of recordings.

    Args:
        entries: the recordings.
        sensor_shape: `(height, width, channels)`, `(neurons,)` or None.
        on_error: "raise" or "skip": what happens with recordings that cannot be read.
        source: where they are from, in words.
    """

    def __init__(self, entries: list[Entry], sensor_shape, on_error: str, source: str):
        if on_error not in ON_ERROR:
            raise ValueError(
                f'`on_error` must be "raise" or "skip". Received: on_error={on_error!r}'
            )
        self.entries = tuple(entries)
        self.sensor = Sensor(sensor_shape, self._infos)
        self.skips = on_error == "skip"
        self.source = source
        self.skipped: dict[int, str] = {}
        self._lock = threading.Lock()
        self._warned = 0

    def attempt(self, function: Callable, entry: Entry):
        """`function(entry)`, or None where it fails and the recording is to be skipped.

        Raises:
            RecordingError: it fails, and errors are to be raised; names the recording.
        """
        try:
            with naming(entry.number, entry.source.name):
                return function(entry)
        except RecordingError as error:
            if not self.skips or isinstance(error.__cause__, MISTAKES):
                raise
            with self._lock:
                self.skipped[entry.number] = str(error)
            return None

    def call(self, function: Callable, entry: Entry):
        """`function()`, whose errors name the recording and are never skipped."""
        with naming(entry.number, entry.source.name):
            return function()

    def read(self, entry: Entry) -> Columns:
        """All events of a recording, which must be of the sensor."""
        found = entry.source.read()
        self.sensor.check(found.info)
        return found

    def open(self, entry: Entry) -> Columns:
        """As `read`, for single windows."""
        found = entry.source.open()
        self.sensor.check(found.info)
        return found

    def warn(self, stacklevel: int = 2) -> None:
        """Warns of recordings that were skipped since the last warning."""
        with self._lock:
            messages = [self.skipped[number] for number in sorted(self.skipped)]
            if len(messages) == self._warned:
                return
            self._warned = len(messages)
        more = "" if len(messages) <= 3 else f"\n... and {len(messages) - 3} more"
        warnings.warn(
            f"{len(messages)} of {len(self.entries)} recordings could not be read and were "
            "skipped; the attribute `skipped` lists them:\n" + "\n".join(messages[:3]) + more,
            RecordingsWarning,
            stacklevel=stacklevel + 1,
        )

    def _infos(self) -> Iterator[Info]:
        """What is known of each recording that can be read."""

        def info(entry):
            return self.attempt(lambda entry: entry.source.info(), entry)

        for position, entry in enumerate(self.entries):
            first = info(entry)
            if first is not None:
                yield first
                rest = parallel(info, self.entries[position + 1 :])
                yield from (other for other in rest if other is not None)
                return
        raise ValueError(
            f"No recording can be read: {next(iter(self.skipped.values()))}. "
            f"Received: {len(self.entries)} recordings"
        )
