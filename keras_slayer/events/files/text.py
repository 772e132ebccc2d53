"""Text files, `.csv` and `.txt`: a line per event.

Columns are apart by commas, semicolons, tabs or spaces. A first line that holds no numbers names
the columns; `columns=` names them where there is none. Empty lines and lines that begin with # are
skipped. The polarity may be True and False.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from keras_slayer.events.files import fields
from keras_slayer.events.files.format import Format
from keras_slayer.events.files.recording import BLOCK_EVENTS, Block, Recording, Source
from keras_slayer.events.stream import Events

_SEPARATORS = (",", ";", "\t")
_HEADER = "x,y,t,p"
_POLARITIES = {"true": 1.0, "false": 0.0}  # as pandas writes a column of bool
Line = tuple[int, str]  # its number, from 1, and its text


def open_text(
    source: Source, columns: Sequence[str] | None = None, time_unit: str | None = None
) -> Recording:
    """The first lines are read here, to learn what the columns are."""
    fields.check_columns(columns)
    fields.check_time_unit(time_unit)
    lines = _lines(source)
    heading = next(lines, None)
    while heading is not None and heading[1].startswith("#"):
        names = _split(heading[1].lstrip("# "))
        if columns is None and fields.is_complete(fields.fields_of(names)):
            columns = names
        heading = next(lines, None)
    if heading is None:
        return Recording(())
    if not _is_number(_split(heading[1])[0]):
        columns = columns or _split(heading[1])
    else:
        lines = itertools.chain([heading], lines)
    found = fields.fields_of(fields.column_names(columns or ()))
    if not fields.is_complete(found):
        raise source.error(
            f"the first line should name the columns {fields.described()}, or `columns` should: "
            f'columns="t,x,y,p". Received: line {heading[0]}: {heading[1][:80]!r}, '
            f"columns={columns!r}"
        )
    names = fields.column_names(columns)
    places = {field: names.index(name) for field, name in found.items()}
    data = (line for line in lines if not line[1].startswith("#"))
    return Recording(_blocks(source, data, len(names), places, time_unit))


def _lines(source: Source) -> Iterator[Line]:
    for number, line in enumerate(source.file, 1):
        text = line.decode("utf-8-sig" if number == 1 else "latin-1", errors="replace").strip()
        if text:
            yield number, text


def _separator(text: str) -> str | None:
    return next((s for s in _SEPARATORS if s in text), None)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(_separator(text))]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _blocks(source, lines: Iterator[Line], width: int, places, time_unit) -> Iterator[Block]:
    while block := list(itertools.islice(lines, BLOCK_EVENTS)):
        table = _parsed(source, block, width, places)
        where = _line_of([number for number, _ in block])
        yield Block(fields.to_events(table, time_unit, source, where), where)


def _line_of(numbers: list[int]):
    return lambda index: f"line {numbers[index]}"


def _parsed(source, block: list[Line], width: int, places) -> dict[str, np.ndarray]:
    separator = _separator(block[0][1])
    first = block[0][1].split(separator)
    whole = _is_whole(first, places["t"])
    # Only where there are words: Python reads them, line by line.
    worded = _part(first, places["polarity"]) in _POLARITIES
    words = {places["polarity"]: _from_word} if worded else None
    kinds = [(name, "i8" if whole and name == "t" else "f8") for name in places]
    texts = [text for _, text in block]

    def parse(count: int):
        return np.loadtxt(
            texts[:count],
            dtype=kinds,
            delimiter=separator,
            usecols=tuple(places.values()),
            converters=words,
            encoding=None,  # converters are given str
            comments=None,
            ndmin=1,
        )

    def fails(count: int) -> str:
        try:
            parse(count)
        except (ValueError, OverflowError, DeprecationWarning) as error:
            return str(error)
        return ""

    wrong = next((i for i, text in enumerate(texts) if len(text.split(separator)) != width), None)
    if wrong is not None:
        raise source.error(
            f"line {block[wrong][0]} should have {width} columns. Received: {texts[wrong][:80]!r}"
        )
    try:
        table = parse(len(texts))
    except (ValueError, OverflowError, DeprecationWarning) as error:
        good, bad = 0, len(texts)  # so many lines are read, so many are not
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (good, middle) if fails(middle) else (middle, bad)
        raise source.error(
            f"line {block[good][0]} cannot be read as numbers. Received: {texts[good][:80]!r}"
        ) from error
    return {name: table[name] for name in places}


def _part(parts: list[str], place: int) -> str:
    return parts[place].strip().lower() if place < len(parts) else ""


def _is_whole(parts: list[str], place: int) -> bool:
    return _part(parts, place).lstrip("+-").isdigit()


def _from_word(text: str) -> float:
    word = text.strip().lower()
    return _POLARITIES[word] if word in _POLARITIES else float(text)


def encode_text(events: Events) -> bytes:
    """The bytes of a `.csv` file: a first line x,y,t,p, then a line per event."""
    columns = (column.tolist() for column in (events.x, events.y, events.t, events.polarity))
    rows = map("%d,%d,%d,%d\n".__mod__, zip(*columns, strict=True))
    return f"{_HEADER}\n{''.join(rows)}".encode()


CSV = Format(
    name="csv",
    suffixes=(".csv", ".txt"),
    title="text, a line per event, with a first line or `columns=`",
    document="docs/files.md",
    open=open_text,
    encode=encode_text,
    options=("columns", "time_unit"),
)
