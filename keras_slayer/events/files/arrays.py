"""NumPy's `.npy` and `.npz`: structured arrays, or an array each for x, y, t and polarity."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np

from keras_slayer.events.files import fields
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.recording import BLOCK_EVENTS, Block, Recording, Source, number_of
from keras_slayer.events.stream import FIELDS, Events
from keras_slayer.files import DAMAGED

# Of files, which NumPy also maps or seeks in, and which may declare more than fits into memory.
_DAMAGED = (*DAMAGED, MemoryError, OSError)
_SENSOR = "sensor_shape"
_STRUCTURED = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")])


def open_npz(
    source: Source, time_unit: str | None = None, columns: Sequence[str] | None = None
) -> Recording:
    """Arrays x, y, t, p, or one array as in a `.npy` file; `sensor_shape` where it is there."""
    fields.check_time_unit(time_unit)
    fields.check_columns(columns)
    try:
        with np.load(source.file, allow_pickle=False) as archive:
            others = [name for name in archive.zip.namelist() if not name.endswith(".npy")]
            if others:
                raise ValueError(f"it holds {others[0]}, which is no array")
            arrays = {name: archive[name] for name in archive.files}
            # A member with another beginning than an array's is given as bytes.
            others = [name for name, array in arrays.items() if isinstance(array, bytes)]
            if others:
                raise ValueError(f"its member {others[0]} is no array")
    except _DAMAGED as error:
        raise source.error(f"the archive cannot be read: {error}") from error
    shape = arrays.pop(_SENSOR, None)
    found = fields.fields_of(arrays)
    if fields.is_complete(found):
        table = {field: arrays[name] for field, name in found.items()}
    elif len(arrays) == 1:
        table = _columns_of(next(iter(arrays.values())), columns, source)
    else:
        raise source.error(
            f"the archive should hold arrays named {fields.described()}, or one array with these "
            f"fields. Received: {list(arrays)[:8]}"
        )
    return Recording(_blocks(table, time_unit, source), _checked_shape(shape))


def open_npy(
    source: Source, time_unit: str | None = None, columns: Sequence[str] | None = None
) -> Recording:
    """A structured array, or a table of numbers whose columns `columns` names."""
    fields.check_time_unit(time_unit)
    fields.check_columns(columns)
    try:
        # A mapped file ends the process (SIGBUS) if it is cut off while it is read.
        file, mode = (source.file, None) if source.whole else (source.path, "r")
        array = np.load(file, mmap_mode=mode, allow_pickle=False)
    except _DAMAGED as error:
        raise source.error(f"the array cannot be read: {error}") from error
    return Recording(_blocks(_columns_of(array, columns, source), time_unit, source))


def _columns_of(array: np.ndarray, columns, source: Source) -> dict[str, np.ndarray]:
    if array.dtype.names:
        found = fields.fields_of(array.dtype.names)
        if not fields.is_complete(found) or array.ndim != 1:
            raise source.error(
                f"the array should be a vector with fields {fields.described()}. "
                f"Received: shape {array.shape}, fields {list(array.dtype.names)}"
            )
        return {field: array[name] for field, name in found.items()}
    if array.ndim != 2 or columns is None:
        raise source.error(
            "an array without names of fields is read where it is a table, (events, columns), "
            f'and `columns` names its columns: columns="t,x,y,p". Received: shape {array.shape}, '
            f"columns={columns!r}"
        )
    names = fields.column_names(columns)
    if array.shape[1] != len(names):
        raise source.error(f"the table has {array.shape[1]} columns. Received: columns={columns!r}")
    found = fields.fields_of(names)
    return {field: array[:, names.index(name)] for field, name in found.items()}


def _blocks(table: dict[str, np.ndarray], time_unit: str | None, source: Source) -> Iterator[Block]:
    shapes = {field: column.shape for field, column in table.items()}
    if len(set(shapes.values())) != 1 or table["x"].ndim != 1:
        raise source.error(f"the arrays should be vectors of one length. Received: {shapes}")
    for start in range(0, len(table["x"]), BLOCK_EVENTS):
        # Copied: a `.npy` file is mapped, and may be changed later.
        block = {name: np.array(c[start : start + BLOCK_EVENTS]) for name, c in table.items()}
        where = number_of(start)
        yield Block(fields.to_events(block, time_unit, source, where), where)


def _checked_shape(shape) -> tuple[int, int] | None:
    """Of the array `sensor_shape` of an archive; None where it is not one."""
    if shape is None or shape.shape != (2,) or shape.dtype.kind not in "iu" or shape.min() < 1:
        return None
    return int(shape[0]), int(shape[1])


def encode_npz(events: Events) -> bytes:
    """The bytes of a compressed `.npz` file: x, y, t, polarity, and the size of the sensor."""
    arrays = {name: getattr(events, name) for name in FIELDS}
    if events.sensor_shape is not None:
        arrays[_SENSOR] = np.array(events.sensor_shape)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def encode_npy(events: Events) -> bytes:
    """The bytes of a `.npy` file: a structured array with fields x, y, t, p."""
    array = np.empty(len(events), _STRUCTURED)
    for name, field in zip(_STRUCTURED.names, FIELDS, strict=True):
        array[name] = getattr(events, field)
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


NPZ = Format(
    name="npz",
    suffixes=(".npz",),
    title="NumPy arrays x, y, t, p, or one structured array",
    document="numpy.org/doc/stable/reference/generated/numpy.lib.format.html",
    open=open_npz,
    encode=encode_npz,
    recognises=lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06")),
    options=("time_unit", "columns"),
    in_chunks=False,
)
NPY = Format(
    name="npy",
    suffixes=(".npy",),
    title="NumPy structured array, or a table with named columns",
    document="numpy.org/doc/stable/reference/generated/numpy.lib.format.html",
    open=open_npy,
    encode=encode_npy,
    recognises=lambda head: head.startswith(b"\x93NUMPY"),
    options=("time_unit", "columns"),
)
