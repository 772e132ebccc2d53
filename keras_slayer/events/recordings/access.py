"""The items of Recordings: reading them, what is known of them, and their data set."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from keras_slayer.events.recordings.dataset import make_dataset
from keras_slayer.events.recordings.errors import RecordingError
from keras_slayer.events.recordings.items import Items
from keras_slayer.events.recordings.shared import Shared
from keras_slayer.events.recordings.stages import Downsample
from keras_slayer.events.stream import Events

_MOST_CLASSES_SHOWN = 10


class RecordingItems:
    """A lazy sequence of `(Events, label)`.

    Args:
        shared: the set of recordings.
        class_names: the classes by number.
        items: which of the set, or a function that finds them.
        stages: what is done to the events of each item.
        cut: how recordings were cut; None for whole ones.
    """

    def __init__(
        self, shared: Shared, class_names, items: Items | Callable, *, stages=(), cut=None
    ):
        self.class_names = tuple(class_names)
        self._shared, self._stages, self._cut = shared, tuple(stages), cut
        self._made = items if isinstance(items, Items) else None
        self._make = items
        self._lock = threading.Lock()

    def _with(self, items: Items | Callable | None = None, **changes):
        """The same, but for these."""
        if items is None:
            items = self._made or (lambda: self._items)
        same = {"class_names": self.class_names, "stages": self._stages, "cut": self._cut}
        return type(self)(self._shared, items=items, **{**same, **changes})

    @property
    def _items(self) -> Items:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def __len__(self) -> int:
        """The number of recordings, or of slices."""
        return len(self._items)

    def __iter__(self) -> Iterator[tuple[Events, int]]:
        for index in range(len(self)):
            item = self._read(index)
            if item is not None:
                yield item
        self._shared.warn()

    def __getitem__(self, index):
        """`(Events, label)` of an integer; Recordings of a slice, a mask or a list of integers.

        The label of a whole recording with intervals is None.
        """
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            size = len(self)
            if not -size <= index < size:
                raise IndexError(f"There are {size} items. Received: index={index}")
            item = self._read(int(index) % size)
            if item is None:
                entry = self._shared.entries[self._items.row[index]]
                raise RecordingError(self._shared.skipped[entry.number])
            return item
        index = index if isinstance(index, slice) else np.asarray(index)
        return self._with(self._items.select(index, "The index"))

    def _read(self, index: int) -> tuple[Events, int | None] | None:
        """An item; None where it cannot be read and is to be skipped."""
        items, shared = self._items, self._shared
        entry, windows = shared.entries[items.row[index]], items.windows
        found = shared.attempt(shared.read if windows is None else shared.open, entry)
        if found is None:
            return None
        events, label = found.events, entry.label
        if windows is not None:
            part = events[int(windows.first[index]) : int(windows.last[index])]
            t = part.t - windows.begin[index]
            events, label = Events(part.x, part.y, t, part.polarity), int(windows.label[index])
        if self._stages:
            events = shared.call(lambda: self._staged(events), entry)
        return events, label

    def _staged(self, events: Events) -> Events:
        shape = self._shared.sensor.shape() if self._needs_shape() else None
        for stage in self._stages:
            result = stage.shape(shape)
            events, shape = stage(events, shape), result
        return events

    def _needs_shape(self) -> bool:
        return any(isinstance(stage, Downsample) for stage in self._stages)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def labels(self) -> np.ndarray:
        """int64 `(items,)`: the number of each item's class."""
        self._check_labelled()
        items = self._items
        if items.windows is not None:
            return items.windows.label.astype(np.int64)
        return np.array([entry.label for entry in self._entries()], np.int64)

    @property
    def metadata(self) -> dict[str, np.ndarray]:
        """Vectors `(items,)` of strings: what each placeholder of the pattern stands for, and the
        further columns of a CSV."""
        entries = self._entries()
        return {name: np.array([e.metadata[name] for e in entries]) for name in entries[0].metadata}

    @property
    def names(self) -> list[str]:
        """The file of each item, or the number of its recording."""
        return [entry.name for entry in self._entries()]

    @property
    def skipped(self) -> dict[str, str]:
        """The recordings that could not be read so far, with `on_error="skip"`, and why."""
        found = dict(self._shared.skipped)
        return {self._shared.entries[number].name: found[number] for number in sorted(found)}

    @property
    def sensor_shape(self) -> tuple[int, ...]:
        """`(height, width, channels)` after all that is done to the events, or `(neurons,)`.

        As given; else as the first file says; else the largest x, y and polarity of all
        recordings, which are read for it once, with a warning.
        """
        shape = self._shared.sensor.shape()
        for stage in self._stages:
            shape = stage.shape(shape)
        return shape

    def _entries(self):
        return [self._shared.entries[row] for row in self._items.row]

    def as_dataset(self, shuffle: bool = False, seed: int | None = None) -> tf.data.Dataset:
        """For `spike_pipeline`: pairs `(events, label)`, read by several threads.

        Args:
            shuffle: items are read in another order in each epoch.
            seed: of that order; None takes `tf.random.set_seed`'s.

        Returns:
            Events are a dict of vectors `x`, `y` (uint16), `t` (int64, microseconds) and
            `polarity` (uint8), labels int64. With `on_error="skip"` the length is not known.
            A recording that cannot be read is a `tf.errors.InvalidArgumentError` that names it.
        """
        self._check_labelled()
        self._prepare()
        return make_dataset(
            self._read,
            len(self),
            shuffle=shuffle,
            seed=seed,
            at_end=self._shared.warn if self._shared.skips else None,
        )

    def _prepare(self) -> None:
        """Finds items and sensor here, and not in a thread: errors and warnings come here."""
        _ = self._items
        if self._needs_shape():
            _ = self.sensor_shape

    def _check_labelled(self) -> None:
        if self._cut is None:
            entry = next((entry for entry in self._entries() if entry.label is None), None)
            if entry is not None:
                raise ValueError(
                    "Recordings with labelled intervals have no single label: cut them first, "
                    "with .slice(window=seconds) or .trials(). "
                    f"Received: {entry.name} with {len(entry.intervals)} intervals"
                )

    def __repr__(self) -> str:
        made, shared = self._made, self._shared
        if self._cut is None:
            size = "recordings" if made is None else f"{len(made)} recordings"
        else:
            size = f"{'' if made is None else f'{len(made)} '}slices ({self._cut})"
            rows = "recordings" if made is None else f"{len(set(made.row.tolist()))} recordings"
            size += f" of {rows}"
        counts = None
        if made is not None and (self._cut or all(e.label is not None for e in self._entries())):
            counts = np.bincount(self.labels, minlength=self.num_classes)
        shown = [
            name if counts is None else f"{name} ({counts[i]})"
            for i, name in enumerate(self.class_names[:_MOST_CLASSES_SHOWN])
        ]
        more = ", ..." if self.num_classes > _MOST_CLASSES_SHOWN else ""
        sensor = "unknown sensor"
        if shared.sensor.known is not None:
            sensor = "sensor " + " x ".join(map(str, self.sensor_shape))
        return (
            f"Recordings({size}; {self.num_classes} classes: {', '.join(shown)}{more}; {sensor}; "
            f"from {shared.source})"
        )
