"""Prophesee's DAT, version 2: a text header, two bytes, and 8 bytes per event (csrc/dat.h).

    the two bytes   type of the events, 0 or 12 (both: pixel events), and their size, 8
    an event        time uint32 (us), then x (bits 13..0), y (27..14), polarity (28)

Everything is little-endian. The timer overflows after 71 minutes, which is added up.

Source: Prophesee, "DAT File Format", docs.prophesee.ai/stable/data/file_formats/dat.html
"""

import numpy as np

from keras_slayer.events.files import raw
from keras_slayer.events.files.checks import check_fits, check_in_order
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.native import decoded, decoders
from keras_slayer.events.files.recording import Recording, Source
from keras_slayer.events.stream import Events

_NAME = "A .dat file"
_PIXEL_EVENTS = (0, 12)
_EVENT_BYTES = 8
_PLACE_BITS = 14


def open_dat(source: Source) -> Recording:
    """The header is read here, the events are read from it on."""
    values = raw.parse(source.header_lines(raw.MARK, raw.LAST_LINE))
    version = values.get("version", "2")
    if version != "2":
        raise source.error(f"only version 2 of DAT can be read. Received: version {version}")
    at = source.position
    kind_and_size = source.read(2)
    if len(kind_and_size) < 2:
        raise source.error(f"truncated at byte {at}: the type and the size of events are missing")
    kind, size = kind_and_size
    if kind not in _PIXEL_EVENTS or size != _EVENT_BYTES:
        raise source.error(
            f"at byte {at} should be the type of pixel events, 0 or 12, and their size, "
            f"{_EVENT_BYTES}. Received: {kind}, {size}"
        )
    return Recording(decoded(source, decoders().Dat()), raw.sensor_shape(values))


def encode_dat(events: Events) -> bytes:
    """The bytes of a DAT file. ValueError where a value does not fit, or time runs backwards."""
    bits = {"x": _PLACE_BITS, "y": _PLACE_BITS, "polarity": 1, "t": 32}
    check_fits(events, bits, _NAME)
    check_in_order(events, _NAME)
    lines = ["% Data file containing CD events", "% Version 2"]
    if events.sensor_shape is not None:
        height, width = events.sensor_shape
        lines += [f"% Height {height}", f"% Width {width}"]
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events.t
    words[:, 1] = (
        events.polarity.astype(np.uint32) << 28
        | events.y.astype(np.uint32) << _PLACE_BITS
        | events.x
    )
    header = "".join(f"{line}\n" for line in lines).encode()
    return header + bytes((_PIXEL_EVENTS[-1], _EVENT_BYTES)) + words.tobytes()


def _recognises(head: bytes) -> bool:
    values = raw.parse(raw.header_of(head))
    return not values["encoding"] and ("version" in values or "data" in values)


DAT = Format(
    name="dat",
    suffixes=(".dat",),
    title="Prophesee DAT, version 2",
    document="docs.prophesee.ai/stable/data/file_formats/dat.html",
    open=open_dat,
    encode=encode_dat,
    recognises=_recognises,
)
