"""Blocks of events made into one stream, or into chunks of one size."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from keras_slayer.events.files.checks import checked
from keras_slayer.events.files.recording import Recording, Source
from keras_slayer.events.stream import FIELDS, Events


def join(streams: Iterable[Events], sensor_shape: Sequence[int] | None = None) -> Events:
    """All events in one stream; `sensor_shape` is that of a stream without blocks."""
    streams = list(streams)
    if len(streams) == 1:
        return streams[0]
    if not streams:
        return Events(x=[], t=np.zeros(0, np.int64), sensor_shape=sensor_shape)
    fields = {name: np.concatenate([getattr(s, name) for s in streams]) for name in FIELDS}
    return Events(**fields, sensor_shape=streams[0].sensor_shape)


def cut(streams: Iterable[Events], size: int) -> Iterator[Events]:
    """The same events in streams of `size` events; the last one may be shorter."""
    waiting, count = [], 0
    for stream in streams:
        start = 0
        while len(stream) - start >= size - count:
            stop = start + size - count
            yield join([*waiting, stream[start:stop]])
            waiting, count, start = [], 0, stop
        if start < len(stream):
            waiting.append(stream[start:])
            count += len(stream) - start
    if waiting:
        yield join(waiting)


def decode(
    data: bytes,
    open_recording: Callable[[Source], Recording],
    *,
    source: str,
    sensor_shape: Sequence[int] | None,
    ordered: bool,
) -> Events:
    """The events of a file that is in memory."""
    opened = open_recording(Source(io.BytesIO(data), source))
    return join(checked(opened, source, sensor_shape, ordered), opened.sensor_shape)
