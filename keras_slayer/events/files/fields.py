"""Columns of a table under the names that people give them, made into events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from keras_slayer.events.files.recording import Source
from keras_slayer.events.stream import DTYPES, NAMES, Events

FIELD_OF = {name: field for field, names in NAMES.items() for name in names}
NEEDED = ("x", "y", "t", "polarity")
TIME_UNITS = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}
_NANOSECONDS = 1000


def fields_of(names: Iterable[str]) -> dict[str, str]:
    """The names that stand for x, y, t and polarity, by field; the first of each."""
    found = {}
    for name in names:
        field = FIELD_OF.get(name.strip().lower())
        if field is not None:
            found.setdefault(field, name)
    return found


def is_complete(found: Mapping[str, str]) -> bool:
    """Whether there is a name for each of the four fields."""
    return all(field in found for field in NEEDED)


def described() -> str:
    """The names that are understood, for errors."""
    return ", ".join("|".join(names) for names in NAMES.values())


def check_time_unit(time_unit: str | None) -> None:
    """ValueError unless it is one that exists."""
    if time_unit is not None and time_unit not in TIME_UNITS:
        raise ValueError(
            f"`time_unit` must be one of {list(TIME_UNITS)}, or None for whole microseconds. "
            f"Received: time_unit={time_unit!r}"
        )


def check_columns(columns: Sequence[str] | None) -> None:
    """ValueError unless `columns` names each field once."""
    if columns is None:
        return
    fields = [FIELD_OF.get(name.lower()) for name in column_names(columns)]
    if not all(fields.count(field) == 1 for field in NEEDED):
        raise ValueError(
            f"`columns` must name each of x, y, t and p once, in the order of the file; other "
            f'names are skipped: columns="t,x,y,p". Received: columns={columns!r}'
        )


def column_names(columns: Sequence[str]) -> list[str]:
    """The names in `columns`: a sequence, one text with commas, or the letters, "txyp"."""
    if isinstance(columns, str):
        columns = columns.split(",") if "," in columns else columns
    return [name.strip() for name in columns]


def to_microseconds(t: np.ndarray, time_unit: str | None, source: Source) -> np.ndarray:
    """int64, rounded to the nearest microsecond."""
    if t.dtype.kind not in "iuf":
        raise source.error(f"times must be numbers. Received: dtype {t.dtype}")
    if time_unit is None:
        if t.dtype.kind == "f":
            raise source.error(
                "times are of a floating-point type, so their unit is not known: give "
                f'time_unit="s", "ms", "us" or "ns". Received: t of dtype {t.dtype}'
            )
        time_unit = "us"
    if t.dtype.kind == "f":
        scaled = t * TIME_UNITS[time_unit] / (_NANOSECONDS if time_unit == "ns" else 1)
        if not (np.abs(scaled) < 2**62).all():
            first = int(np.argmin(np.abs(scaled) < 2**62))
            raise source.error(
                f"times must be finite, and below 2^62 us. Received: t={t[first]} in event {first}"
            )
        return np.round(scaled).astype(np.int64)
    if t.size and (int(t.max()) >= 2**62 or int(t.min()) < -(2**62)):
        raise source.error(f"times must be below 2^62 us. Received: t={t.min()} .. {t.max()}")
    t = t.astype(np.int64)
    if time_unit == "ns":
        return (t + _NANOSECONDS // 2) // _NANOSECONDS
    factor = TIME_UNITS[time_unit]
    if factor > 1 and t.size and np.abs(t).max() >= 2**62 // factor:
        raise source.error(
            f"times must be below 2^62 us. Received: t={t.min()} .. {t.max()}, "
            f"time_unit={time_unit!r}"
        )
    return t * factor


def to_events(
    columns: Mapping[str, np.ndarray],
    time_unit: str | None,
    source: Source,
    where: Callable[[int], str],
) -> Events:
    """Events of arrays by field. A polarity of -1 is OFF, as 0 is."""
    polarity = columns["polarity"]
    if polarity.dtype.kind in "if":
        polarity = np.where(polarity == -1, 0, polarity)
    t = to_microseconds(columns["t"], time_unit, source)
    columns = {"x": columns["x"], "y": columns["y"], "polarity": polarity}
    for field, column in columns.items():
        _check_whole(field, column, source, where)
    return Events(t=t, **columns)


def _check_whole(field: str, column: np.ndarray, source: Source, where) -> None:
    if column.dtype.kind not in "biuf":
        raise source.error(f"{field} must be numbers. Received: dtype {column.dtype}")
    most = np.iinfo(DTYPES[field]).max
    good = (column >= 0) & (column <= most)
    if column.dtype.kind == "f":
        good &= column == np.floor(column)
    if not good.all():
        first = int(np.argmin(good))
        raise source.error(
            f"event at {where(first)}: {field} must be a whole number from 0 to {most}. "
            f"Received: {field}={column[first]}"
        )
