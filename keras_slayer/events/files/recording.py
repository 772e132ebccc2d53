"""What every reader takes and gives: the bytes of a file, and its events block by block."""

from __future__ import annotations

import dataclasses
import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from keras_slayer.events.stream import Events

# A block of EVT 3.0 of this size has at most 1.5 million events, 20 MB of arrays.
BLOCK_BYTES = 1 << 18
# The same for readers that count events.
BLOCK_EVENTS = 1 << 17
DAMAGED = ("error", "skip")
SKIP_HINT = 'read_events(..., damaged="skip") leaves it out'


class EventFileWarning(UserWarning):
    """Part of an event file was left out; the message says how much and why."""


@dataclasses.dataclass(frozen=True)
class Block:
    """Some events of a file, and `where(index)`, the place of one of them: "byte 10"."""

    events: Events
    where: Callable[[int], str]


@dataclasses.dataclass(frozen=True)
class Recording:
    """An open file: its events in order, and `(height, width)` where the file tells it."""

    blocks: Iterable[Block]
    sensor_shape: tuple[int, int] | None = None


@dataclasses.dataclass
class Source:
    """The bytes of a file, read from front to back.

    Args:
        file: open for reading, at its start.
        name: of the data, in errors.
        path: None where the bytes come from no file.
        whole: whether all of it will be in memory in the end, so that a reader may take it at once.
        damaged: "error", or "skip" to leave out what cannot be read, with a warning.
    """

    file: BinaryIO
    name: str
    path: pathlib.Path | None = None
    whole: bool = True
    damaged: str = "error"

    def __post_init__(self):
        self.size = self.file.seek(0, 2)
        self.file.seek(0)

    @property
    def position(self) -> int:
        return self.file.tell()

    def error(self, problem: str) -> ValueError:
        """The error to raise, which begins with the name of the file."""
        return ValueError(f"{self.name}: {problem}")

    def left_out(self, what: str) -> None:
        """Warns of a part of the file that is missing in the events."""
        warnings.warn(f"{self.name}: {what}", EventFileWarning, stacklevel=2)

    def cut_off(self, problem: str) -> None:
        """For a file that ends within a word: an error, or a warning that its end is left out."""
        if self.damaged == "error":
            hint = f". {SKIP_HINT}" if self.path else ""
            raise self.error(problem + hint)
        self.left_out(f"{problem}, which is left out")

    def read(self, size: int) -> bytes:
        """The next bytes: as many, or what is left of the file."""
        # A damaged header may ask for more than there is memory.
        return self.file.read(min(size, max(self.size - self.position, 0)))

    def skip(self, size: int) -> None:
        """Goes past the next bytes, or to the end of the file where there are fewer."""
        # A damaged header may tell a place beyond what the system counts.
        self.file.seek(min(self.position + size, self.size))

    def header_lines(self, mark: bytes, last: bytes | None = None) -> list[bytes]:
        """The lines that begin with `mark`, up to the line `last`; the file is then at the data."""
        lines = []
        while True:
            start = self.position
            line = self.file.readline()
            if not line.startswith(mark) or not line.endswith(b"\n") or not _is_text(line):
                self.file.seek(start)
                return lines
            lines.append(line.rstrip(b"\r\n"))
            if lines[-1].rstrip() == last:
                return lines

    def blocks(
        self, word_bytes: int, what: str = "an event", at_once: bool = False
    ) -> Iterator[tuple[int, bytes]]:
        """Yields `(start, data)`: a byte of the file, and whole words from there on.

        A block has about `BLOCK_BYTES`, or is the rest of a file to be read `at_once` and whole.
        """
        at_once = at_once and self.whole
        size = self.size if at_once else max(BLOCK_BYTES // word_bytes, 1) * word_bytes
        while True:
            start = self.position
            data = self.read(size)
            rest = len(data) % word_bytes
            if rest:
                self.cut_off(
                    f"truncated at byte {start + len(data) - rest}: {what} has {word_bytes} bytes, "
                    f"the last one {rest}"
                )
                data = data[:-rest]
            if data:
                yield start, data
            if len(data) < size or self.position >= self.size:
                return


def _is_text(line: bytes) -> bool:
    """Data may begin with the same bytes as a line of the header."""
    return all(byte >= 32 or byte in b"\t\r\n" for byte in line)


def byte_of(start: int, word_bytes: int, kept=None) -> Callable[[int], str]:
    """`where` of a block of words of one size; `kept` are the words that are events."""

    def where(index: int) -> str:
        word = index if kept is None else int(kept[index])
        return f"byte {start + word_bytes * word}"

    return where


def number_of(first: int) -> Callable[[int], str]:
    """`where` of a block that begins with event number `first` of the file."""
    return lambda index: f"number {first + index}"
