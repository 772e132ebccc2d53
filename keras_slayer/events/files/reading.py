"""`read_events`: a file of any format."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import overload

from keras_slayer.events.files import registry
from keras_slayer.events.files.checks import checked
from keras_slayer.events.files.joining import cut, join
from keras_slayer.events.files.recording import DAMAGED, Source
from keras_slayer.events.stream import Events


@overload
def read_events(path: str | os.PathLike, *, chunk: None = None, **arguments) -> Events: ...
@overload
def read_events(path: str | os.PathLike, *, chunk: int, **arguments) -> Iterator[Events]: ...
def read_events(
    path: str | os.PathLike,
    *,
    format: str | None = None,
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
    fix_time: bool = False,
    chunk: int | None = None,
    damaged: str = "error",
    **options,
) -> Events | Iterator[Events]:
    """Reads an event file of any format that `formats()` lists.

    Args:
        path: the file.
        format: name of the format. None recognises it by the first bytes of the file; by the
            suffix for formats without a header (`.bin`, `.bs1`, `.bs2`, `.bs3`, `.csv`, `.txt`).
        sensor_shape: `(height, width)`, `(height, width, channels)` or `(neurons,)`. Events
            outside of it are an error. None takes the size in the file's header, if it has one.
        ordered: whether times that run backwards are an error. (The events of a `.bs1` raster
            are often not in order.)
        fix_time: sort the events by time, as `Events.sorted()` does. Needs the whole recording,
            so it does not go together with `chunk`.
        chunk: None reads the whole file. A number gives an iterator of `Events`, each of so many
            events, the last one of fewer. `formats()` tells for which formats this takes memory for
            a chunk only; the others are read at once and then cut.
        damaged: "error" raises a ValueError where a word is cut off at the end of the file or has
            no known meaning. "skip" leaves it out, with an `EventFileWarning` that says how much
            is missing. HDF5, NumPy and text files are read whole or not at all.
        options: of one format. `columns="t,x,y,p"` names the columns of a text file or of an array
            without names. `time_unit` is "s", "ms", "us" or "ns" for times in text, NumPy and HDF5
            files; None expects whole microseconds. `camera` is "dvs128", "davis240", "davis346" or
            "davis640" for AEDAT 2.0. `stream` is a number for AEDAT 4, `group` a name for HDF5.

    Returns:
        The `Events` in the order of the file, with times in microseconds and, where it is known,
        `sensor_shape`. Overflows of the timer are added up. With `chunk`, an iterator of them.

    Raises:
        ValueError: a truncated or damaged file, an event off the sensor, time running backwards,
            an unknown format; with file and byte offset.
        ImportError: a package is missing; the message names the extra that installs it.
        TypeError: an option that the format does not have.
    """
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"`chunk` must be a positive integer or None. Received: chunk={chunk!r}")
    if fix_time and (ordered or chunk is not None):
        raise ValueError(
            "`fix_time` sorts a whole recording: leave `ordered` and `chunk` out with it. "
            f"Received: fix_time=True, ordered={ordered}, chunk={chunk}"
        )
    if damaged not in DAMAGED:
        raise ValueError(f'`damaged` must be "error" or "skip". Received: damaged={damaged!r}')
    path = pathlib.Path(path)
    streams = _streams(path, format, sensor_shape, ordered, chunk is None, damaged, options)
    shape = next(streams)
    if chunk is not None:
        return cut(streams, chunk)
    events = join(streams, shape)
    return events.sorted() if fix_time else events


def _streams(path, format, sensor_shape, ordered, whole, damaged, options) -> Iterator:
    """Gives the shape of the sensor first, and then the events.

    So its first step opens the file and says what is wrong with the arguments, though the events
    are read later. The file is closed when the iterator is at its end or given up.
    """
    one = registry.of_file(path, format)
    with open(path, "rb") as file:
        unknown = sorted(set(options) - set(one.options))
        if unknown:
            raise TypeError(
                f"Files of the format {one.name} have the options {list(one.options)}. "
                f"Received: {', '.join(f'{name}={options[name]!r}' for name in unknown)}"
            )
        source = Source(file, str(path), path, whole, damaged)
        recording = one.open(source, **options)
        shape = recording.sensor_shape if sensor_shape is None else tuple(sensor_shape)
        yield None if shape is None or len(shape) < 2 else shape[:2]
        yield from checked(recording, source.name, sensor_shape, ordered)
