"""The table of formats, and which of them a file has."""

from __future__ import annotations

import pathlib
from typing import NamedTuple

from keras_slayer.events.files.aedat2 import AEDAT2
from keras_slayer.events.files.aedat3 import AEDAT3
from keras_slayer.events.files.aedat4 import AEDAT4
from keras_slayer.events.files.arrays import NPY, NPZ
from keras_slayer.events.files.dat import DAT
from keras_slayer.events.files.event_stream import EVENT_STREAM
from keras_slayer.events.files.evt2 import EVT2
from keras_slayer.events.files.evt3 import EVT3
from keras_slayer.events.files.evt21 import EVT21, EVT21_LEGACY
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.hdf5 import HDF5
from keras_slayer.events.files.packed import BIN, BS1, BS2, BS3
from keras_slayer.events.files.raw import MARK, encoding_of
from keras_slayer.events.files.text import CSV

# In the order of the table in docs/files.md.
FORMATS = {
    one.name: one
    for one in (
        BIN, BS1, BS2, BS3, AEDAT2, AEDAT3, AEDAT4, DAT, EVT2, EVT21, EVT21_LEGACY, EVT3, HDF5, NPZ,
        NPY, CSV, EVENT_STREAM,
    )
}  # fmt: skip
# Formats without a header: only the suffix tells them.
_BY_SUFFIX = (BIN, BS1, BS2, BS3, CSV)
HEAD_BYTES = 1 << 14
_BAGS = (b"#ROSBAG V", b"\x89MCAP0\r\n")
_BAG_SUFFIXES = (".bag", ".db3", ".mcap")


class FormatInfo(NamedTuple):
    """A row of `formats()`: what is read and written, and where the format is described."""

    name: str
    suffixes: tuple[str, ...]
    title: str
    reads: bool
    writes: bool
    in_chunks: bool
    options: tuple[str, ...]
    extra: str | None
    document: str


def formats() -> list[FormatInfo]:
    """The formats of event files that `read_events` and `write_events` know.

    Returns:
        A row for each, with `name` (for `format=`), `suffixes`, `title`, `reads`, `writes`,
        `in_chunks` (whether `chunk=` saves memory), `options` (further arguments of
        `read_events`), `extra` (of the package: `pip install keras_slayer[extra]`, for all or for
        some files of the format) and `document`, where the format is described.
    """
    return [
        FormatInfo(
            one.name, one.suffixes, one.title, True, one.writes, one.in_chunks, one.options,
            one.extra, one.document,
        )
        for one in FORMATS.values()
    ]  # fmt: skip


def named(name: str) -> Format:
    """The format of that name; ValueError where there is none."""
    if name not in FORMATS:
        raise ValueError(
            f"`format` must be one of {sorted(FORMATS)}, or None to recognise it. "
            f"Received: format={name!r}"
        )
    return FORMATS[name]


def recognised(head: bytes, path: pathlib.Path) -> Format:
    """The format of a file that begins with `head`: by the content, else by the suffix."""
    for one in FORMATS.values():
        if one.recognises is not None and one.recognises(head):
            return one
    suffix = path.suffix.lower()
    if head.startswith(_BAGS) or suffix in _BAG_SUFFIXES:
        raise ValueError(
            "ROS bags are read with the package rosbags; docs/files.md shows how. "
            f"Received: path={path}"
        )
    for one in _BY_SUFFIX:
        if suffix in one.suffixes:
            return one
    begins = "is empty" if not head else f"begins with {head[:16]!r}"
    if encoding_of(head):
        begins += f", and its header says {encoding_of(head)}, which is not read"
    elif head.startswith(MARK) or suffix == ".raw":
        begins += ', and its header does not say how it is encoded: try format="evt3" or "evt2"'
    suffixes = sorted(suffix for one in _BY_SUFFIX for suffix in one.suffixes)
    raise ValueError(
        f"The format of an event file is recognised by its first bytes, or by one of the suffixes "
        f"{suffixes}; `format` must be given otherwise, one of {sorted(FORMATS)}. "
        f"Received: path={path}, which {begins}"
    )


def of_file(path: pathlib.Path, name: str | None = None) -> Format:
    """The format of that name, or the one that the file has."""
    if path.is_dir():
        raise IsADirectoryError(
            f"An event file is read, not a folder: events.from_folder takes all files in one. "
            f"Received: path={path}"
        )
    if name is not None:
        return named(name)
    with open(path, "rb") as file:
        return recognised(file.read(HEAD_BYTES), path)


def written(path: pathlib.Path) -> Format:
    """The format that the suffix of a file to be written says."""
    suffix = path.suffix.lower()
    for one in (EVT3, *FORMATS.values()):  # of the formats of `.raw`, EVT 3.0
        if one.writes and suffix in one.suffixes:
            return one
    suffixes = sorted({suffix for one in FORMATS.values() if one.writes for suffix in one.suffixes})
    raise ValueError(
        f"The suffix of an event file to write must be one of {suffixes}, or `format` must be "
        f"given. Received: path={path}"
    )
