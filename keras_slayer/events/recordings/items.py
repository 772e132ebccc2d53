"""The items of Recordings: whole recordings, or windows of them."""

import dataclasses
import warnings

import numpy as np

from keras_slayer.events.recordings.cuts import Slices, Trials, Windows
from keras_slayer.events.recordings.errors import RecordingsWarning
from keras_slayer.events.recordings.shared import Shared, parallel


@dataclasses.dataclass(frozen=True)
class Items:
    """Of each item the number of its recording, and its window where it is not all of it."""

    row: np.ndarray
    windows: Windows | None = None

    def __len__(self) -> int:
        return len(self.row)

    def select(self, index, what: str) -> "Items":
        """Those of an index array or mask; `what` names the reason where there are none."""
        row = self.row[index]
        if not len(row):
            raise ValueError(f"{what} leaves none of {len(self)} items. There must be one or more")
        return Items(row, None if self.windows is None else self.windows.select(index))


def cut_recordings(shared: Shared, rows: np.ndarray, cut: Slices | Trials) -> Items:
    """The windows of these recordings, which are opened for it by several threads.

    Warns:
        RecordingsWarning: some recordings are shorter than a window.

    Raises:
        ValueError: there are no windows.
    """

    def windows(row):
        return shared.attempt(lambda entry: cut.of(entry, shared.open(entry)), shared.entries[row])

    found = [(row, of) for row, of in zip(rows, parallel(windows, rows), strict=True) if of]
    total = sum(len(of.first) for _, of in found)
    if not total:
        raise ValueError(
            f"No recording has a window ({cut}). They may be shorter than one: partial='keep' "
            "keeps windows that are not full. Or intervals cover too little of each window: "
            f"`overlap` says how much. Received: {len(rows)} recordings, "
            f"{len(rows) - len(found)} of them not readable"
        )
    short = [
        row for row, of in found if not len(of.first) and shared.entries[row].label is not None
    ]
    if short:
        warnings.warn(
            f"{len(short)} of {len(rows)} recordings are shorter than a window ({cut}) and are "
            f"left out, such as {shared.entries[short[0]].name}. "
            "partial='keep' keeps windows that are not full.",
            RecordingsWarning,
            stacklevel=2,
        )
    row = np.concatenate([np.full(len(of.first), row) for row, of in found])
    fields = [f.name for f in dataclasses.fields(Windows)]
    return Items(row, Windows(*(np.concatenate([getattr(w, f) for _, w in found]) for f in fields)))
