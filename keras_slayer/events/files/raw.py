"""The text header of Prophesee's `.raw` and `.dat` files.

Lines `% key value`, up to `% end` or to the first byte that begins no such line.

Source: Prophesee, "RAW File Format", docs.prophesee.ai/stable/data/file_formats/raw.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keras_slayer.events.files.native import decoded, decoders
from keras_slayer.events.files.recording import SKIP_HINT, Block, Recording, Source
from keras_slayer.events.stream import Events

MARK = b"% "
LAST_LINE = b"% end"
# The value of `% evt`, in older files, and of `% format`.
_ENCODINGS = {"2.0": "EVT2", "2.1": "EVT21", "3.0": "EVT3"}


def parse(lines: list[bytes]) -> dict[str, str]:
    """Keys, in lower case, and values; those of `format` are apart: `EVT3;height=720` too."""
    values = {}
    for line in lines:
        key, _, value = line[len(MARK) :].decode("latin-1").strip().partition(" ")
        values[key.lower()] = value.strip()
    encoding, *properties = values.get("format", "").split(";")
    values["encoding"] = encoding.strip().upper() or _ENCODINGS.get(values.get("evt", ""), "")
    for item in properties:
        key, _, value = item.partition("=")
        values[key.strip().lower()] = value.strip()
    return values


def encoding_of(head: bytes) -> str:
    """What the header at the beginning of a file says, as "EVT3"; empty where it says nothing."""
    return parse(header_of(head))["encoding"]


def header_of(head: bytes) -> list[bytes]:
    """The whole header lines at the beginning of a file."""
    lines = []
    for line in head.split(b"\n")[:-1]:
        if not line.startswith(MARK):
            break
        lines.append(line.rstrip())
    return lines


def sensor_shape(values: dict[str, str]) -> tuple[int, int] | None:
    """`(height, width)`, where the header tells them."""
    size = f"{values.get('width', '')}x{values.get('height', '')}"
    for text in (size, values.get("geometry", "")):
        found = re.fullmatch(r"0*([1-9][0-9]{0,5})x0*([1-9][0-9]{0,5})", text)
        if found:
            return int(found[2]), int(found[1])
    return None


def open_raw(source: Source, decoder: str) -> Recording:
    """A `.raw` file, read with the decoder of that name."""
    values = parse(source.header_lines(MARK, LAST_LINE))
    order = values.get("endianness", "little").lower()
    if order not in ("little", "legacy"):
        raise source.error(f"only little-endian files can be read. Received: endianness={order}")
    if decoder == "Evt21" and order == "legacy":
        decoder = "Evt21Legacy"
    state = getattr(decoders(), decoder)(skip_unknown=source.damaged == "skip")
    return Recording(_blocks(source, state), sensor_shape(values))


def _blocks(source: Source, decoder) -> Iterator[Block]:
    hint = SKIP_HINT
    if type(decoder).__name__ == "Evt21":
        hint = (
            "Cameras with an IMX636 write the halves of a word in the other order: "
            f'format="evt21-legacy". {SKIP_HINT}'
        )
    found = False
    for block in decoded(source, decoder, hint):
        found = found or len(block.events) > 0
        yield block
    if decoder.early and not found:
        raise source.error(
            f"the file has {decoder.early} events, but no time or row for them: it is cut from a "
            "longer one, or of another format"
        )
    if decoder.early:
        source.left_out(
            f"{decoder.early} events before the first time and row are left out, as their time or "
            "place is not known"
        )


def raw_header(encoding: str, version: str, events: Events) -> bytes:
    """The header of a file to be written."""
    lines = ["% evt " + version, "% format " + encoding]
    if events.sensor_shape is not None:
        height, width = events.sensor_shape
        lines[-1] += f";height={height};width={width}"
        lines.append(f"% geometry {width}x{height}")
    return "".join(f"{line}\n" for line in [*lines, "% end"]).encode()
