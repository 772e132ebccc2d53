"""AEDAT 3.1, the files of the cAER and jAER programs: DVS128 Gesture comes in it.

A text header, then packets of events of one type; everything is little-endian and signed:

    #!AER-DAT3.1 ... #!END-HEADER                  lines that begin with # and end with CR LF
    packet: 28 bytes of header                     eventType int16, eventSource int16, eventSize,
                                                   eventTSOffset, eventTSOverflow, eventCapacity,
                                                   eventNumber, eventValid, int32 each
            eventNumber events of eventSize bytes
    polarity event (type 1), 8 bytes:              bit 0 validity, bit 1 polarity, bits 2-16 y,
                                                   bits 17-31 x; then int32 microseconds

The time of an event is eventTSOverflow * 2^31 + its own 31 bits. Events that a filter has marked as
not valid are skipped, and so are packets of other types.

Source: iniVation, "AEDAT 3.1" (docs.inivation.com, file formats).
"""

import dataclasses
import os
import pathlib
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from keras_slayer.events.files.checks import check_fits
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.joining import decode
from keras_slayer.events.files.recording import BLOCK_EVENTS, Block, Recording, Source
from keras_slayer.events.stream import Events

_VERSION_LINE = b"#!AER-DAT3.1"
_LAST_LINE = b"#!END-HEADER"
_FORMAT_LINE = b"#Format:"
_PACKET = struct.Struct("<hhiiiiii")
_POLARITY_TYPE = 1
_POLARITY_BYTES = 8
_POLARITY_TIME_AT = 4
_PLACE_BITS = 15
_TIME_BITS = 31
_PACKET_EVENTS = 4096


@dataclasses.dataclass(frozen=True)
class _Packet:
    """Polarity events: the byte of the first, their words, and how often the clock overflowed."""

    start: int
    words: np.ndarray  # (events, 2): address, time
    overflow: int


def read_aedat(
    path: str | os.PathLike, *, sensor_shape: Sequence[int] | None = None, ordered: bool = False
) -> Events:
    """Reads the polarity events of an AEDAT 3.1 file; `read_events` reads other files, too.

    Args:
        path: the file.
        sensor_shape: `(height, width)` or `(height, width, channels)`. Where it is given, events
            outside of it are an error.
        ordered: whether times that run backwards are an error.

    Returns:
        The `Events` in the order of the file.

    Raises:
        ValueError: not AEDAT 3.1, a truncated or damaged file, an event off the sensor, time
            running backwards; with file and byte offset.
    """
    path = pathlib.Path(path)
    return decode_aedat(
        path.read_bytes(), source=str(path), sensor_shape=sensor_shape, ordered=ordered
    )


def decode_aedat(
    data: bytes,
    *,
    source: str = "<bytes>",
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
) -> Events:
    """As `read_aedat`, for the bytes of a file. `source` names them in errors."""
    return decode(data, open_aedat, source=source, sensor_shape=sensor_shape, ordered=ordered)


def open_aedat(source: Source) -> Recording:
    """The polarity events of a file whose header is checked here."""
    _read_header(source)
    return Recording(_blocks(source))


def _blocks(source: Source) -> Iterator[Block]:
    packets, count = [], 0
    for packet in _polarity_packets(source):
        packets.append(packet)
        count += len(packet.words)
        if count >= BLOCK_EVENTS:
            yield _block(packets, source)
            packets, count = [], 0
    if packets:
        yield _block(packets, source)


def _block(packets: list[_Packet], source: Source) -> Block:
    sizes = [len(packet.words) for packet in packets]
    address, time = np.concatenate([packet.words for packet in packets]).T
    overflow = np.repeat(np.array([packet.overflow for packet in packets], np.int64), sizes)
    starts, firsts = [packet.start for packet in packets], np.cumsum([0, *sizes])
    valid = (address & 1) != 0
    kept = None
    if not valid.all():
        kept = np.flatnonzero(valid)
        address, time, overflow = address[kept], time[kept], overflow[kept]

    def where(index: int) -> str:
        event = index if kept is None else int(kept[index])
        packet = int(np.searchsorted(firsts, event, side="right")) - 1
        return f"byte {starts[packet] + _POLARITY_BYTES * (event - firsts[packet])}"

    negative = time >> _TIME_BITS
    if negative.any():
        first = int(np.argmax(negative))
        raise source.error(
            f"the time of the event at {where(first)} is negative: "
            f"{int(time[first]) - (1 << 32)} us"
        )
    mask = (1 << _PLACE_BITS) - 1
    events = Events(
        x=(address >> 17).astype(np.uint16),
        y=(address >> 2 & mask).astype(np.uint16),
        t=(overflow << _TIME_BITS) + time,
        polarity=(address >> 1 & 1).astype(np.uint8),
    )
    return Block(events, where)


def encode_aedat(events: Events, *, packet_events: int = _PACKET_EVENTS) -> bytes:
    """The bytes of an AEDAT 3.1 file.

    Args:
        events: `x` and `y` up to 32767, `polarity` 0 or 1, `t` from 0. Should be in order of time:
            a packet holds events of one overflow of the clock (35 minutes 47 s) only.
        packet_events: most events in a packet.

    Raises:
        ValueError: a value that does not fit its field.
    """
    if not isinstance(packet_events, int) or packet_events < 1:
        raise ValueError(
            f"`packet_events` must be a positive integer. Received: packet_events={packet_events}"
        )
    bits = {"x": _PLACE_BITS, "y": _PLACE_BITS, "polarity": 1, "t": 2 * _TIME_BITS}
    check_fits(events, bits, "An AEDAT 3.1 file")
    overflow = events.t >> _TIME_BITS
    address = events.x.astype(np.uint32) << 17 | events.y.astype(np.uint32) << 2
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = address | events.polarity.astype(np.uint32) << 1 | 1
    words[:, 1] = events.t & ((1 << _TIME_BITS) - 1)

    lines = (_VERSION_LINE, _FORMAT_LINE + b" RAW", b"#Source 1: DVS128", _LAST_LINE)
    parts = [b"".join(line + b"\r\n" for line in lines)]
    breaks = (np.flatnonzero(np.diff(overflow)) + 1).tolist()
    for start, stop in zip([0, *breaks], [*breaks, len(events)], strict=True):
        for first in range(start, stop, packet_events):
            number = min(packet_events, stop - first)
            header = (_POLARITY_TYPE, 1, _POLARITY_BYTES, _POLARITY_TIME_AT, int(overflow[first]))
            parts += [
                _PACKET.pack(*header, number, number, number),
                words[first : first + number].tobytes(),
            ]
    return b"".join(parts)


def _polarity_packets(source: Source) -> Iterator[_Packet]:
    while source.position < source.size:
        position = source.position
        header = source.read(_PACKET.size)
        if len(header) < _PACKET.size:
            source.cut_off(
                f"truncated at byte {position}: a packet's header has {_PACKET.size} bytes, "
                f"the last one {len(header)}"
            )
            return
        kind, _, size, time_at, overflow, capacity, number, valid = _PACKET.unpack(header)
        polarity = kind == _POLARITY_TYPE
        if polarity and (size, time_at) != (_POLARITY_BYTES, _POLARITY_TIME_AT):
            _refuse(source, position, "polarity events of 8 bytes, time at 4", (size, time_at))
        if kind < 0 or size < 1 or overflow < 0:
            what = "a type, size and clock overflows that are not negative"
            _refuse(source, position, what, (kind, size, overflow))
        if not 0 <= valid <= number <= capacity:
            what = "0 <= eventValid <= eventNumber <= eventCapacity"
            _refuse(source, position, what, (valid, number, capacity))
        start, whole = source.position, number
        if start + number * size > source.size:
            whole = (source.size - start) // size
            source.cut_off(
                f"truncated at byte {start + whole * size}: the packet at byte {position} has "
                f"{number} events of {size} bytes"
            )
        if polarity and whole:
            data = source.read(whole * size)
            yield _Packet(start, np.frombuffer(data, "<u4").reshape(whole, 2), overflow)
        source.skip(start + number * size - source.position)


def _read_header(source: Source) -> None:
    while True:
        position = source.position
        line = source.file.readline()
        ended, line = line.endswith(b"\n"), line[:80].rstrip()
        if position == 0 and line != _VERSION_LINE:
            raise source.error(
                f"not an AEDAT 3.1 file: it should begin with {_VERSION_LINE.decode()}. "
                f"Received: {line[:40]!r}"
            )
        if not line.startswith(b"#") or not ended:
            raise source.error(
                f"the header breaks off at byte {position}, before {_LAST_LINE.decode()}"
            )
        if line.startswith(_FORMAT_LINE) and line[len(_FORMAT_LINE) :].strip() != b"RAW":
            raise source.error(
                f"line at byte {position}: only the format RAW can be read. "
                f"Received: {line.decode(errors='replace')}"
            )
        if line == _LAST_LINE:
            return


def _refuse(source: Source, position: int, what: str, received) -> None:
    raise source.error(
        f"damaged packet header at byte {position}: it should have {what}. "
        f"Received: {', '.join(map(str, received))}"
    )


AEDAT3 = Format(
    name="aedat3",
    suffixes=(".aedat",),
    title="AEDAT 3.1: cAER, jAER, DVS128 Gesture",
    document="docs.inivation.com, AEDAT file formats, AEDAT 3.1",
    open=open_aedat,
    encode=encode_aedat,
    recognises=lambda head: head.startswith(_VERSION_LINE),
)
