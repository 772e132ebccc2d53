"""The MAT files of ASL-DVS: level 5, with the columns ts, x, y and pol.

    header      128 bytes; at 124 the version, 0x0100, at 126 the letters "MI", which tell the order
                of bytes
    element     type uint32, bytes uint32, data, padded to 8 bytes (compressed ones are not); or, of
                up to 4 bytes of data: bytes uint16, type uint16 as one uint32, data
    matrix      an element of type 14 of four elements: flags (the lowest byte is the class), sizes,
                name, numbers; an element of type 15 is a matrix, compressed with zlib

Numbers may be stored in a smaller type than the matrix has. Matrices of other names are skipped.

Sources: MathWorks, "MAT-File Format" (level 5); the names and the direction of y are those that
tonic's reader of this data set documents (tonic.datasets.ASLDVS), version 1.7.0.
"""

import zlib
from collections.abc import Iterator

import numpy as np

from keras_slayer.datasets.columns import events_of
from keras_slayer.events.stream import Events

_HEADER_BYTES = 128
_COLUMNS = ("ts", "x", "y", "pol")
_MATRIX, _COMPRESSED = 14, 15
# Types of numbers, and the classes of matrices that hold such: double, single, 8 to 64 bits.
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_NUMERIC_CLASSES = range(6, 16)
# A few kilobytes may unpack to gigabytes.
_MOST_UNPACKED = 200_000_000


class _DamageError(Exception):
    """What is wrong, and at which byte of a file or of a matrix."""


def decode_mat(data: bytes, source: str, sensor_shape) -> Events:
    """The events of a MAT file that is in memory. y is turned round: it counts from the bottom.

    Args:
        data: the file.
        source: names it in errors.
        sensor_shape: `(height, width, channels)`.

    Raises:
        ValueError: not a MAT file of level 5, a damaged one, columns that are missing or have
            different lengths, an event off the sensor; with the file.
    """
    if data[124:128] in (b"\x00\x02IM", b"\x02\x00MI"):
        raise ValueError(
            f"{source}: a MAT file of version 7.3, which is HDF5; ASL-DVS has files of level 5"
        )
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(data[124:128])
    if order is None:
        raise ValueError(
            f"{source}: not a MAT file of level 5. Received: one that begins with {data[:16]!r}"
        )
    try:
        columns = dict(_matrices(data, order))
    except _DamageError as damage:
        raise ValueError(f"{source}: damaged: {damage}") from None
    events = events_of(columns, source, sensor_shape)
    return Events(events.x, sensor_shape[0] - 1 - events.y, events.t, events.polarity)


def _matrices(data: bytes, order: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yields name and numbers of each matrix that is a column."""
    for kind, content in _elements(data, order, _HEADER_BYTES):
        if kind == _COMPRESSED:
            ((kind, content),) = _unpacked(content, order)
        if kind != _MATRIX:
            continue
        parts = list(_elements(content, order))
        if len(parts) < 4:
            continue  # empty matrices may have no numbers; others are no columns
        (_, flags), _, (_, name), (stored, numbers) = parts[:4]
        name = name.rstrip(b"\0").decode("latin-1")
        if name not in _COLUMNS:
            continue
        # The flags are a uint32: its lowest byte is the first or the last of four.
        matrix = flags[0 if order == "<" else 3] if len(flags) == 8 else 0
        if matrix not in _NUMERIC_CLASSES or stored not in _NUMBERS:
            raise _DamageError(f"{name} should be a matrix of numbers. Received: class {matrix}")
        dtype = np.dtype(order + _NUMBERS[stored])
        if len(numbers) % dtype.itemsize:
            raise _DamageError(f"{name} ends within a number")
        yield name, np.frombuffer(numbers, dtype).astype(dtype.newbyteorder("="))


def _unpacked(content: bytes, order: str) -> list[tuple[int, bytes]]:
    """The one element in a compressed one."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(content, _MOST_UNPACKED)
    except zlib.error as error:
        raise _DamageError(f"a compressed matrix cannot be unpacked: {error}") from None
    if not unpacker.eof:
        raise _DamageError("a compressed matrix is cut off, or far too long")
    elements = list(_elements(data, order))
    if len(elements) != 1:
        raise _DamageError(
            f"a compressed element should hold one matrix. Received: {len(elements)}"
        )
    return elements


def _elements(data: bytes, order: str, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yields type and data of each element from byte `start` on."""
    while start < len(data):
        if len(data) - start < 8:
            raise _DamageError(f"truncated at byte {start}")
        kind, size = (int(word) for word in np.frombuffer(data, f"{order}u4", 2, start))
        if kind >> 16:  # a small element: its data are where others have their size
            kind, size, first = kind & 0xFFFF, kind >> 16, start + 4
            following = start + 8
            if size > 4:
                raise _DamageError(f"a small element of {size} bytes at byte {start}")
        else:
            first = start + 8
            following = first + size + (0 if kind == _COMPRESSED else -size % 8)
        if first + size > len(data):
            raise _DamageError(f"truncated at byte {start}: an element has {size} bytes")
        yield kind, data[first : first + size]
        start = following
