"""``.nir`` files and ``nir.NIRGraph`` objects as plain dictionaries of arrays and strings.

Files are read with h5py alone, so that any version of the format will do and nothing is allocated
before its size is known.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np

from keras_slayer.export.formats.hdf5 import MAX_ELEMENTS

MAX_MEMBERS = 50_000
"""Most groups and data sets of a file."""
MAX_DEPTH = 24
"""Most groups within groups: a graph within a graph takes two."""
MAX_TEXT = 1024
"""Longest string, in bytes."""
ROWS_AT_ONCE = 64
"""Strings that are read before their lengths are looked at."""


def read_tree(source) -> dict:
    """The graph as nested dictionaries, with the keys that ``nir`` gives them.

    Args:
        source: path of a file, or an object with ``nodes`` and ``edges``, as ``nir.NIRGraph`` has.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no HDF5, a damaged file, or one that declares more than it holds.
        TypeError: ``source`` is neither.
    """
    if hasattr(source, "nodes") and hasattr(source, "edges"):
        return _tree_of_object(source)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            "source must be the path of a .nir file or a nir.NIRGraph. "
            f"Received: source={source!r} of type {type(source).__name__}"
        )
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            tree = _File(path).group(file, "", 0)
    except _RefusalError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:  # h5py, on damage
        raise ValueError(f"{path}: not HDF5, or damaged: {error}") from error
    if not isinstance(tree.get("node"), dict):
        raise ValueError(f"{path}: no NIR graph: the group 'node' is missing")
    return tree["node"]


class _RefusalError(ValueError):
    """A file that HDF5 can read, and that is not read."""


def _tree_of_object(node) -> dict:
    """Of a ``nir`` node, whose parameters may be tensors of PyTorch."""
    kind = type(node).__name__
    tree: dict = {"type": kind}
    if hasattr(node, "nodes"):
        tree["nodes"] = {str(name): _tree_of_object(n) for name, n in node.nodes.items()}
        tree["edges"] = [(str(a), str(b)) for a, b in node.edges]
        metadata = getattr(node, "metadata", {})
        tree["metadata"] = dict(metadata) if isinstance(metadata, dict) else {}
        return tree
    for name, value in vars(node).items():
        if name not in ("input_type", "output_type", "metadata") and value is not None:
            tree[name] = value if isinstance(value, str) else _array(value)
    side = {"Input": "input", "Output": "output"}.get(kind)
    if side is not None:
        types = getattr(node, f"{side}_type", None) or {}
        shape = next(iter(types.values()), None)
        if shape is not None:
            tree["shape"] = _array(shape)
    return tree


def _array(value) -> np.ndarray:
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


class _File:
    """Reads groups, and counts what they hold."""

    def __init__(self, path: Path):
        self.path = path
        self.members = MAX_MEMBERS
        self.elements = MAX_ELEMENTS
        self.seen: set[int] = set()

    def fail(self, where: str, message: str) -> ValueError:
        return _RefusalError(f"{self.path}: {where.lstrip('/')!r} {message}")

    def group(self, group: h5py.Group, where: str, depth: int) -> dict:
        if depth > MAX_DEPTH:
            raise self.fail(where, f"lies within more than {MAX_DEPTH} groups")
        tree = {}
        for name in group:
            inside = f"{where}/{name}"
            self.members -= 1
            if self.members < 0:
                raise self.fail(inside, f"is one member too many: at most {MAX_MEMBERS}")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self.fail(inside, "is a link to elsewhere, which is not followed")
            member = group[name]
            address = h5py.h5o.get_info(member.id).addr
            if address in self.seen:  # in a circle, or on 2^n ways
                raise self.fail(inside, "is there under two names")
            self.seen.add(address)
            if isinstance(member, h5py.Group):
                tree[name] = self.group(member, inside, depth + 1)
            elif isinstance(member, h5py.Dataset):
                tree[name] = self.data(member, inside)
        return tree

    def data(self, data: h5py.Dataset, where: str):
        """A string, a list of rows of strings, or an array."""
        if data.shape is None or data.is_virtual or data.external:
            raise self.fail(where, "holds no data of its own")
        if data.size > self.elements:
            raise self.fail(
                where, f"has shape {data.shape}: more than {MAX_ELEMENTS} numbers in all"
            )
        self.elements -= data.size
        if data.size and data.id.get_storage_size() == 0:
            raise self.fail(where, f"declares shape {data.shape} but holds no data")
        string = h5py.check_string_dtype(data.dtype)
        if string is not None:
            return self.strings(data, where, string.length)
        if data.dtype.kind not in "iufb" or data.dtype.itemsize > 8:
            raise self.fail(where, f"must hold numbers or text, not {data.dtype}")
        return np.asarray(data[()])

    def strings(self, data: h5py.Dataset, where: str, length: int | None):
        if (length or 0) > MAX_TEXT:
            raise self.fail(where, f"holds strings of {length} bytes: at most {MAX_TEXT}")
        if data.ndim == 0:
            return self.text(data[()], where)
        rows = []
        for start in range(0, data.shape[0], ROWS_AT_ONCE):
            part = data[start : start + ROWS_AT_ONCE].reshape(-1, *data.shape[1:])
            rows += [tuple(self.text(t, where) for t in np.ravel(row)) for row in part]
        return rows

    def text(self, value, where: str) -> str:
        if len(value) > MAX_TEXT:
            raise self.fail(where, f"holds a string of {len(value)} bytes: at most {MAX_TEXT}")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
