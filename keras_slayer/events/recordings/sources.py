"""Where the events of a recording come from: an array, a file or a packed folder."""

import dataclasses
import functools
import os
import pathlib
import threading
import types
from collections.abc import Callable, Iterator, Mapping

from keras_slayer import events as package
from keras_slayer.events.files import registry
from keras_slayer.events.recordings import columns
from keras_slayer.events.recordings.convert import as_events
from keras_slayer.events.recordings.packing import PackedFolder, digest
from keras_slayer.events.stream import Events

# Larger files are read in chunks. The densest formats unpack to about 100 times their size.
WHOLE_BYTES = 16 << 20
CHUNK_EVENTS = 1 << 20  # 13 MB


class ArraySource:
    """A recording in memory."""

    name = None

    def __init__(self, events: Events):
        self._columns = columns.in_memory([events])

    def read(self) -> columns.Columns:
        """All events."""
        return self._columns

    def open(self) -> columns.Columns:
        """For reading single windows."""
        return self._columns

    def info(self) -> columns.Info:
        """What is known without keeping the events."""
        return self._columns.info


class PackedSource:
    """A recording that has been packed."""

    name = None

    def __init__(self, folder: PackedFolder, identity: str, state: str):
        self._folder, self._key = folder, (identity, state)

    def open(self) -> columns.Columns:
        found = self._folder.find(*self._key)
        if found is None:
            raise OSError(f"{self._folder.path} does not hold it any more")
        return found

    def read(self) -> columns.Columns:
        return self.open()

    def info(self) -> columns.Info:
        return self.open().info


class FileSource:
    """A file, read anew each time, from memory or from its packed columns.

    Args:
        path: the file.
        reader: of a path makes events or an iterator of chunks of them; None for `read_events`.
        folder: for packed columns.
        keep: "none" (packed only for single windows), "memory" or "folder".
        options: of `read_events`, for files of the formats that have them.
    """

    def __init__(
        self,
        path: pathlib.Path,
        reader: Callable | None,
        folder: PackedFolder,
        keep: str,
        options: Mapping | None = None,
    ):
        self.name = str(path)
        self._path, self._reader, self._folder, self._keep = path, reader, folder, keep
        self._options = options or {}
        self._lock = threading.Lock()  # threads wait for the one that reads or packs
        self._held = None
        self._info = None
        self._key = None

    def read(self) -> columns.Columns:
        if self._keep != "none":
            return self.open()
        return columns.in_memory(self._chunks())

    def open(self) -> columns.Columns:
        with self._lock:
            if self._keep == "memory":
                if self._held is None:
                    self._held = columns.in_memory(self._chunks())
                return self._held
            key = self._identity_and_state()
            # One of these, so that positions of windows hold for all of its life.
            if self._key is not None and key != self._key:
                raise ValueError(
                    "the file has changed since its windows were found. Make the Recordings again"
                )
            found = self._folder.find(*key) or self._folder.pack(*key, self._chunks())
            self._key = key
            return found

    def info(self) -> columns.Info:
        if self._keep != "none" or self._key is not None:
            return self.open().info
        if self._info is None:
            self._info = columns.info_of(self._chunks())
        return self._info

    def _chunks(self) -> Iterator[Events]:
        """The events as the reader gives them: all at once, or a chunk after the other."""
        if self._reader is not None:
            found = self._reader(self._path)
        else:
            known = registry.of_file(self._path).options if self._options else ()
            options = {name: self._options[name] for name in self._options if name in known}
            if self._path.stat().st_size > WHOLE_BYTES:
                options["chunk"] = CHUNK_EVENTS
            found = package.read_events(self._path, **options)
        if isinstance(found, Iterator):
            yield from map(as_events, found)
        else:
            yield as_events(found)

    def _identity_and_state(self) -> tuple[str, str]:
        stat = self._path.stat()
        reader = self._reader
        name = reader and (getattr(reader, "__module__", ""), getattr(reader, "__qualname__", ""))
        made_by = (_code(reader), _value(self._options)) if self._options else _code(reader)
        state = (columns.FORMAT, stat.st_size, stat.st_mtime_ns, made_by)
        return digest(os.path.abspath(self._path), name), digest(state)


def _code(function):
    """What a reader is, as far as it shows: a changed reader is another reader.

    Its code, the values it was made with (defaults, closure, `functools.partial`, attributes), but
    nothing of the functions it calls. The same in every process.
    """
    if isinstance(function, functools.partial):
        return _code(function.func), _value(function.args), _value(function.keywords)
    if hasattr(function, "__code__"):
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        made_with = (function.__defaults__, function.__kwdefaults__, tuple(cells))
        return _value(function.__code__), _value(made_with)
    attributes = getattr(function, "__dict__", {})
    return type(function).__qualname__, _value(attributes)


def _value(value):
    if isinstance(value, types.CodeType):
        return value.co_code, value.co_names, _value(value.co_consts)
    if isinstance(value, frozenset):  # in an order that differs from process to process
        return sorted(map(repr, value))
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        return [(repr(key), _value(item)) for key, item in value.items()]
    simple = (str, bytes, int, float, complex, type(None), os.PathLike)
    return repr(value) if isinstance(value, simple) else type(value).__qualname__


@dataclasses.dataclass(frozen=True)
class Entry:
    """A recording with what is known of it.

    Attributes:
        number: its place in the set.
        source: where its events are.
        label: the number of its class; None if `intervals` say more.
        intervals: `(start, stop, class)` in seconds.
        metadata: placeholders of the pattern, further columns of a CSV.
    """

    number: int
    source: ArraySource | FileSource | PackedSource
    label: int | None
    intervals: tuple = ()
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file, or the number of a recording that is in none."""
        return self.source.name or f"recording {self.number}"
