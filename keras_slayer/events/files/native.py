"""Blocks of a file that the compiled decoders read: Prophesee's formats and Event Stream."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator

from keras_slayer.events.files.recording import SKIP_HINT, Block, Source
from keras_slayer.events.stream import Events


def decoders():
    """The extension keras_slayer.events._decoders."""
    try:
        return importlib.import_module("keras_slayer.events._decoders")
    except ImportError as error:
        raise ImportError(
            "The compiled decoders of event files (keras_slayer.events._decoders) cannot be "
            f"loaded: {error}. Install the package with a C++ compiler at hand (`pip install .`, "
            "or `pip install -e .` in a checkout)."
        ) from error


def decoded(source: Source, decoder, hint: str = SKIP_HINT) -> Iterator[Block]:
    """The blocks of the rest of a file. `hint` ends the error of a word that cannot be read."""
    for start, data in source.blocks(decoder.word_bytes, "a word", at_once=True):
        before = copy.copy(decoder)  # to find the word of an event, should it be asked for
        *fields, problem = decoder.decode(data)
        if problem is not None:
            byte, text = problem
            raise source.error(f"at byte {start + byte} {text}. {hint}".removesuffix(". "))

        def where(index: int, before=before, data=data, start=start) -> str:
            return f"byte {start + before.find(data, index)}"

        x, y, t, polarity = fields
        yield Block(Events(x=x, y=y, t=t, polarity=polarity), where)
    if decoder.unknown:
        source.left_out(f"{decoder.unknown} words of no known meaning are left out")
