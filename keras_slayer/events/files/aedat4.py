"""AEDAT 4, the files of iniVation's DV, read by the package `aedat` (extra `files`).

Source: iniVation, "AEDAT 4.0" (docs.inivation.com, file formats)
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from keras_slayer.events.files.format import Format
from keras_slayer.events.files.recording import SKIP_HINT, Block, Recording, Source, number_of
from keras_slayer.events.stream import Events

_VERSION_LINE = b"#!AER-DAT4.0"
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
    try:
        decoder = aedat.Decoder(str(source.path))
        streams = decoder.id_to_stream()
    except _CANNOT as error:
        raise source.error(f"the AEDAT 4 file cannot be opened: {error}") from error
    found = [number for number, about in streams.items() if about["type"] == "events"]
    chosen = [number for number in found if stream in (None, number)]
    if len(chosen) != 1:
        raise source.error(
            "the file should have one stream of events; `stream=...` chooses among several. "
            f"Received: streams {found}, stream={stream}"
        )
    about = streams[chosen[0]]
    shape = (about["height"], about["width"])
    return Recording(_blocks(source, decoder, chosen[0]), shape)


def _blocks(source: Source, decoder, stream: int) -> Iterator[Block]:
    done, packets = 0, iter(decoder)
    while True:
        try:
            packet = next(packets, None)
        except _CANNOT as error:
            problem = f"after event number {done} the file is damaged: {error}"
            if source.damaged == "error":
                raise source.error(f"{problem}. {SKIP_HINT}") from error
            source.left_out(f"{problem}, which is left out")
            return
        if packet is None:
            return
        if packet["stream_id"] != stream:
            continue
        events = packet["events"]
        yield Block(
            Events(x=events["x"], y=events["y"], t=events["t"], polarity=events["on"]),
            number_of(done),
        )
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
