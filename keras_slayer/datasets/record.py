"""What is known of a data set before any of it is there: a row of `available()`."""

import dataclasses

REAL, MADE_UP, GENERATED = "real recordings", "made-up files", "itself"


@dataclasses.dataclass(frozen=True)
class DatasetRecord:
    """A data set of events, as its builder describes it.

    Attributes:
        name: for `tfds.load`; with its variant, as in "saccade_mnist/small".
        title: as its authors call it.
        sensor_shape: `(height, width, channels)`, or the largest where the recordings differ.
        classes: how many.
        train, test, validation: recordings of each split; most sets have none for validation.
        duration: of a recording.
        licence: as its authors state it.
        homepage: where it is described; None for what is generated here.
        needs: what you must have: a download, files of your own, or nothing.
        figure: a published accuracy to compare with, and where it was published; None without one.
        checked_on: what this reader of it was run on: "real recordings"; "made-up files", written
            for the tests in the format that is described, and never the real data; or "itself",
            for what is generated.
        sizes_differ: whether recordings are of different sizes, up to `sensor_shape`.
        counts_are_known: False where the numbers of recordings are estimates.
    """

    name: str
    title: str
    sensor_shape: tuple[int, ...]
    classes: int
    train: int
    test: int
    duration: str
    licence: str
    homepage: str | None
    needs: str
    figure: str | None
    checked_on: str
    sizes_differ: bool = False
    counts_are_known: bool = True
    validation: int = 0
