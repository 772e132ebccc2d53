"""AEDAT 2.0, the files of jAER: a text header, then 8 bytes per event, big-endian.

    address uint32   DVS128: bit 0 polarity (0 is ON), 7..1 x, 14..8 y; bit 15 or 31: no pixel
                     DAVIS:  bit 11 polarity (1 is ON), 21..12 x, 30..22 y; bit 10 or 31: no pixel
    time uint32      microseconds; overflows after 71 minutes, which is added up

Both cameras count x from the right and y from the bottom. `Events` count from the left and the
top, so both are turned round.

Sources: iniVation, "AEDAT 2.0" (docs.inivation.com, file formats); jAER's event extractors,
github.com/SensorsINI/jaer
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from keras_slayer.events.files.format import Format
from keras_slayer.events.files.recording import Block, Recording, Source, byte_of
from keras_slayer.events.stream import Events

_VERSION_LINE = b"#!AER-DAT2.0"
_LAST_LINE = b"#End Of ASCII Header"
_EVENT_BYTES = 8
_TIMER_BITS = 32


@dataclasses.dataclass(frozen=True)
class Camera:
    """How a camera's addresses are made. A field is (lowest bit, bits)."""

    sensor_shape: tuple[int, int]
    x: tuple[int, int]
    y: tuple[int, int]
    polarity: int
    on: int
    no_pixel: int  # bits that are set where an address is no pixel's


def _davis(height: int, width: int) -> Camera:
    return Camera((height, width), (12, 10), (22, 9), polarity=11, on=1, no_pixel=1 << 31 | 1 << 10)


CAMERAS = {
    "dvs128": Camera((128, 128), (1, 7), (8, 7), polarity=0, on=0, no_pixel=1 << 31 | 1 << 15),
    "davis240": _davis(180, 240),
    "davis346": _davis(260, 346),
    "davis640": _davis(480, 640),
}


def open_aedat2(source: Source, camera: str | None = None) -> Recording:
    """`camera` is that of the header's line `# AEChip: ...`, or "dvs128" where there is none."""
    lines = source.header_lines(b"#", _LAST_LINE)
    if camera is None:
        camera = _camera_of(lines, source)
    if camera not in CAMERAS:
        raise ValueError(
            f"`camera` must be one of {list(CAMERAS)}, or None to take it from the header. "
            f"Received: camera={camera!r}"
        )
    return Recording(_blocks(source, CAMERAS[camera]), CAMERAS[camera].sensor_shape)


def _camera_of(lines: list[bytes], source: Source) -> str:
    chips = [line.split(b":", 1)[1].strip() for line in lines if b"AEChip:" in line]
    if not chips:
        return "dvs128"
    name = chips[0].decode("latin-1").rpartition(".")[2]
    known = [camera for camera in CAMERAS if name.lower().startswith(camera)]
    if not known:
        raise source.error(
            f'say whose addresses these are: camera="..." with one of {list(CAMERAS)}. '
            f"Received: AEChip {name!r} in the header"
        )
    return known[0]


def _blocks(source: Source, camera: Camera) -> Iterator[Block]:
    overflows, last = 0, None
    height, width = camera.sensor_shape
    for start, data in source.blocks(_EVENT_BYTES):
        address, time = np.frombuffer(data, ">u4").reshape(-1, 2).astype(np.int64).T
        # Only a step back by half the range or more is an overflow: events may be late by less.
        back = np.diff(time, prepend=time[0] if last is None else last)
        count = overflows + np.cumsum(back <= -(1 << (_TIMER_BITS - 1)))
        overflows, last = int(count[-1]), int(time[-1])
        kept = np.flatnonzero(address & camera.no_pixel == 0)
        address, time = address[kept], (count << _TIMER_BITS)[kept] + time[kept]
        x, y = width - 1 - _field(address, camera.x), height - 1 - _field(address, camera.y)
        off = (x < 0) | (y < 0)
        where = byte_of(start, _EVENT_BYTES, kept)
        if off.any():
            first = int(np.argmax(off))
            raise source.error(
                f"event at {where(first)} is off the sensor of {width} x {height} pixels: address "
                f"{address[first]:#x}. The file may be of another camera, see `camera`"
            )
        polarity = (address >> camera.polarity & 1) == camera.on
        yield Block(Events(x=x, y=y, t=time, polarity=polarity.astype(np.uint8)), where)


def _field(address: np.ndarray, field: tuple[int, int]) -> np.ndarray:
    lowest, bits = field
    return address >> lowest & ((1 << bits) - 1)


AEDAT2 = Format(
    name="aedat2",
    suffixes=(".aedat", ".dat"),
    title="AEDAT 2.0: jAER, DVS128 and DAVIS",
    document="docs.inivation.com, AEDAT file formats, AEDAT 2.0",
    open=open_aedat2,
    recognises=lambda head: head.startswith(_VERSION_LINE),
    options=("camera",),
)
