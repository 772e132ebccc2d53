"""A set of recordings with labels, from which training data is made."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from keras_slayer.events.recordings import splitting
from keras_slayer.events.recordings.access import RecordingItems
from keras_slayer.events.recordings.cuts import Slices, Trials, check_origin, check_slices
from keras_slayer.events.recordings.errors import RecordingsWarning
from keras_slayer.events.recordings.items import cut_recordings
from keras_slayer.events.recordings.sensor import check_shape, is_count
from keras_slayer.events.recordings.shared import parallel
from keras_slayer.events.recordings.stages import Downsample, Map
from keras_slayer.events.stream import Events


class Recordings(RecordingItems):
    """Event recordings with labels: a lazy sequence of `(Events, label)`.

        recordings = from_folder("recordings", pattern="{label}/*.bin", sensor_shape=(34, 34))
        train, test = recordings.split(0.8)
        batches = spike_pipeline(train, steps=300, batch_size=8, shuffle=True)

    Made by `from_folder`, `from_arrays` and `from_generator`. Methods return new Recordings; none
    changes one. Nothing is read before it is needed. `slice`, `trials` and `filter` read each
    recording once, when their length or an item is asked for. Events are in order of time.

    Attributes:
        class_names: tuple of the classes; a label is a position in it.
    """

    def split(
        self,
        fraction: float | Sequence[float] = 0.8,
        *,
        seed: int = 0,
        stratify: bool = True,
        by: str | Sequence | None = None,
    ) -> tuple["Recordings", ...]:
        """Splits into parts, by recording. Split first, slice afterwards.

        Args:
            fraction: the share of the first of two parts, or of each part: (0.8, 0.1, 0.1).
            seed: the same seed gives the same parts.
            stratify: each part has its share of each class, and at least one recording of each
                class that has as many as there are parts. Of recordings with intervals, the
                classes of the intervals count.
            by: the name of metadata, such as "user", or a value for each recording: recordings
                with the same value stay together.

        Returns:
            Recordings, one for each part, in the order of these.

        Warns:
            RecordingsWarning: a part has nothing of a class; names both.

        Raises:
            ValueError: these are slices, or fewer recordings (groups) than parts.
        """
        self._check_whole("split")
        shares = splitting.check_fractions(fraction)
        groups = splitting.groups_of(by, self.metadata, len(self))
        classes = splitting.class_counts(self._entries(), self.num_classes)
        part = splitting.parts(classes, groups, shares, seed, stratify)
        missing = splitting.describe_missing(classes, part, self.class_names)
        if missing:
            warnings.warn(missing, RecordingsWarning, stacklevel=2)
        return tuple(self[part == p] for p in range(len(shares)))

    def slice(
        self,
        window: float | None = None,
        stride: float | None = None,
        *,
        count: int | None = None,
        partial: str = "drop",
        origin: str = "first",
        overlap: float = 0.5,
        background: str | None = None,
    ) -> "Recordings":
        """Cuts each recording into windows of equal length.

        Window k begins at k `stride` and ends before k `stride` + `window`. The time of its events
        counts from its beginning. The last window is full if the last event is near its end, to 1 %
        of its length. A window between the first and the last event is kept even if it is empty.

        A slice has the label of its recording. Where a recording has intervals, it has the class
        that covers most of it, if that is at least `overlap` of its length.

        Args:
            window: seconds.
            stride: from one window to the next: seconds, or events with `count`. None: one follows
                the other.
            count: a number of events, instead of `window`.
            partial: "keep" adds the window that is not full, after the others, where it has
                events that no window before it has; "drop" does not.
            origin: the time of second 0 for windows and intervals: "first" is each recording's
                first event, "zero" the time 0 of its clock (there, windows that end before the
                first event are left out).
            overlap: the share of a window, 0 to 1, that a class must cover.
            background: the class of windows that no class covers enough; added to `class_names`
                where it is not one of them. None drops these windows.

        Raises:
            ValueError: an argument that is not allowed; slices of slices; functions given to
                `map` before; and, when the slices are found, no window at all or an interval
                outside of its recording.
        """
        self._check_whole("sliced")
        slices = check_slices(window, stride, count, partial, origin, overlap)
        names = self.class_names
        if background is not None:
            if not isinstance(background, str) or not background:
                raise ValueError(
                    f"`background` must be the name of a class. Received: background={background!r}"
                )
            names = names if background in names else (*names, background)
            slices = slices.with_background(names.index(background))
        return self._cut_by(slices, names)

    def trials(self, *, origin: str = "first") -> "Recordings":
        """Cuts out each labelled interval, as long as it is.

        Args:
            origin: as for `slice`.

        Raises:
            ValueError: as for `slice`; and recordings without intervals.
        """
        self._check_whole("cut into trials")
        entry = next((entry for entry in self._entries() if entry.label is not None), None)
        if entry is not None:
            raise ValueError(
                "Trials are labelled intervals: give labels as lists of (start, stop, class), or "
                "a CSV with the columns file, label, start and stop. "
                f"Received: {entry.name} with one label"
            )
        check_origin(origin)
        return self._cut_by(Trials(origin), self.class_names)

    def _cut_by(self, cut: Slices | Trials, names) -> "Recordings":
        if any(isinstance(stage, Map) for stage in self._stages):
            raise ValueError(
                "A function given to `map` would see slices and not recordings: slice first, then "
                "map; or give from_folder a `reader` that does it. "
                "Received: recordings with a map before"
            )
        return self._with(
            lambda: cut_recordings(self._shared, self._items.row, cut), cut=cut, class_names=names
        )

    def downsample(self, shape: Sequence[int]) -> "Recordings":
        """Fewer pixels: x <- floor(x w / W), y <- floor(y h / H), for a sensor of H x W.

        Args:
            shape: `(h, w)`, each at most that of the sensor; the ratio need not be whole.
        """
        shape = tuple(shape) if np.iterable(shape) else (shape,)
        if len(shape) != 2 or not all(is_count(n) for n in shape):
            raise ValueError(
                "`downsample` must be (height, width), positive integers. "
                f"Received: downsample={shape}"
            )
        made = self._with(stages=(*self._stages, Downsample(*map(int, shape))))
        if self._shared.sensor.known is not None:
            _ = made.sensor_shape  # checks it, without reading anything
        return made

    def map(
        self, function: Callable[[Events], Events], *, sensor_shape: Sequence[int] | None = None
    ) -> "Recordings":
        """Applies a function to the events of each item, each time it is read.

        Args:
            function: of `Events` gives `Events`, or what `as_events` takes. Called by several
                threads. The arrays that it is given cannot be written to.
            sensor_shape: of the result, where it is another.
        """
        return self._with(stages=(*self._stages, Map(function, check_shape(sensor_shape))))

    def filter(self, function: Callable[[Events, int], bool]) -> "Recordings":
        """Keeps the items for which a function of `(events, label)` is true.

        The items are read once for it, by several threads. For a choice by metadata, which reads
        nothing, index with a mask: `recordings[recordings.metadata["user"] != "anna"]`.
        """

        def kept(index):
            item = self._read(index)
            return item is not None and bool(function(*item))

        def make():
            self._prepare()
            mask = np.fromiter(parallel(kept, range(len(self))), bool, len(self))
            return self._items.select(mask, "filter")

        return self._with(make)

    def take(self, n: int, *, seed: int | None = None) -> "Recordings":
        """The first `n` items, or all if there are fewer; with `seed`, any `n`, in their order.

        Files are in order of their names, so the first ones may be all of one class.
        """
        if not is_count(n):
            raise ValueError(f"`n` must be a positive integer. Received: n={n}")

        def make():
            size = len(self)
            index = np.arange(min(n, size))
            if seed is not None:
                index = np.sort(np.random.default_rng(seed).permutation(size)[:n])
            return self._items.select(index, "take")

        return self._with(make)

    def _check_whole(self, what: str) -> None:
        if self._cut is not None:
            raise ValueError(
                f"Slices cannot be {what}: parts of one recording would be in training and in "
                "testing, or windows would begin anywhere. Split first, then slice: "
                "train, test = recordings.split(0.8); train = train.slice(window=1.0). "
                f"Received: slices ({self._cut})"
            )
