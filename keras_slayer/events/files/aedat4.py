"""AEDAT 4, the files of iniVation's DV, read by the package `aedat` (extra `files`).

Source: iniVation, "AEDAT 4.0" (docs.inivation.com, file formats)
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator

from keras_slayer.events.files import fields
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.recording import Block, Recording, Source, number_of

_VERSION_LINE = b"#!AER-DAT4.0"
_COLUMNS = {"x": "x", "y": "y", "t": "t", "on": "polarity"}
_CANNOT = (OSError, RuntimeError, ValueError, KeyError, AssertionError)


def open_aedat4(source: Source, stream: int | None = None) -> Recording:
    """`stream` is the number of the stream of events, where the file has several."""
    try:
        aedat = importlib.import_module("aedat")
    except ImportError as error:
        raise ImportError(
            f"{source.name} is an AEDAT 4 file, which the package aedat reads: "
            "pip install keras_slayer[files]"
        ) from error
    with _no_panic(source, "the AEDAT 4 file cannot be opened"):
        decoder = aedat.Decoder(str(source.path))
        streams = decoder.id_to_stream()
    found = [number for number, about in streams.items() if about["type"] == "events"]
    chosen = [number for number in found if stream in (None, number)]
    if len(chosen) != 1:
        raise source.error(
            "the file should have one stream of events; `stream=...` chooses among several. "
            f"Received: streams {found}, stream={stream}"
        )
    about = streams[chosen[0]]
    shape = (about["height"], about["width"])
    return Recording(_blocks(source, decoder, chosen[0]), shape if min(shape) > 0 else None)


@contextlib.contextmanager
def _no_panic(source: Source, problem: str) -> Iterator[None]:
    """What aedat raises for damaged files as a ValueError; its panics are no Exception."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, _CANNOT) or type(error).__name__ == "PanicException":
            raise source.error(f"{problem}: {error}") from error
        raise


def _blocks(source: Source, decoder, stream: int) -> Iterator[Block]:
    done, packets = 0, iter(decoder)
    while True:
        try:
            with _no_panic(source, f"after event number {done} the file is damaged"):
                packet = next(packets, None)
        except ValueError as error:
            if source.damaged == "error":
                raise
            source.left_out(
                f"{str(error).removeprefix(source.name + ': ')}, and its rest is left out"
            )
            return
        if packet is None:
            return
        if packet["stream_id"] != stream:
            continue
        events = packet["events"]
        columns = {field: events[name] for name, field in _COLUMNS.items()}
        where = number_of(done)
        yield Block(fields.to_events(columns, None, source, where), where)
        done += len(events)


AEDAT4 = Format(
    name="aedat4",
    suffixes=(".aedat4", ".aedat"),
    title="AEDAT 4: iniVation's DV",
    document="docs.inivation.com, AEDAT file formats, AEDAT 4.0",
    open=open_aedat4,
    recognises=lambda head: head.startswith(_VERSION_LINE),
    options=("stream",),
    extra="files",
)
