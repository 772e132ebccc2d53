"""What the fuzzers found, and what is like it: each is refused by an error that names the file."""

import os
import zipfile

import h5py
import numpy as np
import pytest

from keras_slayer.events import read_events
from keras_slayer.events.files.arrays import NPY
from keras_slayer.events.files.recording import Source

GIANT = {"shape": (1 << 40,), "dtype": "i8", "chunks": (8,)}


def events(file, names="xytp"):
    for name in names:
        file[name] = np.arange(3, dtype="i4") % 2


def giant_time(file):
    events(file, "xyp")
    file.create_dataset("t", **GIANT)


def giant_events(file):
    for name in "xytp":
        file.create_dataset(name, **GIANT)


def giant_offset(file):
    events(file)
    file.create_dataset("t_offset", **GIANT)


def giant_chunk_of_offset(file):
    events(file)
    file.create_dataset("t_offset", (1,), "i8", chunks=(1 << 28,), maxshape=(None,))


def group_as_offset(file):
    events(file)
    file.create_group("t_offset")


HDF5 = {
    giant_time: "should be vectors of one length",
    giant_events: r"data set /p should have at most 3\d{7} bytes.* shape \(1099511627776,\)",
    giant_offset: "t_offset should be one whole number",
    giant_chunk_of_offset: r"/t_offset should have at most .* chunks \(268435456,\)",
    group_as_offset: "t_offset should be one whole number of microseconds. Received: <HDF5 group",
}


@pytest.mark.parametrize("fill", HDF5, ids=lambda fill: fill.__name__)
def test_hdf5_that_declares_what_it_does_not_hold(fill, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        fill(file)
    with pytest.raises(ValueError, match=HDF5[fill]) as caught:
        read_events(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_an_archive_whose_member_is_no_array(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("events.npy", b"\x94NUMPY")
    with pytest.raises(ValueError, match=r"a\.npz: .* its member events is no array"):
        read_events(path)


def test_an_array_that_is_cut_off_while_it_is_read(tmp_path):
    """Of a mapped file, this ends the process."""
    path = tmp_path / "a.npy"
    rows = np.zeros(5000, [("x", "u2"), ("y", "u2"), ("t", "i8"), ("p", "u1")])
    rows["t"] = np.arange(5000)
    np.save(path, rows)
    with open(path, "rb") as file:
        recording = NPY.open(Source(file, str(path), path))
        os.truncate(path, 10)
        (block,) = recording.blocks
    assert block.events.t.tolist() == list(range(5000))
