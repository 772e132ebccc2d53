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

import os
import pathlib
import struct
from collections.abc import Sequence

import numpy as np

from keras_slayer.events.formats import check_on_sensor, check_ordered
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


def read_aedat(
    path: str | os.PathLike, *, sensor_shape: Sequence[int] | None = None, ordered: bool = False
) -> Events:
    """Reads the polarity events of an AEDAT 3.1 file.

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
    words, overflows, offsets = [], [], []
    for start, number, overflow in _polarity_packets(data, source):
        words.append(np.frombuffer(data, "<u4", 2 * number, start).reshape(number, 2))
        overflows.append(np.full(number, overflow, np.int64))
        offsets.append(start + _POLARITY_BYTES * np.arange(number))
    if not words:
        return Events(x=[], t=[])
    address, time = np.concatenate(words).T
    overflow, offset = np.concatenate(overflows), np.concatenate(offsets)

    valid = (address & 1) != 0
    if not valid.all():
        address, time, overflow, offset = (a[valid] for a in (address, time, overflow, offset))
    negative = time >> _TIME_BITS
    if negative.any():
        first = int(np.argmax(negative))
        raise ValueError(
            f"{source}: the time of the event at byte {offset[first]} is negative: "
            f"{int(time[first]) - (1 << 32)} us"
        )
    mask = (1 << _PLACE_BITS) - 1
    events = Events(
        x=(address >> 17).astype(np.uint16),
        y=(address >> 2 & mask).astype(np.uint16),
        t=(overflow << _TIME_BITS) + time,
        polarity=(address >> 1 & 1).astype(np.uint8),
    )
    if sensor_shape is not None:
        check_on_sensor(events, sensor_shape, source, offset)
    if ordered:
        check_ordered(events, source, offset)
    return events


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
    for name, bits in (("x", _PLACE_BITS), ("y", _PLACE_BITS), ("polarity", 1), ("t", 62)):
        value = getattr(events, name)
        bad = (value < 0) | (value >= 1 << bits)
        if bad.any():
            first = int(np.argmax(bad))
            raise ValueError(
                f"An AEDAT 3.1 file holds {name} from 0 to {(1 << bits) - 1}. "
                f"Received: {name}={value[first]} in event {first}"
            )
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


def _polarity_packets(data: bytes, source: str):
    """Yields `(start, number, overflow)`: byte of the first event, events, clock overflows."""
    position = _end_of_header(data, source)
    while position < len(data):
        if len(data) - position < _PACKET.size:
            raise ValueError(
                f"{source}: truncated at byte {position}: a packet's header has {_PACKET.size} "
                f"bytes, the last one {len(data) - position}"
            )
        kind, _, size, time_at, overflow, capacity, number, valid = _PACKET.unpack_from(
            data, position
        )
        polarity = kind == _POLARITY_TYPE
        if polarity and (size, time_at) != (_POLARITY_BYTES, _POLARITY_TIME_AT):
            _refuse(source, position, "polarity events of 8 bytes, time at 4", (size, time_at))
        if kind < 0 or size < 1 or overflow < 0:
            what = "a type, size and clock overflows that are not negative"
            _refuse(source, position, what, (kind, size, overflow))
        if not 0 <= valid <= number <= capacity:
            what = "0 <= eventValid <= eventNumber <= eventCapacity"
            _refuse(source, position, what, (valid, number, capacity))
        start = position + _PACKET.size
        position = start + number * size
        if position > len(data):
            raise ValueError(
                f"{source}: truncated at byte {start + (len(data) - start) // size * size}: the "
                f"packet at byte {start - _PACKET.size} has {number} events of {size} bytes"
            )
        if polarity and number:
            yield start, number, overflow


def _end_of_header(data: bytes, source: str) -> int:
    position = 0
    while True:
        end = data.find(b"\n", position)
        line = data[position : end if end >= 0 else len(data)][:80].rstrip()
        if position == 0 and line != _VERSION_LINE:
            raise ValueError(
                f"{source}: not an AEDAT 3.1 file: it should begin with "
                f"{_VERSION_LINE.decode()}. Received: {line[:40]!r}"
            )
        if not line.startswith(b"#") or end < 0:
            raise ValueError(
                f"{source}: the header breaks off at byte {position}, before {_LAST_LINE.decode()}"
            )
        if line.startswith(_FORMAT_LINE) and line[len(_FORMAT_LINE) :].strip() != b"RAW":
            raise ValueError(
                f"{source}: line at byte {position}: only the format RAW can be read. "
                f"Received: {line.decode(errors='replace')}"
            )
        position = end + 1
        if line == _LAST_LINE:
            return position


def _refuse(source, position, what, received):
    raise ValueError(
        f"{source}: damaged packet header at byte {position}: it should have {what}. "
        f"Received: {', '.join(map(str, received))}"
    )
