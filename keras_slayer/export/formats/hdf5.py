"""Reading HDF5 that cannot be trusted: every size and type is checked before data is read.

A file of a few bytes can declare a data set of terabytes, point to another file or hold the wrong
kind of data. Whatever is wrong becomes a ValueError that names the place.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

MAX_ELEMENTS = 1 << 27
"""Most numbers read from one file (a Loihi 2 chip holds 120 million synapses)."""


MAX_TEXT = 64
"""Longest string that is read, in bytes."""


@contextmanager
def open_checked(path: Path) -> Iterator["CheckedGroup"]:
    """The root group of ``path``. FileNotFoundError if absent, ValueError if it is not HDF5."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            yield CheckedGroup(file, str(path))
    except (OSError, RuntimeError, KeyError, TypeError) as error:  # what h5py raises on damage
        raise ValueError(f"{path}: not HDF5, or damaged: {error}") from error


class CheckedGroup:
    """A group whose members are read by name, with their expected shape, type and range."""

    def __init__(self, group: h5py.Group, where: str, budget: list[int] | None = None):
        self._group = group
        self.where = where
        self._budget = [MAX_ELEMENTS] if budget is None else budget  # shared by the whole file

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
            int64 array.
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
        if data.shape is None or data.is_virtual or data.external:
            raise self.fail(f"{name!r} holds no data of its own")
        return data

    def _values(self, name: str, data: h5py.Dataset, low: int, high: int) -> np.ndarray:
        if data.dtype.kind not in "iufb" or data.dtype.itemsize > 8:
            raise self.fail(f"{name!r} must hold numbers, not {data.dtype}")
        if data.size > self._budget[0]:
            raise self.fail(
                f"{name!r} has shape {tuple(data.shape)}: more than {MAX_ELEMENTS} numbers in all"
            )
        if data.size and data.id.get_storage_size() == 0:
            raise self.fail(f"{name!r} declares shape {tuple(data.shape)} but holds no data")
        self._budget[0] -= data.size
        values = data[()]
        wrong = ~((values >= low) & (values <= high))  # so that NaN is wrong
        if values.dtype.kind == "f":
            wrong |= values != np.trunc(values)
        if np.any(wrong):
            first = np.ravel(np.asarray(values)[wrong])[0]
            raise self.fail(f"{name!r} must hold integers from {low} to {high}, found {first}")
        return np.asarray(values).astype(np.int64)
