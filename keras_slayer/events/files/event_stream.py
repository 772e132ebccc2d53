"""Event Stream, `.es`, version 2 (csrc/event_stream.h reads it).

    header   "Event Stream", version (3 bytes: 2, any, any), type (1: DVS), width uint16,
             height uint16; little-endian
    body     five bytes an event, times as differences; y counts from the bottom of the image

`Events` count rows from the top, so y is turned round on the way in and out.

Source: github.com/neuromorphicsystems/event_stream, README
"""

import struct
from collections.abc import Iterator

import numpy as np

from keras_slayer.events.files.checks import check_fits, check_in_order
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.native import decoded, decoders
from keras_slayer.events.files.recording import Block, Recording, Source
from keras_slayer.events.stream import Events

_NAME = "An .es file"
_MAGIC = b"Event Stream"
_HEADER = struct.Struct("<12s4BHH")
_VERSION = 2
_DVS = 1
_PASS, _LONGEST = 0xFF, 127  # a byte that says that 127 us pass
# A gap takes a byte for every 127 us: 40 days are 27 GB, an hour is 28 MB.
_MOST_MICROSECONDS = 3600 * 1_000_000


def open_event_stream(source: Source) -> Recording:
    """The header is read here, the events are read from it on."""
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise source.error(
            f"truncated at byte {len(header)}: the header of a DVS stream has {_HEADER.size} bytes"
        )
    magic, version, _, _, kind, width, height = _HEADER.unpack(header)
    if magic != _MAGIC or version != _VERSION or kind != _DVS:
        raise source.error(
            "only Event Streams of version 2 and type 1 (DVS) can be read. "
            f"Received: {magic!r}, version {version}, type {kind}"
        )
    if not (width and height):
        raise source.error(
            f"the sensor in the header is empty. Received: width={width}, height={height}"
        )
    return Recording(_blocks(source, width, height), (height, width))


def _blocks(source: Source, width: int, height: int) -> Iterator[Block]:
    decoder = decoders().EventStream(width, height)
    yield from decoded(source, decoder, hint="")
    if decoder.begun_bytes:
        source.cut_off(
            f"truncated at byte {source.size - decoder.begun_bytes}: an event has 5 bytes, the "
            f"last one {decoder.begun_bytes}"
        )


def encode_event_stream(events: Events) -> bytes:
    """The bytes of an `.es` file.

    The size of the sensor is that of `events.sensor_shape`, or the smallest that holds all.
    ValueError where a value does not fit, an event is off the sensor, or time runs backwards.
    """
    check_fits(events, {"polarity": 1, "t": 62}, _NAME)
    check_in_order(events, _NAME)
    height, width = events.sensor_shape or (
        int(events.y.max(initial=0)) + 1,
        int(events.x.max(initial=0)) + 1,
    )
    if max(width, height) >= 1 << 16:
        raise ValueError(
            f"{_NAME} holds a sensor of up to 65535 x 65535 pixels. Received: "
            f"sensor_shape={(height, width)}"
        )
    off = (events.x >= width) | (events.y >= height)
    if off.any():
        first = int(np.argmax(off))
        raise ValueError(
            f"{_NAME} holds events on its sensor only. Received: x={events.x[first]}, "
            f"y={events.y[first]} in event {first}, sensor_shape={(height, width)}"
        )
    steps = np.diff(events.t, prepend=0)
    passes, rest = steps // _LONGEST, steps % _LONGEST
    if passes.sum() * _LONGEST > _MOST_MICROSECONDS:
        raise ValueError(
            f"{_NAME} takes a byte for every {_LONGEST} us without events, from time 0 on, and is "
            f"written for an hour at most: subtract the first time. Received: t={events.t[-1]}"
        )
    body = np.full(int(passes.sum()) + 5 * len(events), _PASS, np.uint8)
    first = np.cumsum(passes) + 5 * np.arange(len(events))
    up = height - 1 - events.y.astype(np.int64)
    body[first] = rest << 1 | events.polarity
    for place, value in ((1, events.x), (3, up)):
        body[first + place] = value & 0xFF
        body[first + place + 1] = value >> 8
    return _HEADER.pack(_MAGIC, _VERSION, 0, 0, _DVS, width, height) + body.tobytes()


EVENT_STREAM = Format(
    name="es",
    suffixes=(".es",),
    title="Event Stream, version 2, DVS events",
    document="github.com/neuromorphicsystems/event_stream",
    open=open_event_stream,
    encode=encode_event_stream,
    recognises=lambda head: head.startswith(_MAGIC),
)
