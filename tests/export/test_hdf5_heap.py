"""Texts of variable length in damaged files: HDF5 would look for them without end."""

import pathlib
import subprocess
import sys

import h5py
import numpy as np
import pytest

from keras_slayer.export.formats.hdf5_heap import wrong_with_texts

TEXTS = np.array([[f"{i}" * (1 + i % 9), "end"] for i in range(300)], object)
LAYOUTS = {
    "contiguous": {},
    "chunks": {"chunks": (64, 2)},
    "packed": {"chunks": (64, 2), "compression": "gzip"},
}
READ = """
import pathlib, sys
from keras_slayer.export.formats import hdf5, nir_file
def net(path):
    with hdf5.open_checked(pathlib.Path(path)) as file:
        file.text("text")
for read, path in zip((net, nir_file.read_tree), sys.argv[1:], strict=True):
    try:
        read(path)
    except ValueError as error:
        print(error)
"""


def with_lengths(path, change):
    """Changes the length of an object in each heap; ``change`` gets all of them by their number."""
    data = bytearray(path.read_bytes())
    start = data.find(b"GCOL")
    assert start > 0
    while start > 0:
        end = start + int.from_bytes(data[start + 8 : start + 16], "little")
        place, places = start + 16, {}
        while place + 16 <= end:
            number = int.from_bytes(data[place : place + 2], "little")
            places[number] = place + 8
            length = int.from_bytes(data[place + 8 : place + 16], "little")
            place += 16 + -(-length // 8) * 8 if number else length
        number, length = change(places)
        data[places[number] : places[number] + 8] = length.to_bytes(8, "little")
        start = data.find(b"GCOL", end)
    path.write_bytes(data)


DAMAGE = {
    "free space of no bytes": lambda places: (0, 0),
    "a text back to itself": lambda places: (max(places), 2**64 - 16),
    "a text beyond the heap": lambda places: (max(places), 5000),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whole_heaps(layout, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        data = file.create_dataset("x", data=TEXTS, dtype=h5py.string_dtype(), **LAYOUTS[layout])
        nothing = file.create_dataset("none", (0, 2), dtype=h5py.string_dtype())
        file.flush()
        assert wrong_with_texts(data) is wrong_with_texts(nothing) is None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_heaps(damage, layout, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=TEXTS, dtype=h5py.string_dtype(), **LAYOUTS[layout])
        file["number"] = np.arange(3)
    with_lengths(tmp_path / "a.h5", DAMAGE[damage])
    with h5py.File(tmp_path / "a.h5") as file:
        assert wrong_with_texts(file["x"]) == "holds texts in a damaged heap"


def test_texts_in_the_header_of_their_data_set(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        kind = h5py.h5t.py_create(h5py.string_dtype(), logical=True)
        h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple((2,)), compact)
        file["x"][:] = ["a", "b"]
        assert "in its header, which are not read" in wrong_with_texts(file["x"])


def test_texts_packed_otherwise(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=TEXTS, dtype=h5py.string_dtype(), shuffle=True)
        assert "another filter than gzip" in wrong_with_texts(data)


def test_reading_ends(tmp_path):
    """In a process of its own: without the check, nothing but its end would stop it."""
    paths = [str(tmp_path / name) for name in ("a.net", "a.nir")]
    for path in paths:
        with h5py.File(path, "w") as file:
            file.create_dataset("text", data="dense", dtype=h5py.string_dtype())
        with_lengths(pathlib.Path(path), DAMAGE["free space of no bytes"])
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"{path}: 'text' holds texts in a damaged heap" for path in paths
    ]
