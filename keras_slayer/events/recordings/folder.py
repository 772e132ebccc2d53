"""Recordings from a folder of files."""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_slayer.events.files.fields import check_columns
from keras_slayer.events.recordings import labels as labelling
from keras_slayer.events.recordings.items import Items
from keras_slayer.events.recordings.packing import PackedFolder, TemporaryFolder
from keras_slayer.events.recordings.patterns import compile_pattern, files_below
from keras_slayer.events.recordings.recordings import Recordings
from keras_slayer.events.recordings.sensor import check_shape
from keras_slayer.events.recordings.shared import Shared
from keras_slayer.events.recordings.sources import Entry, FileSource

_Path = str | os.PathLike
_LABEL = "label"


def from_folder(
    folder: _Path,
    pattern: str | None = None,
    *,
    labels: _Path | Mapping | Callable | None = None,
    class_names: Sequence[str] | None = None,
    sensor_shape: Sequence[int] | None = None,
    downsample: Sequence[int] | None = None,
    columns: str | Sequence[str] | None = None,
    time_unit: str | None = None,
    reader: Callable | None = None,
    cache: _Path | bool | None = None,
    on_error: str = "raise",
) -> Recordings:
    """The event files in a folder, with labels.

        recordings = from_folder("recordings", "{label}/*.bin", sensor_shape=(34, 34))

    Args:
        folder: where the files are.
        pattern: which files, by their paths in it. `{label}` is the label; other placeholders,
            such as `{user}`, become `metadata`. A placeholder stands for one character or more of
            one name, `*` for any, `**` between slashes for
            any folders. None: "{label}/*"; with a CSV or a
            mapping, the files named there; with a function, all files.
        labels: instead of `{label}`:

            - a CSV with the columns file and label. With start and stop (seconds), a file may
              have many rows, each a labelled interval. Further columns become `metadata`.
            - a mapping from files to labels;
            - a function that gives the label of a path.

            Files are named relative to `folder`, or by their name alone where that says which. A
            label is a string, an integer from 0, or (not in a CSV) a list of intervals
            `(start, stop, class)` in seconds.
        class_names: the classes by number. None: those that occur, sorted ("2" before "10").
        sensor_shape: `(height, width)`, `(height, width, channels)` or `(neurons,)`. None: as the
            files say, else the largest x and y of all recordings. Events outside are an error.
        downsample: `(height, width)` of a smaller sensor; see `Recordings.downsample`.
        columns, time_unit: of text, NumPy and HDF5 files that do not say them, as in
            `read_events`: columns="txyp", time_unit="s". Files of other formats know both.
        reader: makes of a path `Events`, or what `as_events` takes, or an iterator of such for
            long files. None: `read_events`.
        cache: None reads a file each time. True keeps its events in memory. A folder keeps them
            there, as columns that are mapped and not read; a changed file, or a changed `reader`,
            is read anew. Without a folder, recordings that are sliced are kept in a temporary one,
            which is removed at exit.
        on_error: "raise", or "skip" to leave out files that cannot be read; see
            `Recordings.skipped`.

    Raises:
        FileNotFoundError: there is no such folder, or no file in it that matches.
        ValueError: a wrong argument, or a file without a label; says what was looked for.
    """
    folder = pathlib.Path(folder).expanduser().absolute()
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no such folder. Received: folder={str(folder)!r}")
    table = _csv_path(folder, labels)
    given, further, source = labels, {}, "labels"
    if table is not None:
        given, further = labelling.read_csv(table)
        source = str(table)
    if isinstance(given, Mapping):
        given = _by_relative_name(given, folder, source)
        further = _by_relative_name(further, folder, source)
    elif given is not None and not callable(given):
        raise ValueError(
            "`labels` must be the path of a CSV, a mapping from files to labels, or a function of "
            f"the path. Received: labels={labels!r}"
        )
    if isinstance(given, Mapping) and not given:
        raise ValueError("`labels` must name one file or more. Received: labels={}")
    leave_out = [cache] if isinstance(cache, (str, os.PathLike)) else []
    listed = files_below(folder, leave_out)
    if table is not None:
        listed = [name for name in listed if not (folder / name).samefile(table)]
    if not listed:
        raise FileNotFoundError(f"The folder holds no files. Received: folder={str(folder)!r}")

    if pattern is None and isinstance(given, Mapping):
        found = {name: {} for name in labelling.check_files(given, listed, source)}
    else:
        default = "{label}/*" if given is None else "**/*"
        found = _matches(folder, listed, default if pattern is None else pattern)
    found = dict(sorted(found.items()))
    of_files = _labels(folder, listed, found, given, pattern, source)
    further = labelling.check_files(further, listed, source)
    numbers, intervals, class_names = labelling.encode(
        list(of_files.values()), class_names, [str(folder / name) for name in found]
    )
    options = {"columns": columns, "time_unit": time_unit}
    options = {name: value for name, value in options.items() if value is not None}
    make = _source_maker(folder, reader, cache, options)
    entries = [
        Entry(i, make(name), numbers[i], intervals[i], {**found[name], **further.get(name, {})})
        for i, name in enumerate(found)
    ]
    words = f"folder {folder}" + (f", pattern {pattern!r}" if pattern else "")
    shared = Shared(entries, check_shape(sensor_shape), on_error, words)
    made = Recordings(shared, class_names, Items(np.arange(len(entries))))
    return made if downsample is None else made.downsample(downsample)


def _source_maker(folder, reader, cache, options):
    if reader is not None and not callable(reader):
        raise ValueError(f"`reader` must be a function of a path. Received: reader={reader!r}")
    if reader is not None and options:
        raise ValueError(
            "`columns` and `time_unit` are for files that `read_events` reads; a `reader` knows "
            f"its own. Received: reader={reader!r} with {options}"
        )
    check_columns(options.get("columns"))
    if cache is None or isinstance(cache, bool):
        packed, keep = TemporaryFolder(), "memory" if cache else "none"
    elif isinstance(cache, (str, os.PathLike)):
        packed, keep = PackedFolder(cache), "folder"
    else:
        raise ValueError(f"`cache` must be None, True or a folder. Received: cache={cache!r}")
    return lambda name: FileSource(folder / name, reader, packed, keep, options)


def _csv_path(folder, labels) -> pathlib.Path | None:
    """The file, which is looked for in the folder first; None where `labels` is no path."""
    if not isinstance(labels, (str, os.PathLike)):
        return None
    places = [folder / labels, pathlib.Path(labels).expanduser()]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"There is no table of labels at {' or '.join(str(place) for place in places)}. "
        f"Received: labels={str(labels)!r}"
    )


def _by_relative_name(given: Mapping, folder, source) -> dict:
    found = {}
    for name, value in given.items():
        path = pathlib.Path(name)
        if path.is_absolute() and path.is_relative_to(folder):
            path = path.relative_to(folder)
        if path.as_posix() in found:
            labelling.refuse_twice(path.as_posix(), source)
        found[path.as_posix()] = value
    return found


def _matches(folder, listed, pattern) -> dict[str, dict[str, str]]:
    """The files that match, with what the placeholders stand for."""
    regex = compile_pattern(pattern)
    matches = {name: regex.fullmatch(name) for name in listed}
    found = {name: match.groupdict() for name, match in matches.items() if match}
    if not found:
        raise FileNotFoundError(
            f"No file matches. {folder} holds {len(listed)} files: {_some(listed)}. "
            f"Received: pattern={pattern!r}"
        )
    return found


def _labels(folder, listed, found, given, pattern, source) -> dict:
    """The label of each file; takes `{label}` out of what was found."""
    placed = {name: fields.pop(_LABEL, None) for name, fields in found.items()}
    has_label = any(label is not None for label in placed.values())
    if has_label and given is not None:
        raise ValueError(
            "Labels come from {label} in the pattern or from `labels`, not from both: call the "
            f"placeholder another name. Received: pattern={pattern!r} with labels={source}"
        )
    if callable(given):
        return {name: given(folder / name) for name in found}
    if given is not None:
        known = labelling.check_files(given, listed, source)
        missing = [name for name in found if name not in known]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(found)} files have no label in {source}: "
                f"{_some(missing)}. Label them, or give a `pattern` for those that have one. "
                f"Received: pattern={pattern!r}"
            )
        return {name: known[name] for name in found}
    if not has_label:
        raise ValueError(
            "Where do the labels come from? Put {label} into the pattern, or give `labels`: a CSV, "
            "a mapping or a function. For recordings without classes: "
            f"labels=lambda path: 'unknown'. Received: pattern={pattern!r} with labels=None"
        )
    return placed


def _some(names) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
