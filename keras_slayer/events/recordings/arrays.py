"""Recordings from arrays in memory, and from a generator."""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from keras_slayer.events.recordings import labels as labelling
from keras_slayer.events.recordings.convert import as_events
from keras_slayer.events.recordings.errors import naming
from keras_slayer.events.recordings.items import Items
from keras_slayer.events.recordings.packing import PackedFolder, TemporaryFolder, digest
from keras_slayer.events.recordings.recordings import Recordings
from keras_slayer.events.recordings.sensor import check_shape
from keras_slayer.events.recordings.shared import Shared
from keras_slayer.events.recordings.sources import ArraySource, Entry, PackedSource
from keras_slayer.events.stream import Events
from keras_slayer.files import write_whole


def from_arrays(
    recordings: Sequence,
    labels: Sequence,
    *,
    columns: str | None = None,
    time_unit: str | None = None,
    class_names: Sequence[str] | None = None,
    metadata: Mapping[str, Sequence] | None = None,
    sensor_shape: Sequence[int] | None = None,
    downsample: Sequence[int] | None = None,
) -> Recordings:
    """Recordings that are in memory, with labels.

        recordings = from_arrays([events, other], ["left", "right"], sensor_shape=(34, 34))

    Args:
        recordings: a list; each `Events`, a mapping of vectors, a structured array or an array
            `(n, 4)` with `columns`. See `as_events`.
        labels: one for each: a string, an integer from 0, or a list of intervals
            `(start, stop, class)` in seconds.
        columns, time_unit: as in `as_events`.
        class_names, sensor_shape, downsample: as in `from_folder`.
        metadata: by name, a value for each recording, for `split(by=name)`.

    Raises:
        ValueError: a wrong argument, or a recording that cannot be converted; names it by its
            number.
    """
    if isinstance(recordings, (Events, Mapping)) or (
        isinstance(recordings, np.ndarray) and recordings.dtype != object and recordings.ndim < 3
    ):
        raise ValueError(
            "`recordings` must be a list of recordings; for one, [events]. "
            f"Received: recordings of type {type(recordings).__name__}"
        )
    recordings, labels = list(recordings), list(labels)
    if len(recordings) == 1 and labels and all(map(labelling.is_interval, labels)):
        labels = [labels]
    if not recordings or len(labels) != len(recordings):
        raise ValueError(
            "`recordings` and `labels` must be of equal length, 1 or more. "
            f"Received: {len(recordings)} recordings and {len(labels)} labels"
        )
    metadata = {name: list(values) for name, values in (metadata or {}).items()}
    for name, values in metadata.items():
        if len(values) != len(recordings):
            raise ValueError(
                "`metadata` must have a value for each recording. "
                f"Received: {len(values)} values of {name} for {len(recordings)} recordings"
            )
    sources = []
    for number, recording in enumerate(recordings):
        with naming(number, None):
            sources.append(ArraySource(as_events(recording, columns=columns, time_unit=time_unit)))
    rows = [{name: values[i] for name, values in metadata.items()} for i in range(len(sources))]
    return _made(sources, labels, rows, class_names, sensor_shape, downsample, "arrays")


def from_generator(
    generate: Callable,
    *,
    cache: str | os.PathLike | None = None,
    name: str | None = None,
    class_names: Sequence[str] | None = None,
    sensor_shape: Sequence[int] | None = None,
    downsample: Sequence[int] | None = None,
) -> Recordings:
    """Recordings that a function makes one by one, or chunk by chunk.

    They are packed into files, with at most two chunks in memory. So a recording may be larger
    than the memory.

    Args:
        generate: function without arguments that returns an iterable of `(events, label)`. Events
            are one of the forms of `as_events`, or an iterator (a generator) of these: chunks in
            order of time. Labels are as in `from_arrays`.
        cache: folder that keeps the packed recordings; None for a temporary one, removed at exit.
        name: names what is made, in `cache`. If `cache` holds that name, `generate` is not called:
            take another name where `generate` makes other recordings.
        class_names, sensor_shape, downsample: as in `from_folder`.

    Raises:
        ValueError: a wrong argument, or a recording that cannot be converted.
    """
    if (cache is None) != (name is None):
        raise ValueError(
            "`cache` and `name` go together: the folder, and a name for what `generate` makes. "
            f"Received: cache={cache!r}, name={name!r}"
        )
    if not callable(generate):
        raise ValueError(
            "`generate` must be a function that returns an iterable of (events, label). "
            f"Received: generate of type {type(generate).__name__}"
        )
    folder = TemporaryFolder() if cache is None else PackedFolder(cache)
    index = folder.path / f"generated-{digest(name)}.json"
    made = _load_index(index, folder)
    if made is None:
        made = _generate(generate, folder)
        write_whole(index, json.dumps(made).encode())
    sources = [PackedSource(folder, key, made["state"]) for key in made["keys"]]
    rows = [{} for _ in sources]
    words = "a generator" if name is None else f"generator {name!r}"
    return _made(sources, made["labels"], rows, class_names, sensor_shape, downsample, words)


def _generate(generate, folder) -> dict:
    """Packs what is generated; `{"keys", "labels", "state"}`."""
    state, keys, labels = secrets.token_hex(8), [], []
    for number, pair in enumerate(generate()):
        with naming(number, None):
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise ValueError(
                    f"`generate` must give pairs (events, label). Received: {type(pair).__name__}"
                )
            events, label = pair
            chunks = map(as_events, events) if isinstance(events, Iterator) else [as_events(events)]
            # In names of their own: another process may be making the same.
            keys.append(digest(state, number))
            folder.pack(keys[-1], state, chunks)
            labels.append(_plain(label))
    if not keys:
        raise ValueError("`generate` must give one recording or more. Received: none")
    return {"keys": keys, "labels": labels, "state": state}


def _plain(label):
    """Without the types of NumPy, which JSON does not know."""
    if isinstance(label, (list, tuple, np.ndarray)):
        return [_plain(value) for value in label]
    return label.item() if isinstance(label, np.generic) else label


def _load_index(index, folder) -> dict | None:
    """What `_generate` has made before; None where any of it is missing."""
    if not index.exists():
        return None
    made = json.loads(index.read_text())
    there = all(folder.find(key, made["state"]) is not None for key in made["keys"])
    return made if there else None


def _made(sources, labels, rows, class_names, sensor_shape, downsample, words) -> Recordings:
    names = [f"Recording {number}" for number in range(len(sources))]
    numbers, intervals, class_names = labelling.encode(labels, class_names, names)
    entries = [
        Entry(i, source, numbers[i], intervals[i], rows[i]) for i, source in enumerate(sources)
    ]
    shared = Shared(entries, check_shape(sensor_shape), "raise", words)
    made = Recordings(shared, class_names, Items(np.arange(len(entries))))
    return made if downsample is None else made.downsample(downsample)
