"""Recordings in the forms that people have them in, turned into `Events`."""

import re

import numpy as np

from keras_slayer.events.stream import Events

# The names of each field in the files and libraries of this field.
_NAMES = {
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "t": ("t", "ts", "timestamp", "timestamps", "time"),
    "polarity": ("polarity", "p", "pol", "ps"),
}
_LETTERS = {"x": "x", "y": "y", "t": "t", "p": "polarity"}
_MICROSECONDS = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1e-3}
_NANOSECONDS = 1000  # in a microsecond


def as_events(recording, *, columns: str | None = None, time_unit: str | None = None) -> Events:
    """Turns a recording into `Events`, whatever its fields are called.

    Args:
        recording: one of

            - `Events`, returned as they are;
            - a mapping of vectors, or a table with named columns: `x`, `y` (may be absent), `t`
              (or `ts`, `time`, `timestamp`) and `polarity` (or `p`, `pol`; may be absent);
            - a structured array with these names;
            - an array `(n, 4)` or `(n, 3)`, with `columns`.

            Polarity is 0 or 1, -1 or 1 (-1 becomes 0), bool, or a channel's number from 0.
        columns: the columns of an array by their letters: "xytp", "t,x,y,p", "xyt", ...
        time_unit: "s", "ms", "us" or "ns": the unit of the times. None means microseconds, and
            refuses times of a floating-point type, which may be anything. Times of an integer
            type in nanoseconds are rounded down to microseconds, others to the nearest.

    Returns:
        `Events`, in the order of `recording`.

    Raises:
        ValueError: none of these forms, a field that is missing or there twice, times of a
            floating-point type without `time_unit`, or a value that `Events` cannot hold.
    """
    if time_unit is not None and time_unit not in _MICROSECONDS:
        raise ValueError(
            f'`time_unit` must be "s", "ms", "us" or "ns". Received: time_unit={time_unit!r}'
        )
    if isinstance(recording, Events):
        if time_unit not in (None, "us"):
            raise ValueError(
                f"The times of Events are microseconds already. Received: time_unit={time_unit!r}"
            )
        return recording
    fields = _fields(recording, columns)
    fields["t"] = _times(np.asarray(fields["t"]), time_unit)
    if "polarity" in fields:
        fields["polarity"] = _polarity(np.asarray(fields["polarity"]))
    return Events(**{name: np.asarray(value) for name, value in fields.items()})


def _fields(recording, columns) -> dict:
    array = isinstance(recording, np.ndarray)
    if array and recording.dtype.names is None:
        return _columns(recording, columns)
    if columns is not None:
        raise ValueError(
            "`columns` is for arrays (n, 4); here the fields have names. "
            f"Received: columns={columns!r} with {_kind(recording)}"
        )
    # Tables of pandas and groups of h5py have `keys`, though they are no mappings.
    names = recording.dtype.names if array else list(getattr(recording, "keys", list)())
    fields = {}
    for field, choices in _NAMES.items():
        found = [name for name in choices if name in names]
        if len(found) > 1:
            raise ValueError(
                f"A recording must have one field for {field}. Received: {' and '.join(found)}"
            )
        if found:
            fields[field] = recording[found[0]]
    missing = [name for name in ("x", "t") if name not in fields]
    if missing:
        raise ValueError(
            "A recording must be Events, a mapping or structured array with the fields x, y, t "
            'and polarity, or an array (n, 4) with columns="xytp". Missing: '
            f"{' and '.join(missing)}. Received: {_kind(recording)} with fields {list(names)}"
        )
    return fields


def _columns(array, columns) -> dict:
    if columns is None:
        raise ValueError(
            "An array does not say which column is which: give `columns` by their letters, "
            f'such as columns="xytp" or "txyp". Received: columns=None with {_kind(array)}'
        )
    letters = list(re.sub("[, ]", "", columns)) if isinstance(columns, str) else []
    if set(letters) - set(_LETTERS) or len(set(letters)) < len(letters) or not {"x", "t"} <= set(
        letters
    ):  # fmt: skip
        raise ValueError(
            "`columns` must be letters of x, y, t and p, each once and x and t among them. "
            f"Received: columns={columns!r}"
        )
    if array.ndim != 2 or array.shape[1] != len(letters):
        raise ValueError(
            f"columns={columns!r} needs an array (n, {len(letters)}), an event in each row. "
            f"Received: {_kind(array)}"
        )
    return {_LETTERS[letter]: array[:, i] for i, letter in enumerate(letters)}


def _times(t, unit):
    if t.dtype.kind == "f" and t.size and unit is None:
        raise ValueError(
            "Event times must be whole microseconds, of an integer type. For other times say "
            'what they are: time_unit="s", "ms", "us" or "ns". '
            f"Received: t of dtype {t.dtype}, from {t.min():g} to {t.max():g}"
        )
    if unit in (None, "us") and t.dtype.kind != "f":
        return t
    if t.dtype.kind == "f":
        t = np.round(t.astype(np.float64) * _MICROSECONDS[unit or "us"])
        limit = 2.0**63
    elif t.dtype.kind not in "iu":
        return t  # refused by Events
    elif unit == "ns":
        return t // _NANOSECONDS
    else:
        limit = 2**63 // _MICROSECONDS[unit]
    good = (t >= -limit) & (t < limit)
    if not good.all():
        raise ValueError(
            "Event times must be finite and fit 64 bits in microseconds. "
            f"Received: t[{int(np.argmin(good))}] with time_unit={unit!r}"
        )
    return t.astype(np.int64) if t.dtype.kind == "f" else t.astype(np.int64) * _MICROSECONDS[unit]


def _polarity(polarity):
    if polarity.dtype.kind not in "if" or not polarity.size or not polarity.min() < 0:
        return polarity
    if not np.isin(polarity, (-1, 1)).all():
        raise ValueError(
            "Polarity must be 0 and 1, -1 and 1, bool, or numbers of channels from 0. "
            f"Received: polarity with the values {np.unique(polarity)[:6].tolist()}"
        )
    return (polarity > 0).astype(np.uint8)


def _kind(recording) -> str:
    shape = getattr(recording, "shape", None)
    return type(recording).__name__ + ("" if shape is None else f" of shape {tuple(shape)}")
