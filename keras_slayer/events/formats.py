"""Event files: N-MNIST's `.bin` (the same as `.bs2`), `.bs1` and `.bs3`.

Each event is one big-endian word of fixed size; the fields are packed from the highest bit down.

| suffix         | bytes | fields (bits)                            | for                          |
|----------------|-------|------------------------------------------|------------------------------|
| `.bin`, `.bs2` | 5     | x (8), y (8), polarity (1), t (23)       | cameras up to 256 x 240      |
| `.bs1`         | 5     | x (16) = neuron, polarity (1), t (23)    | populations, spike rasters   |
| `.bs3`         | 7     | x (12), y (12), polarity (8), t (24)     | larger sensors, many channels|

Times are in microseconds. In `.bin` and `.bs2` an event with y = 240 is no event but says that
the camera's 13-bit timer overflowed: 2^13 is added to the times after it (Orchard et al. 2015).
"""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_slayer.events.stream import DTYPES, Events
from keras_slayer.files import write_whole

_BIN = (("x", 8), ("y", 8), ("polarity", 1), ("t", 23))
_BS1 = (("x", 16), ("polarity", 1), ("t", 23))
_BS3 = (("x", 12), ("y", 12), ("polarity", 8), ("t", 24))
_LAYOUTS = {".bin": _BIN, ".bs2": _BIN, ".bs1": _BS1, ".bs3": _BS3}

OVERFLOW_ROW = 240
OVERFLOW_MICROSECONDS = 1 << 13


def read_events(
    path: str | os.PathLike, *, sensor_shape: Sequence[int] | None = None, ordered: bool = False
) -> Events:
    """Reads an event file; the suffix says the format.

    Args:
        path: a `.bin`, `.bs1`, `.bs2` or `.bs3` file.
        sensor_shape: `(height, width)`, `(height, width, channels)` or `(neurons,)`. Where it is
            given, events outside of it are an error.
        ordered: whether times that run backwards are an error. (The events of a `.bs1` raster
            are often not in order; `Events.sorted()` puts them in order.)

    Returns:
        The `Events` in the order of the file.

    Raises:
        ValueError: a truncated file, an event off the sensor, time running backwards, or an
            unknown suffix; with file and byte offset.
    """
    path = pathlib.Path(path)
    layout = _layout(path)
    return _decode(path.read_bytes(), layout, str(path), sensor_shape, ordered)


def write_events(path: str | os.PathLike, events: Events) -> None:
    """Writes an event file; the suffix says the format.

    The file is complete or absent: it is written under another name in the same folder, and then
    renamed. Of several threads or processes that write to one path, the last one wins. A link is
    followed.

    Raises:
        ValueError: a value that does not fit its field, an unknown suffix, or a path that is no
            regular file or new name in an existing folder; nothing is written then.
    """
    path = pathlib.Path(path)
    write_whole(path, _encode(events, _layout(path), path.suffix.lower()))


def decode_nmnist(
    data: bytes,
    *,
    source: str = "<bytes>",
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
) -> Events:
    """Decodes N-MNIST's `.bin` format (`.bs2` is the same). `source` names the data in errors."""
    return _decode(data, _BIN, source, sensor_shape, ordered)


def decode_bs1(
    data: bytes,
    *,
    source: str = "<bytes>",
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
) -> Events:
    """Decodes the `.bs1` format: `x` is the neuron, `y` is 0. `source` names the data in errors."""
    return _decode(data, _BS1, source, sensor_shape, ordered)


def decode_bs3(
    data: bytes,
    *,
    source: str = "<bytes>",
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
) -> Events:
    """Decodes the `.bs3` format: `polarity` is a channel, 0..255. `source` names it in errors."""
    return _decode(data, _BS3, source, sensor_shape, ordered)


def encode_nmnist(events: Events) -> bytes:
    """The bytes of a `.bin` (or `.bs2`) file. ValueError where a value does not fit its field."""
    return _encode(events, _BIN, ".bin")


def encode_bs1(events: Events) -> bytes:
    """The bytes of a `.bs1` file. ValueError where a value does not fit its field."""
    return _encode(events, _BS1, ".bs1")


def encode_bs3(events: Events) -> bytes:
    """The bytes of a `.bs3` file. ValueError where a value does not fit its field."""
    return _encode(events, _BS3, ".bs3")


def _layout(path: pathlib.Path):
    layout = _LAYOUTS.get(path.suffix.lower())
    if layout is None:
        raise ValueError(
            f"The suffix of an event file must be one of {sorted(_LAYOUTS)}. Received: path={path}"
        )
    return layout


def _word_bytes(layout) -> int:
    return sum(bits for _, bits in layout) // 8


def _decode(data, layout, source, sensor_shape, ordered) -> Events:
    size = _word_bytes(layout)
    count, rest = divmod(len(data), size)
    if rest:
        raise ValueError(
            f"{source}: truncated at byte {count * size}: an event has {size} bytes, "
            f"the last one {rest}"
        )
    bytes_ = np.zeros((count, 8), np.uint8)
    bytes_[:, 8 - size :] = np.frombuffer(data, np.uint8).reshape(count, size)
    word = bytes_.view(">u8").ravel().astype(np.uint64)

    fields, shift = {}, 8 * size
    for name, bits in layout:
        shift -= bits
        value = word >> np.uint64(shift) & np.uint64((1 << bits) - 1)
        fields[name] = value.astype(DTYPES[name])  # at once: large files fill the memory else

    offsets = size * np.arange(count)
    if layout is _BIN:
        overflow = fields["y"] == OVERFLOW_ROW
        if overflow.any():
            fields["t"] += OVERFLOW_MICROSECONDS * np.cumsum(overflow)
            offsets = offsets[~overflow]
            fields = {name: value[~overflow] for name, value in fields.items()}

    events = Events(**fields)
    if sensor_shape is not None:
        check_on_sensor(events, sensor_shape, source, offsets)
    if ordered:
        check_ordered(events, source, offsets)
    return events


def check_on_sensor(events: Events, sensor_shape, source: str, offsets) -> None:
    """ValueError where an event is off the sensor; `offsets` are the bytes of the events."""
    sensor_shape = tuple(sensor_shape)
    if len(sensor_shape) == 1:
        limits = {"x": sensor_shape[0]}
    elif len(sensor_shape) in (2, 3):
        limits = dict(zip(("y", "x", "polarity"), sensor_shape, strict=False))
    else:
        raise ValueError(
            "`sensor_shape` must be (neurons,), (height, width) or (height, width, channels). "
            f"Received: sensor_shape={sensor_shape}"
        )
    off = np.zeros(len(events), bool)
    for name, limit in limits.items():
        off |= getattr(events, name) >= limit
    if off.any():
        first = int(np.argmax(off))
        event = ", ".join(f"{name}={getattr(events, name)[first]}" for name in limits)
        raise ValueError(
            f"{source}: event at byte {offsets[first]} is off the sensor: {event} with "
            f"sensor_shape={sensor_shape}"
        )


def check_ordered(events: Events, source: str, offsets) -> None:
    """ValueError where an event is earlier than the one before it."""
    backwards = np.flatnonzero(np.diff(events.t) < 0)
    if backwards.size:
        first = int(backwards[0]) + 1
        raise ValueError(
            f"{source}: time runs backwards at byte {offsets[first]}: {events.t[first]} us after "
            f"{events.t[first - 1]} us"
        )


def _encode(events: Events, layout, suffix: str) -> bytes:
    names = {name for name, _ in layout}
    if "y" not in names and events.y.any():
        first = int(np.argmax(events.y != 0))
        raise ValueError(
            f"A {suffix} file has no rows: y must be 0, x is the neuron. "
            f"Received: y={events.y[first]} in event {first}"
        )
    word = np.zeros(len(events), np.uint64)
    for name, bits in layout:
        value = getattr(events, name)
        bad = (value < 0) | (value >= 1 << bits)
        if layout is _BIN and name == "y":
            bad |= value == OVERFLOW_ROW
        if bad.any():
            first = int(np.argmax(bad))
            note = (
                f" except {OVERFLOW_ROW}, which marks a timer overflow"
                if layout is _BIN and name == "y"
                else ""
            )
            raise ValueError(
                f"A {suffix} file holds {name} from 0 to {(1 << bits) - 1}{note}. "
                f"Received: {name}={value[first]} in event {first}"
            )
        word = word << np.uint64(bits) | value.astype(np.uint64)
    return word.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - _word_bytes(layout) :].tobytes()
