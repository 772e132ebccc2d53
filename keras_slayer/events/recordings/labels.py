"""Labels of recordings: classes, and intervals of time that have one."""

import csv
import math
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

_CSV_NEEDED = ("file", "label")
_CSV_TIMES = ("start", "stop")


def encode(labels: Sequence, class_names: Sequence[str] | None, names: Sequence[str]):
    """Turns the labels of recordings into numbers.

    Args:
        labels: of each recording, a class or a list of intervals `(start, stop, class)` in
            seconds. A class is a string, or an integer that is its number already.
        class_names: the classes by number; None takes the strings that occur, sorted, or "0",
            "1", ... for integers.
        names: of the recordings, for errors.

    Returns:
        `(numbers, intervals, class_names)`; a number is None where there are intervals, and
        `intervals` have numbers for classes.

    Raises:
        ValueError: a label that is missing, of another type or not in `class_names`, strings
            beside integers, or an interval that is none.
    """
    rows = [
        _intervals(label, name) if _is_list(label) else [(None, None, _class(label, name))]
        for label, name in zip(labels, names, strict=True)
    ]
    found = {value for row in rows for *_, value in row}
    kinds = {type(value) for value in found}
    if len(kinds) > 1:
        raise ValueError(
            "Labels must be all strings or all integers. "
            f"Received: labels with {', '.join(map(repr, sorted(found, key=str)[:6]))}"
        )
    class_names, numbers = _number_classes(found, kinds == {int}, class_names, rows, names)
    encoded, intervals = [], []
    for label, row in zip(labels, rows, strict=True):
        listed = _is_list(label)
        encoded.append(None if listed else numbers[row[0][2]])
        intervals.append(tuple((a, b, numbers[c]) for a, b, c in row) if listed else ())
    return encoded, intervals, class_names


def _number_classes(found, integers, class_names, rows, names):
    """`(class_names, numbers)`: numbers is a mapping from each label to its number."""
    if class_names is not None:
        class_names = tuple(class_names)
        if not all(isinstance(n, str) for n in class_names) or (
            len(set(class_names)) < len(class_names)
        ):
            raise ValueError(
                "`class_names` must be different strings. "
                f"Received: class_names={_some(class_names)}"
            )
    elif integers:
        class_names = tuple(map(str, range(max(found) + 1)))
    else:
        # Numbers in order of their value: "2" before "10".
        digits = all(name.isascii() and name.isdigit() for name in found)
        class_names = tuple(sorted(found, key=(lambda n: (int(n), n)) if digits else None))
    numbers = {(i if integers else name): i for i, name in enumerate(class_names)}
    for row, name in zip(rows, names, strict=True):
        for *_, label in row:
            if label not in numbers:
                raise ValueError(
                    f"{name}: the label {label!r} is not in class_names. "
                    f"Received: class_names={_some(class_names)}"
                )
    return class_names, numbers


def _class(label, name):
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, str) and label:
        return label
    if isinstance(label, int) and label >= 0:
        return int(label)
    hint = ""
    if label is None:
        hint = " Recordings without classes take one, such as labels=lambda path: 'unknown'."
    raise ValueError(
        f"{name}: a label must be a class (a string, or an integer from 0) or a list of intervals "
        f"(start, stop, class) in seconds.{hint} Received: label={label!r}"
    )


def _is_list(label) -> bool:
    return isinstance(label, (list, tuple)) or (isinstance(label, np.ndarray) and label.ndim > 0)


def is_interval(label) -> bool:
    """Whether it looks like one `(start, stop, class)`."""
    number = (int, float, np.integer, np.floating)
    return (
        isinstance(label, (list, tuple))
        and len(label) == 3
        and all(isinstance(value, number) for value in label[:2])
    )


def _intervals(label, name) -> list:
    row = []
    for interval in label:
        if not is_interval(interval):
            raise ValueError(
                f"{name}: an interval must be (start, stop, class), in seconds. "
                f"Received: {interval!r}"
            )
        start, stop = map(float, interval[:2])
        if not (math.isfinite(start) and math.isfinite(stop) and start < stop):
            raise ValueError(
                f"{name}: an interval must start before it stops. "
                f"Received: ({start:g}, {stop:g}, {interval[2]!r})"
            )
        row.append((start, stop, _class(interval[2], name)))
    return row


def read_csv(path: pathlib.Path) -> tuple[dict, dict]:
    """`(labels, metadata)` by file name, from a table with the columns file and label.

    With the columns start and stop (seconds), each row is an interval of its file. Further
    columns are metadata, which must be the same in all rows of a file.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        file.seek(0)
        table = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
        columns = [name.strip() for name in table.fieldnames or ()]
        table.fieldnames = columns
        timed = [name in columns for name in _CSV_TIMES]
        if not set(_CSV_NEEDED) <= set(columns) or any(timed) != all(timed):
            raise ValueError(
                f"{path}: the first line must name the columns file and label, and both or none "
                f"of start and stop. Received: {columns}"
            )
        labels, metadata = {}, {}
        for row in table:
            where = f"{path}, line {table.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{where}: {len(columns)} columns expected. Received: {row}")
            row = {column: value.strip() for column, value in row.items()}
            name = row.pop("file").replace("\\", "/")  # of Windows
            label = row.pop("label")
            if any(timed):
                start, stop = (_seconds(row.pop(column), column, where) for column in _CSV_TIMES)
                labels.setdefault(name, []).append((start, stop, label))
            elif name in labels:
                raise ValueError(f"{where}: the file is there twice. Received: file={name}")
            else:
                labels[name] = label
            if metadata.setdefault(name, row) != row:
                raise ValueError(
                    f"{where}: further columns must be the same in all rows of a file. "
                    f"Received: {row} after {metadata[name]}"
                )
    if not labels:
        raise ValueError(f"{path} lists no files. Received: a table of 0 rows")
    return labels, metadata


def _seconds(text, column, where) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"{where}: {column} must be a number of seconds. Received: {column}={text!r}"
        ) from None


def check_files(labels: Mapping, files: Sequence[str], source: str) -> dict:
    """The labels by the files that are there: each needs a label, and each label a file.

    A name without a folder stands for the one file of that name.
    """
    by_name, known = {}, set(files)
    for file in files:
        by_name.setdefault(file.rsplit("/", 1)[-1], []).append(file)
    found, absent = {}, []
    for name, label in labels.items():
        places = [name] if name in known else by_name.get(name, [])
        if len(places) > 1:
            raise ValueError(
                f"{source}: {name} stands for {len(places)} files: {_some(places)}. Give their "
                f"folders. Received: file={name}"
            )
        if places:
            if places[0] in found:
                refuse_twice(places[0], source)
            found[places[0]] = label
        else:
            absent.append(name)
    if absent:
        raise ValueError(
            f"{source} names {len(absent)} of {len(labels)} files that are not there: "
            f"{_some(absent)}. Looked for among {len(files)} files: {_some(files)}. "
            f"Received: file={absent[0]}"
        )
    return found


def refuse_twice(file: str, source: str) -> None:
    """Always raises: a file has two names in `source`."""
    raise ValueError(f"{source} names a file in two ways: {file}. Received: file={file}")


def _some(names) -> str:
    """The first few."""
    names = list(names)
    return ", ".join(map(str, names[:5])) + (f", ... ({len(names)})" if len(names) > 5 else "")
