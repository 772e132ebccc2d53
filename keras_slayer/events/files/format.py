"""A row of the table of formats."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from keras_slayer.events.files.recording import Recording
from keras_slayer.events.stream import Events


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of event files.

    Attributes:
        name: what `format=` says.
        suffixes: of its files. The first format that has a suffix is the one that is written.
        title: what it is, in a few words.
        document: where it is described.
        open: opens a `Source`; keywords are those in `options`.
        encode: the bytes of a file, or None where the format is only read.
        recognises: whether a file begins so; None where only the suffix tells the format.
        options: further arguments of `read_events`.
        extra: the extra of the package that reading needs, wholly or for some files.
        in_chunks: whether reading in chunks takes memory for a chunk only.
    """

    name: str
    suffixes: tuple[str, ...]
    title: str
    document: str
    open: Callable[..., Recording]
    encode: Callable[[Events], bytes] | None = None
    recognises: Callable[[bytes], bool] | None = None
    options: tuple[str, ...] = ()
    extra: str | None = None
    in_chunks: bool = True

    @property
    def writes(self) -> bool:
        """Whether `write_events` writes it. All formats are read."""
        return self.encode is not None
