"""HDF5: Prophesee's `CD/events`, DSEC, and any file with data sets x, y, t and polarity.

    CD/events                  one data set with fields x, y, p, t (Prophesee, Metavision)
    events/x, events/y, ...    a data set per field, in any group or at the root; `t_offset`, in the
                               group or at the root, is added to the times (DSEC)
    events                     one data set with such fields, anywhere

The size of the sensor is taken from the attributes `geometry` ("1280x720"), or `height` and
`width`, of the data set, its group or the root.

Sources: Prophesee, "HDF5 File Format", docs.prophesee.ai/stable/data/file_formats/hdf5.html;
DSEC, "Data Format", dsec.ifi.uzh.ch/data-format
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import math
from collections.abc import Iterator

import numpy as np

from keras_slayer.events.files import fields, raw
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.recording import BLOCK_EVENTS, Block, Recording, Source, number_of
from keras_slayer.events.stream import FIELDS, Events

_MAGIC = b"\x89HDF\r\n\x1a\n"
_OFFSET = "t_offset"
_GROUP = "events"
# Prophesee's Event Compression Format, by the number that they gave it.
ECF_FILTER = 36559
# What h5py raises for damaged files.
_CANNOT = (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError)
# A file of a few bytes can declare a data set of terabytes. Deflate packs at most 1,032 bytes into
# one; a data set, or one chunk of it, may have so many for each byte of the file and these beside.
_FREE_BYTES, _BYTES_PER_BYTE = 1 << 25, 1100


@dataclasses.dataclass(frozen=True)
class _Table:
    """The data set of each field; `name` is its field there, where the data set is structured."""

    columns: dict[str, tuple]  # (data set, name or None)

    @property
    def datasets(self) -> list:
        return [dataset for dataset, _ in self.columns.values()]

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        (first, name), *_ = self.columns.values()
        if name is not None:
            rows = first[start:stop]
            return {field: rows[name] for field, (_, name) in self.columns.items()}
        return {field: dataset[start:stop] for field, (dataset, _) in self.columns.items()}


def open_hdf5(source: Source, time_unit: str | None = None, group: str | None = None) -> Recording:
    """Finds the events; `group` is the group or the data set they are in, where there are several.

    What is found is checked here, the events are read block by block.
    """
    import h5py

    fields.check_time_unit(time_unit)
    with _refusing(source, "the HDF5 file cannot be opened"):
        file = h5py.File(source.path or source.file, "r")
        tables = _tables(file)
    with _refusing(source, "the HDF5 file is damaged"):
        table = _chosen(tables, group, source)
        _check_lengths(table, source)
        for dataset in table.datasets:
            _check_size(dataset, source)
            _check_filters(dataset, source)
        holders = [table.datasets[0], table.datasets[0].parent, file]
        shape = _sensor_shape(holders)
    return Recording(_blocks(file, table, holders, time_unit, source), shape)


@contextlib.contextmanager
def _refusing(source: Source, what: str) -> Iterator[None]:
    """What h5py raises as a ValueError that names the file; our own errors as they are."""
    try:
        yield
    except _CANNOT as error:
        if isinstance(error, ValueError) and str(error).startswith(f"{source.name}: "):
            raise
        raise source.error(f"{what}: {error}") from error


def _chosen(tables: dict[str, _Table], group: str | None, source: Source) -> _Table:
    chosen = tables
    if group is not None:
        chosen = {name: t for name, t in tables.items() if name == group.strip("/")}
    if len(chosen) != 1:
        raise source.error(
            f"the file should hold one set of events: data sets named {fields.described()} in one "
            'group, or one data set with these fields. `group="..."` chooses among several. '
            f"Received: events in {[f'/{name}' for name in tables]}, group={group!r}"
        )
    (table,) = chosen.values()
    return table


def _tables(file) -> dict[str, _Table]:
    """The sets of events of a file, by the name of their group or data set."""
    import h5py

    tables = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found = fields.fields_of(item.dtype.names or ())
            columns = {field: (item, key) for field, key in found.items()}
        else:
            found = fields.fields_of(k for k, v in item.items() if isinstance(v, h5py.Dataset))
            columns = {field: (item[key], None) for field, key in found.items()}
        if fields.is_complete(found):
            tables[name] = _Table(columns)

    visit("", file)
    file.visititems(visit)
    return tables


def _check_lengths(table: _Table, source: Source) -> None:
    shapes = {dataset.name: dataset.shape for dataset in table.datasets}
    if len(set(shapes.values())) != 1 or len(table.datasets[0].shape) != 1:
        raise source.error(f"the data sets should be vectors of one length. Received: {shapes}")


def _check_size(dataset, source: Source) -> None:
    elements = max(math.prod(dataset.shape or ()), math.prod(dataset.chunks or ()))
    declared, most = elements * dataset.dtype.itemsize, _FREE_BYTES + _BYTES_PER_BYTE * source.size
    if declared > most:
        raise source.error(
            f"data set {dataset.name} should have at most {most} bytes, in a file of {source.size}."
            f" Received: shape {dataset.shape}, chunks {dataset.chunks} of {dataset.dtype}"
        )


def _check_filters(dataset, source: Source) -> None:
    """Compression that h5py lacks is in hdf5plugin, except for Prophesee's own."""
    import h5py

    filters = dataset.id.get_create_plist()
    for number in range(filters.get_nfilters()):
        identity = filters.get_filter(number)[0]
        if h5py.h5z.filter_avail(identity):
            continue
        if identity == ECF_FILTER:
            raise source.error(
                f"data set {dataset.name} is compressed with Prophesee's ECF, which neither h5py "
                "nor hdf5plugin has. Install Prophesee's plugin (github.com/prophesee-ai/hdf5_ecf) "
                "and set HDF5_PLUGIN_PATH to its folder, or convert the file with Metavision: "
                f"metavision_file_to_dat -i {source.name}"
            )
        try:
            importlib.import_module("hdf5plugin")
        except ImportError as error:
            raise ImportError(
                f"{source.name}: data set {dataset.name} is compressed with HDF5 filter "
                f"{identity}, which needs hdf5plugin: pip install keras_slayer[files]"
            ) from error
        if not h5py.h5z.filter_avail(identity):
            raise source.error(
                f"data set {dataset.name} is compressed with HDF5 filter {identity}, which neither "
                "h5py nor hdf5plugin has"
            )


def _sensor_shape(holders) -> tuple[int, int] | None:
    for holder in holders:
        values = {key: _text(holder.attrs[key]) for key in ("geometry", "height", "width")
                  if key in holder.attrs}  # fmt: skip
        shape = raw.sensor_shape(values)
        if shape is not None:
            return shape
    return None


def _text(value) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _time_offset(holders, source: Source) -> int:
    """`t_offset` beside the data set, or at the root."""
    import h5py

    _, group, root = holders
    for place in (group, root):
        if _OFFSET not in place:
            continue
        with _refusing(source, f"{_OFFSET} cannot be read"):
            offset = place[_OFFSET]
            whole = isinstance(offset, h5py.Dataset) and offset.dtype.kind in "iu"
            if not whole or offset.size != 1:
                raise source.error(
                    f"{_OFFSET} should be one whole number of microseconds. Received: {offset}"
                )
            _check_size(offset, source)
            return int(np.asarray(offset[()]).reshape(()))
    return 0


def _blocks(file, table: _Table, holders, time_unit, source: Source) -> Iterator[Block]:
    with file:
        offset = _time_offset(holders, source)
        if offset and time_unit not in (None, "us"):
            raise source.error(
                f"{_OFFSET} is in microseconds, as the times are then. Received: "
                f"time_unit={time_unit!r}"
            )
        count = len(table.datasets[0])
        step = max(count, 1) if source.whole else BLOCK_EVENTS
        for start in range(0, count, step):
            with _refusing(source, f"the events from number {start} on cannot be read"):
                columns = table.read(start, min(start + step, count))
            if offset:
                whole = columns["t"].dtype.kind in "iu"  # of 32 bits in DSEC
                columns["t"] = columns["t"].astype(np.int64 if whole else float) + offset
            where = number_of(start)
            yield Block(fields.to_events(columns, time_unit, source, where), where)


def encode_hdf5(events: Events) -> bytes:
    """The bytes of an HDF5 file: events/x, y, t, p, compressed with gzip, and the sensor's size."""
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        group = file.create_group(_GROUP)
        for field in FIELDS:
            name = "p" if field == "polarity" else field
            column = getattr(events, field)
            compression = {"compression": "gzip", "shuffle": True} if len(events) else {}
            group.create_dataset(name, data=column, **compression)
        if events.sensor_shape is not None:
            group.attrs["height"], group.attrs["width"] = events.sensor_shape
    return memory.getvalue()


HDF5 = Format(
    name="hdf5",
    suffixes=(".h5", ".hdf5"),
    title="HDF5: x, y, t, p in any group, DSEC, Prophesee (ECF needs their plugin)",
    document="docs.prophesee.ai/stable/data/file_formats/hdf5.html, dsec.ifi.uzh.ch/data-format",
    open=open_hdf5,
    encode=encode_hdf5,
    recognises=lambda head: head.startswith(_MAGIC),
    options=("time_unit", "group"),
    extra="files",
)
