"""Reading HDF5 that cannot be trusted: every size and type is checked before data is read.

A file of a few bytes can declare a data set of terabytes, point to another file or hold the wrong
kind of data. Whatever is wrong becomes a ValueError that names the place.

The memory that reading takes is bounded by the file. Its data sets may add up to ``FREE_BYTES`` and
``BYTES_PER_BYTE`` for each byte of the file: compressed ones, chunks that were never written, data
sets under two names. There are at most three copies of one: as read, as integers, and in the order
of whoever reads it.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from keras_slayer.export.formats.hdf5_heap import wrong_with_texts

MAX_ELEMENTS = 1 << 27
"""Most numbers read from one file (a Loihi 2 chip holds 120 million synapses)."""

FREE_BYTES = 1 << 25
BYTES_PER_BYTE = 16

MAX_TEXT = 64
"""Longest string that is read, in bytes."""

ELEMENTS_AT_ONCE = 1 << 20
"""Numbers that are checked and converted at a time."""

FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32)
"""Those that are read, in this order: it is the one in which h5py applies them. What the others
hold can be any number of times larger than what they store."""


@contextmanager
def open_checked(path: Path) -> Iterator["CheckedGroup"]:
    """The root group of ``path``. FileNotFoundError if absent, ValueError if it is not HDF5."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            yield CheckedGroup(file, str(path), Budget(path.stat().st_size))
    except (OSError, RuntimeError, KeyError, TypeError, zlib.error) as error:  # on damage
        raise ValueError(f"{path}: not HDF5, or damaged: {error}") from error


class Budget:
    """What may still be taken from a file of ``file_bytes``; shared by all that read it."""

    def __init__(self, file_bytes: int):
        self.file_bytes = file_bytes
        self.elements = MAX_ELEMENTS
        self.bytes = FREE_BYTES + BYTES_PER_BYTE * file_bytes

    def take(self, elements: int, element_bytes: int) -> bool:
        """False if that is too much."""
        self.elements -= elements
        self.bytes -= elements * element_bytes
        return self.elements >= 0 and self.bytes >= 0

    @property
    def limit(self) -> str:
        return (
            f"more than {MAX_ELEMENTS} numbers in all, or more than {FREE_BYTES} bytes "
            f"and {BYTES_PER_BYTE} for each of the {self.file_bytes} bytes of the file"
        )


def wrong_with(data: h5py.Dataset, budget: Budget, least_bytes: int = 2) -> str | None:
    """Why a data set is not to be read; None if it may be, and is counted.

    Args:
        least_bytes: of a number, in memory.
    """
    if data.shape is None or data.is_virtual or data.external:
        return "holds no data of its own"
    # A chunk is read whole, and may be larger than the data set.
    elements = max(math.prod(data.shape), math.prod(data.chunks or ()))
    if not budget.take(elements, max(data.dtype.itemsize, least_bytes)):
        return f"has shape {tuple(data.shape)}: {budget.limit}"
    if data.size and data.id.get_storage_size() == 0:
        return f"declares shape {tuple(data.shape)} but holds no data"
    return _wrong_with_filters(data, budget)


def _wrong_with_filters(data: h5py.Dataset, budget: Budget) -> str | None:
    """Filters, and compressed chunks, that could give more than they declare."""
    creation = data.id.get_create_plist()
    found = [creation.get_filter(i) for i in range(creation.get_nfilters())]
    codes = [each[0] for each in found]
    if codes != [code for code in FILTERS if code in codes]:
        names = [each[3].decode("ascii", "replace") or each[0] for each in found]
        return (
            f"is packed with {names}: read are shuffle, deflate (gzip) and "
            "fletcher32, in this order. Repack the file without filters: h5repack -f NONE"
        )
    if h5py.h5z.FILTER_DEFLATE not in codes:
        return None
    declared = math.prod(data.chunks) * data.dtype.itemsize
    chunks = []
    data.id.chunk_iter(chunks.append)
    for chunk in chunks:
        # HDF5 makes room for what the chunk says, and for all that comes out of it.
        if chunk.byte_offset + chunk.size > budget.file_bytes:
            return "has a chunk that reaches beyond the end of the file"
        mask, packed = data.id.read_direct_chunk(chunk.chunk_offset)
        if mask or len(zlib.decompressobj().decompress(packed, declared + 1)) > declared:
            return "has a chunk that holds more than it declares"
    return None


class CheckedGroup:
    """A group whose members are read by name, with their expected shape, type and range."""

    def __init__(self, group: h5py.Group, where: str, budget: Budget):
        self._group = group
        self.where = where
        self._budget = budget

    def fail(self, message: str) -> ValueError:
        return ValueError(f"{self.where}: {message}")

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def __len__(self) -> int:
        return len(self._group)

    def group(self, name: str, label: str | None = None) -> "CheckedGroup":
        member = self._member(name)
        if not isinstance(member, h5py.Group):
            raise self.fail(f"{name!r} must be a group")
        return CheckedGroup(member, label or f"{self.where}/{name}", self._budget)

    def text(self, name: str) -> str:
        """A short string of fixed or variable length, stored as a scalar or as one element."""
        data = self._dataset(name)
        kind = h5py.check_string_dtype(data.dtype)
        if kind is None or data.size != 1 or (kind.length or 0) > MAX_TEXT:
            raise self.fail(f"{name!r} must be one short string, not {data.dtype} {data.shape}")
        what = wrong_with_texts(data) if kind.length is None else None
        if what is not None:
            raise self.fail(f"{name!r} {what}")
        # Its length is not known before, but no longer than the file.
        text = bytes(np.ravel(data[()])[0])
        if len(text) > MAX_TEXT:
            raise self.fail(f"{name!r} must be one short string, not {len(text)} characters")
        return text.decode("ascii", "replace")

    def flag(self, name: str) -> bool:
        return bool(self.integer(name, 0, 1))

    def integer(self, name: str, low: int, high: int) -> int:
        """One integer, stored as a scalar or as one element."""
        data = self._dataset(name)
        if data.size != 1:
            raise self.fail(f"{name!r} must be one number, not of shape {data.shape}")
        return int(np.ravel(self._values(name, data, low, high))[0])

    def integers(
        self,
        name: str,
        low: int,
        high: int,
        *,
        shape: tuple[int | None, ...] | None = None,
        ndims: Iterable[int] = (),
    ) -> np.ndarray:
        """Integers (or floats that are whole) within [low, high].

        Args:
            shape: the shape wanted, None where any size is right; or
            ndims: the ranks that are right.

        Returns:
            array of the smallest integers that hold ``low`` and ``high``.
        """
        data = self._dataset(name)
        found = tuple(data.shape)
        if shape is not None:
            fits = len(found) == len(shape) and all(
                want is None or want == have for want, have in zip(shape, found, strict=True)
            )
            if not fits:
                wanted = tuple("any" if n is None else n for n in shape)
                raise self.fail(f"{name!r} has shape {found}, expected {wanted}")
        elif data.ndim not in tuple(ndims):
            raise self.fail(f"{name!r} has shape {found}, expected rank {list(ndims)}")
        return self._values(name, data, low, high)

    def take(self, elements: int, element_bytes: int, what: str) -> None:
        """Counts what is made of the file's numbers against what the file may take up."""
        if not self._budget.take(elements, element_bytes):
            raise self.fail(f"{what}: {self._budget.limit}")

    def _member(self, name: str) -> h5py.Group | h5py.Dataset:
        link = self._group.get(name, getlink=True)
        if link is None:
            raise self.fail(f"{name!r} is missing")
        if not isinstance(link, h5py.HardLink):
            raise self.fail(f"{name!r} is a link to elsewhere, which is not followed")
        return self._group[name]

    def _dataset(self, name: str) -> h5py.Dataset:
        data = self._member(name)
        if not isinstance(data, h5py.Dataset):
            raise self.fail(f"{name!r} must be a data set")
        what = wrong_with(data, self._budget)
        if what is not None:
            raise self.fail(f"{name!r} {what}")
        return data

    def _values(self, name: str, data: h5py.Dataset, low: int, high: int) -> np.ndarray:
        if data.dtype.kind not in "iufb" or data.dtype.itemsize > 8:
            raise self.fail(f"{name!r} must hold numbers, not {data.dtype}")
        dtype = np.result_type(np.min_scalar_type(low), np.min_scalar_type(high))
        if data.size <= ELEMENTS_AT_ONCE:
            return self._converted(name, data[()], low, high, dtype)
        values = np.empty(data.shape, dtype)
        source = data[()] if data.chunks else data  # a part would take all chunks that it touches
        rows = max(ELEMENTS_AT_ONCE * data.shape[0] // data.size, 1)
        for start in range(0, data.shape[0], rows):
            part = slice(start, start + rows)
            values[part] = self._converted(name, source[part], low, high, dtype)
        return values

    def _converted(self, name: str, values, low: int, high: int, dtype: np.dtype) -> np.ndarray:
        if values.dtype.kind == "f":
            values = np.asarray(values, np.float64)  # 16 bits hold neither limit
        wrong = ~((values >= low) & (values <= high))  # so that NaN is wrong
        if values.dtype.kind == "f":
            wrong |= values != np.trunc(values)
        if np.any(wrong):
            first = np.ravel(np.asarray(values)[wrong])[0]
            raise self.fail(f"{name!r} must hold integers from {low} to {high}, found {first}")
        return np.asarray(values).astype(dtype)
