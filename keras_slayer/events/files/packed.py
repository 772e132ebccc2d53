"""N-MNIST's `.bin` (the same as `.bs2`), and SLAYER's `.bs1` and `.bs3`.

Each event is one big-endian word of fixed size; the fields are packed from the highest bit down.

| suffix         | bytes | fields (bits)                            | for                          |
|----------------|-------|------------------------------------------|------------------------------|
| `.bin`, `.bs2` | 5     | x (8), y (8), polarity (1), t (23)       | cameras up to 256 x 240      |
| `.bs1`         | 5     | x (16) = neuron, polarity (1), t (23)    | populations, spike rasters   |
| `.bs3`         | 7     | x (12), y (12), polarity (8), t (24)     | larger sensors, many channels|

Times are in microseconds. In `.bin` and `.bs2` an event with y = 240 is no event but says that
the camera's 13-bit timer overflowed: 2^13 is added to the times after it (Orchard et al. 2015).
"""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from keras_slayer.events.files.format import Format
from keras_slayer.events.files.joining import decode
from keras_slayer.events.files.recording import Block, Recording, Source, byte_of
from keras_slayer.events.stream import DTYPES, Events

_BIN = (("x", 8), ("y", 8), ("polarity", 1), ("t", 23))
_BS1 = (("x", 16), ("polarity", 1), ("t", 23))
_BS3 = (("x", 12), ("y", 12), ("polarity", 8), ("t", 24))

OVERFLOW_ROW = 240
OVERFLOW_MICROSECONDS = 1 << 13


def decode_nmnist(
    data: bytes,
    *,
    source: str = "<bytes>",
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
) -> Events:
    """Decodes N-MNIST's `.bin` format (`.bs2` is the same). `source` names the data in errors."""
    return decode(data, BIN.open, source=source, sensor_shape=sensor_shape, ordered=ordered)


def decode_bs1(
    data: bytes,
    *,
    source: str = "<bytes>",
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
) -> Events:
    """Decodes the `.bs1` format: `x` is the neuron, `y` is 0. `source` names the data in errors."""
    return decode(data, BS1.open, source=source, sensor_shape=sensor_shape, ordered=ordered)


def decode_bs3(
    data: bytes,
    *,
    source: str = "<bytes>",
    sensor_shape: Sequence[int] | None = None,
    ordered: bool = False,
) -> Events:
    """Decodes the `.bs3` format: `polarity` is a channel, 0..255. `source` names it in errors."""
    return decode(data, BS3.open, source=source, sensor_shape=sensor_shape, ordered=ordered)


def encode_nmnist(events: Events) -> bytes:
    """The bytes of a `.bin` (or `.bs2`) file. ValueError where a value does not fit its field."""
    return _encode(events, _BIN, ".bin")


def encode_bs1(events: Events) -> bytes:
    """The bytes of a `.bs1` file. ValueError where a value does not fit its field."""
    return _encode(events, _BS1, ".bs1")


def encode_bs3(events: Events) -> bytes:
    """The bytes of a `.bs3` file. ValueError where a value does not fit its field."""
    return _encode(events, _BS3, ".bs3")


def _word_bytes(layout) -> int:
    return sum(bits for _, bits in layout) // 8


def _open(source: Source, layout) -> Recording:
    return Recording(_blocks(source, layout))


def _blocks(source: Source, layout) -> Iterator[Block]:
    size, overflows = _word_bytes(layout), 0
    for start, data in source.blocks(size):
        fields, kept = _unpack(data, layout), None
        if layout is _BIN:
            overflow = fields["y"] == OVERFLOW_ROW
            if overflows or overflow.any():
                fields["t"] += OVERFLOW_MICROSECONDS * (overflows + np.cumsum(overflow))
                overflows += int(overflow.sum())
                kept = np.flatnonzero(~overflow)
                fields = {name: value[kept] for name, value in fields.items()}
        yield Block(Events(**fields), byte_of(start, size, kept))


def _unpack(data: bytes, layout) -> dict[str, np.ndarray]:
    bytes_ = np.frombuffer(data, np.uint8).reshape(-1, _word_bytes(layout))
    fields, bit = {}, 0  # bit: where the field begins, from the highest of the word
    for name, bits in layout:
        first, last = bit // 8, (bit + bits - 1) // 8
        value = (bytes_[:, first] & (0xFF >> bit % 8)).astype(DTYPES[name])
        for byte in range(first + 1, last + 1):
            value <<= 8
            value |= bytes_[:, byte]
        bit += bits
        value >>= 8 * (last + 1) - bit
        fields[name] = value
    return fields


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


BIN = Format(
    name="bin",
    suffixes=(".bin",),
    title="N-MNIST, N-Caltech101",
    document="Orchard et al. 2015, doi.org/10.3389/fnins.2015.00437",
    open=functools.partial(_open, layout=_BIN),
    encode=encode_nmnist,
)
BS2 = Format(
    name="bs2",
    suffixes=(".bs2",),
    title="SLAYER, the same as .bin",
    document="Shrestha & Orchard 2018, github.com/bamsumit/slayerPytorch",
    open=BIN.open,
    encode=functools.partial(_encode, layout=_BIN, suffix=".bs2"),
)
BS1 = Format(
    name="bs1",
    suffixes=(".bs1",),
    title="SLAYER, spikes of numbered neurons",
    document="Shrestha & Orchard 2018, github.com/bamsumit/slayerPytorch",
    open=functools.partial(_open, layout=_BS1),
    encode=encode_bs1,
)
BS3 = Format(
    name="bs3",
    suffixes=(".bs3",),
    title="SLAYER, larger sensors and many channels",
    document="Shrestha & Orchard 2018, github.com/bamsumit/slayerPytorch",
    open=functools.partial(_open, layout=_BS3),
    encode=encode_bs3,
)
