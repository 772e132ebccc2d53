"""``.nir`` files and ``nir.NIRGraph`` objects as plain dictionaries of arrays and strings.

Files are read with h5py alone, so that any version of the format will do. The memory that this
takes is bounded by the file, as that of ``.net`` files (hdf5.py): a number counts as four bytes at
least, since weights become float32.
"""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path

import h5py
import numpy as np

from keras_slayer.export.formats.hdf5 import FREE_BYTES, Budget, wrong_with
from keras_slayer.export.formats.hdf5_heap import wrong_with_texts

MAX_MEMBERS = 50_000
"""Most groups and data sets of a file."""
MAX_DEPTH = 24
"""Most groups within groups: a graph within a graph takes two."""
MAX_TEXT = 1024
"""Longest string, in bytes."""
NUMBER_BYTES = 4
STRING_BYTES = 128
"""What a string takes beside its characters, in memory."""
MAX_COLUMNS = 4
"""Most strings in a row; an edge has two."""
ROWS_AT_ONCE = 64
"""Most rows of strings that are read before their lengths are looked at."""


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
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, zlib.error) as error:
        # h5py, on damage
        raise ValueError(f"{path}: not HDF5, or damaged: {error}") from error
    if not isinstance(tree.get("node"), dict):
        raise ValueError(f"{path}: no NIR graph: the group 'node' is missing")
    return tree["node"]


def fits(tree: dict, file_bytes: int) -> bool:
    """Whether a file of that size may hold the arrays of ``tree``."""
    budget = Budget(file_bytes)
    waiting = [tree]
    while waiting:
        for value in waiting.pop().values():
            if isinstance(value, dict):
                waiting.append(value)
            elif isinstance(value, np.ndarray):
                budget.take(value.size, max(value.dtype.itemsize, NUMBER_BYTES))
    return budget.take(0, 0)


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
        if "integers" in tree["metadata"]:  # of export_loihi: all as in its file
            tree = _arrays({key: node.to_dict()[key] for key in ("nodes", "edges", "metadata")})
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


def _arrays(value):
    """Numbers as a file has them, in dictionaries of them."""
    if isinstance(value, dict):
        return {name: _arrays(each) for name, each in value.items() if each is not None}
    if isinstance(value, str | list):
        return value
    return np.asarray(value)


def _array(value) -> np.ndarray:
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


class _File:
    """Reads groups, and counts what they hold."""

    def __init__(self, path: Path):
        self.path = path
        self.members = MAX_MEMBERS
        self.budget = Budget(path.stat().st_size)
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
        string = h5py.check_string_dtype(data.dtype)
        what = wrong_with(data, self.budget, NUMBER_BYTES if string is None else STRING_BYTES)
        if what is not None:
            raise self.fail(where, what)
        if string is not None:
            return self.strings(data, where, string.length)
        if data.dtype.kind not in "iufb" or data.dtype.itemsize > 8:
            raise self.fail(where, f"must hold numbers or text, not {data.dtype}")
        return np.asarray(data[()])

    def strings(self, data: h5py.Dataset, where: str, length: int | None):
        if (length or 0) > MAX_TEXT:
            raise self.fail(where, f"holds strings of {length} bytes: at most {MAX_TEXT}")
        what = wrong_with_texts(data) if length is None else None
        if what is not None:
            raise self.fail(where, what)
        if data.ndim == 0:
            return self.text(data[()], where)
        columns = math.prod(data.shape[1:])
        if columns > MAX_COLUMNS:
            raise self.fail(where, f"holds rows of {columns} strings: at most {MAX_COLUMNS}")
        rows = []
        # A string is no longer than the file, which is all that is known before.
        at_once = min(ROWS_AT_ONCE, max(FREE_BYTES // self.budget.file_bytes, 1))
        for start in range(0, data.shape[0], at_once):
            part = data[start : start + at_once].reshape(-1, *data.shape[1:])
            rows += [tuple(self.text(t, where) for t in np.ravel(row)) for row in part]
        return rows

    def text(self, value, where: str) -> str:
        if len(value) > MAX_TEXT:
            raise self.fail(where, f"holds a string of {len(value)} bytes: at most {MAX_TEXT}")
        if not self.budget.take(len(value), 1):
            raise self.fail(where, f"is one string too many: {self.budget.limit}")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
