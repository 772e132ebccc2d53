"""Global heaps of HDF5 files, in which texts of variable length lie.

HDF5 1.14 walks through a heap from object to object by their lengths, and believes them: one that
leads nowhere, as in a damaged file, makes it walk on the spot without end. So heaps are looked at
before HDF5 sees them. A data set holds (length, address of the heap, number of the object) of each
text.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator

import h5py

SIGNATURE = b"GCOL\x01\x00\x00\x00"
"""Of a heap: four letters, the only version, three bytes that are zero."""
HEADER_BYTES = 16
"""Of a heap, and of an object in it, for lengths of 4 and of 8 bytes: both are padded to 8."""
LENGTH_AT = 8
"""Where the length is in either."""
ALIGNMENT = 8
TEXT_LENGTH_BYTES = 4
"""Before the address of a heap; after it is a number as long."""


def wrong_with_texts(data: h5py.Dataset) -> str | None:
    """Why texts of variable length are not to be read; None if they may be.

    Args:
        data: not larger than may be read (``hdf5.wrong_with``).
    """
    if data.size and data.chunks is None and data.id.get_offset() is None:
        return "holds texts of variable length in its header, which are not read"
    if _filters(data) not in ([], [h5py.h5z.FILTER_DEFLATE]):
        return "holds texts of variable length, packed with another filter than gzip"
    if data.size and _in_damaged_heaps(data):
        return "holds texts in a damaged heap"
    return None


def _in_damaged_heaps(data: h5py.Dataset) -> bool:
    creation = data.file.id.get_create_plist()
    address_bytes, length_bytes = creation.get_sizes()
    with (
        open(data.file.filename, "rb") as raw,
        mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as file,
    ):
        addresses = set()
        element = 2 * TEXT_LENGTH_BYTES + address_bytes
        for stored in _stored(data, file):
            for place in range(TEXT_LENGTH_BYTES, len(stored), element):
                addresses.add(stored[place : place + address_bytes])
        starts = {creation.get_userblock() + int.from_bytes(each, "little") for each in addresses}
        return any(
            file[start : start + len(SIGNATURE)] == SIGNATURE  # else HDF5 says so
            and not _leads_to_its_end(file, start, length_bytes)
            for start in starts
        )


def _stored(data: h5py.Dataset, file: mmap.mmap) -> Iterator[bytes]:
    """The elements of a data set as the file has them, without filters."""
    if data.chunks is None:
        start = data.id.get_offset()
        yield file[start : start + data.id.get_storage_size()]
        return
    packed = bool(_filters(data))
    chunks = []
    data.id.chunk_iter(chunks.append)
    for chunk in chunks:
        mask, stored = data.id.read_direct_chunk(chunk.chunk_offset)
        yield zlib.decompress(stored) if packed and not mask else stored


def _filters(data: h5py.Dataset) -> list[int]:
    creation = data.id.get_create_plist()
    return [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]


def _leads_to_its_end(file: mmap.mmap, start: int, length_bytes: int) -> bool:
    def length(header: int) -> int:
        first = header + LENGTH_AT
        return int.from_bytes(file[first : first + length_bytes], "little")

    end = start + length(start)
    place = start + HEADER_BYTES
    while place + HEADER_BYTES <= min(end, len(file)):  # what is less is free
        is_free = file[place : place + 2] == b"\x00\x00"  # then the length counts the header
        size = length(place)
        step = size if is_free else HEADER_BYTES + -(-size // ALIGNMENT) * ALIGNMENT
        if step == 0 or place + step > end:
            return False
        place += step
    return True
