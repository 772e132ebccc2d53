"""A recording as columns in order of time, in memory or mapped from files."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from keras_slayer.events.stream import DTYPES, FIELDS, Events

_INFO = "info.json"
FORMAT = 1  # of the packed columns; part of the name of what is cached


@dataclasses.dataclass(frozen=True)
class Info:
    """What is known of a recording without its events.

    `first` and `last` are times in microseconds. `sensor_shape` is `(height, width)` where the
    reader knows it. Of a recording without events, all but `count` are 0 or None.
    """

    count: int = 0
    first: int = 0
    last: int = 0
    max_x: int = 0
    max_y: int = 0
    max_polarity: int = 0
    sensor_shape: tuple[int, int] | None = None

    def with_chunk(self, events: Events) -> "Info":
        """Of the events so far and the next ones."""
        shape = getattr(events, "sensor_shape", None)  # not all readers know it
        shape = self.sensor_shape if shape is None else tuple(int(n) for n in shape[:2])
        if not len(events):
            return dataclasses.replace(self, sensor_shape=shape)
        first, last = int(events.t.min()), int(events.t.max())
        return Info(
            count=self.count + len(events),
            first=min(self.first, first) if self.count else first,
            last=max(self.last, last) if self.count else last,
            max_x=max(self.max_x, int(events.x.max())),
            max_y=max(self.max_y, int(events.y.max())),
            max_polarity=max(self.max_polarity, int(events.polarity.max())),
            sensor_shape=shape,
        )


@dataclasses.dataclass(frozen=True)
class Columns:
    """All events of a recording, in order of time; their arrays may be mapped from files."""

    events: Events
    info: Info


def in_order(chunks: Iterable[Events]) -> Iterator[Events]:
    """The same events in order of time, in pieces. One piece is held back at a time.

    Raises:
        ValueError: an event is earlier than those of the chunk before the last one.
    """
    held, latest = None, None

    def checked(piece):
        nonlocal latest
        if latest is not None and piece.t[0] < latest:
            raise ValueError(
                f"time runs backwards by more than a chunk: {piece.t[0]} us after {latest} us. "
                "Put the file in order, or give a `reader` that returns all events at once"
            )
        latest = piece.t[-1]
        return piece

    for chunk in chunks:
        if not len(chunk):
            continue
        if (chunk.t[1:] < chunk.t[:-1]).any():
            chunk = chunk.sorted()
        if held is None:
            held = chunk
        elif chunk.t[0] >= held.t[-1]:
            yield checked(held)
            held = chunk
        else:
            both, size = join([held, chunk]).sorted(), len(held)
            yield checked(both[:size])
            held = both[size:]
    if held is not None:
        yield checked(held)


def join(pieces: list[Events]) -> Events:
    """One after the other."""
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return Events(x=[], t=[])
    return Events(*(np.concatenate([getattr(p, name) for p in pieces]) for name in FIELDS))


def in_memory(chunks: Iterable[Events]) -> Columns:
    """All of a recording, in order of time."""
    chunks = list(chunks)
    events, fields = join(list(in_order(chunks))), []
    for name in FIELDS:
        view = getattr(events, name).view()
        view.flags.writeable = False  # as of mapped columns: they may be read again
        fields.append(view)
    return Columns(Events(*fields), info_of(chunks))


def info_of(chunks: Iterable[Events]) -> Info:
    """Of a recording that is not kept."""
    info = Info()
    for chunk in chunks:
        info = info.with_chunk(chunk)
    return info


def write(folder: pathlib.Path, chunks: Iterable[Events]) -> None:
    """Writes a recording into an empty folder: a `.npy` file for each field, and what is known.

    At most two chunks are in memory.
    """
    info, files = Info(), {}

    def noted():
        nonlocal info
        for chunk in chunks:
            info = info.with_chunk(chunk)
            yield chunk

    try:
        for name in FIELDS:
            files[name] = (folder / f"{name}.npy").open("xb")
            _write_header(files[name], name, 0)
        for piece in in_order(noted()):
            for name, file in files.items():
                file.write(np.ascontiguousarray(getattr(piece, name)).data)
        for name, file in files.items():
            file.seek(0)
            _write_header(file, name, info.count)
    finally:
        for file in files.values():
            file.close()
    (folder / _INFO).write_text(json.dumps(dataclasses.asdict(info)))


def mapped(folder: pathlib.Path) -> Columns | None:
    """What `write` has written, mapped and not read. None where it is absent or damaged."""
    try:
        fields = json.loads((folder / _INFO).read_text())
        shape = fields.pop("sensor_shape")
        info = Info(**fields, sensor_shape=shape if shape is None else tuple(shape))
        if not info.count:
            return Columns(Events(x=[], t=[]), info)
        columns = [_map_column(folder / f"{name}.npy", name, info.count) for name in FIELDS]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Columns(Events(*columns), info)


def _map_column(path: pathlib.Path, name: str, count: int) -> np.ndarray:
    """One field of a recording; ValueError where the file does not have its size.

    `np.load` parses the header as Python, which takes longer than the rest, and in Python 3.11.7
    fails now and then where several threads do it (SystemError: AST constructor recursion depth).
    """
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        offset = int.from_bytes(file.read(2), "little") + file.tell()
        dtype = np.dtype(DTYPES[name])
        if os.fstat(file.fileno()).st_size != offset + count * dtype.itemsize:
            raise ValueError(f"{path} should have {count} events")
        return np.memmap(file, dtype, "r", offset, (count,))


def _write_header(file, name: str, count: int) -> None:
    """NumPy's header; it leaves room for the digits of any number of events."""
    header = {"descr": np.dtype(DTYPES[name]).str, "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, header)
