"""What builders share whose recordings lie in folders that are named by their class."""

import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from keras_slayer.datasets import sources
from keras_slayer.datasets.features import encode
from keras_slayer.events.stream import Events


class File(NamedTuple):
    """A recording that is read, and not yet decoded.

    Attributes:
        key: names it in its split.
        match: what the pattern found in its path.
        label: the class, as a number.
        where: archive and path, for errors.
        data: its bytes.
    """

    key: str
    match: re.Match
    label: int
    where: str
    data: bytes


def read_files(
    dl_manager,
    places: Sequence[pathlib.Path],
    pattern: re.Pattern,
    labels: Mapping[str, int],
    *,
    form: str,
    most_bytes: int,
    chosen=lambda match: True,
) -> Iterator[File]:
    """Yields the recordings in folders and archives.

    Args:
        dl_manager: of tfds.
        places: folders and archives, as `pathlib.Path`.
        pattern: is searched for in paths with forward slashes. It has the groups `label`, a name
            in `labels` that begins at a folder, and `number`.
        labels: the number of each class.
        form: what paths should look like, for errors; with the suffix of recordings.
        most_bytes: of a recording; longer ones are damaged or something else.
        chosen: whether to read the file of a match: others may be those of another split.

    Raises:
        ValueError: a class that is not known, a recording that is too long, there twice or not
            named so, a damaged archive, no recordings at all; with archive and path.
    """
    count, seen, suffix = 0, set(), pathlib.PurePosixPath(form).suffix
    for place in places:
        with sources.naming_damage(place):
            for path, file in sources.iter_files(dl_manager, place):
                where = f"{place}/{path}"
                # A place may be the folder of a class itself.
                match = pattern.search(f"{place.name}/{path}")
                if match is None:
                    # What macOS and editors put beside the files has names that begin with a dot.
                    name = pathlib.PurePosixPath(path).name
                    if name.endswith(suffix) and not name.startswith("."):
                        raise ValueError(f"{where}: a recording must be named {form}")
                    continue
                if match["label"] not in labels:
                    raise ValueError(
                        f"{where}: a class must be one of {', '.join(labels)}. "
                        f"Received: {match['label']}"
                    )
                count += 1
                if not chosen(match):
                    continue
                key = f"{match['label']}/{match['number']}"
                if key in seen:
                    raise ValueError(f"{where}: the recording {key} is there twice")
                seen.add(key)
                data = sources.read_file(file, where, most_bytes)
                yield File(key, match, labels[match["label"]], where, data)
    if not count:
        raise ValueError(f"{', '.join(map(str, places))}: no recordings of the form {form} in it")


def example(file: File, events: Events) -> tuple[str, dict]:
    """What a builder yields of a recording: its events in order, with times from the first.

    The clock of these cameras begins when they are switched on, and nobody says when a recording
    begins on it.

    Raises:
        ValueError: a recording without events.
    """
    if not len(events):
        raise ValueError(f"{file.where}: a recording must have events. Received: none")
    if (np.diff(events.t) < 0).any():
        events = events.sorted()
    events = Events(events.x, events.y, events.t - events.t[0], events.polarity)
    return file.key, {"events": encode(events, file.where), "label": file.label}


def places_of(folder, names: Mapping[str, Sequence[str]]):
    """Where the parts of a data set are in a folder, by the names that each may have.

    Returns:
        `{part: path}`, or None where `folder` has no part at all.

    Raises:
        FileNotFoundError: some parts are there and others are not.
    """
    found = {}
    for part, choices in names.items():
        paths = (folder / name for name in choices)
        path = next((path for path in paths if path.exists()), None)
        if path is not None:
            found[part] = path
    missing = [" or ".join(names[part]) for part in names if part not in found]
    if found and missing:
        raise FileNotFoundError(
            f"{folder} has {', '.join(path.name for path in found.values())}, and lacks "
            f"{', '.join(missing)}"
        )
    return found or None


def manual_places(dl_manager, find, title: str, instructions: str):
    """What `find` sees in tfds' folder for files downloaded by hand.

    Raises:
        FileNotFoundError: nothing there; with what to do.
    """
    folder = sources.manual_dir(dl_manager)
    found = None if folder is None else find(folder)
    if found is None:
        raise FileNotFoundError(
            f"The folder for files downloaded by hand, {dl_manager.download_dir / 'manual'} or "
            f"manual_dir, does not hold {title}.\n{instructions}"
        )
    return found
