"""`available()`: the data sets of this package in a table."""

from collections.abc import Sequence

from keras_slayer.datasets.asl_dvs import asl_dvs_dataset_builder as asl_dvs
from keras_slayer.datasets.cifar10_dvs import cifar10_dvs_dataset_builder as cifar10_dvs
from keras_slayer.datasets.dvs_gesture import dvs_gesture_dataset_builder as dvs_gesture
from keras_slayer.datasets.dvs_lip import dvs_lip_dataset_builder as dvs_lip
from keras_slayer.datasets.n_caltech101 import n_caltech101_dataset_builder as n_caltech101
from keras_slayer.datasets.n_cars import n_cars_dataset_builder as n_cars
from keras_slayer.datasets.nmnist import nmnist_dataset_builder as nmnist
from keras_slayer.datasets.record import MADE_UP, DatasetRecord
from keras_slayer.datasets.saccade_mnist import saccade_mnist_dataset_builder as saccade_mnist
from keras_slayer.datasets.shd import shd_dataset_builder as shd
from keras_slayer.datasets.ssc import ssc_dataset_builder as ssc
from keras_slayer.datasets.synthetic_gestures import (
    synthetic_gestures_dataset_builder as synthetic_gestures,
)
from keras_slayer.datasets.synthetic_words import synthetic_words_dataset_builder as synthetic_words

# In the order of the table. Each builder has its own rows: `RECORDS`.
_BUILDERS = (
    nmnist.Builder,
    n_caltech101.Builder,
    dvs_gesture.Builder,
    cifar10_dvs.Builder,
    n_cars.Builder,
    asl_dvs.Builder,
    dvs_lip.Builder,
    shd.Builder,
    ssc.Builder,
    saccade_mnist.Builder,
    synthetic_gestures.Builder,
    synthetic_words.Builder,
)


def available(*, show: bool = True) -> list[DatasetRecord]:
    """The data sets of this package: what they hold, what they need, what to compare with.

        records = {record.name: record for record in available()}
        records["n_cars"].needs

    Args:
        show: print them as two tables. Where a set has recordings for validation, they stand
            between those for training and for testing.

    Returns:
        A `DatasetRecord` of each data set, and of each variant of those that have several.
    """
    records = [record for builder in _BUILDERS for record in builder.RECORDS]
    if show:
        print(_text(records))
    return records


def _text(records: Sequence[DatasetRecord]) -> str:
    holds = [
        ("name", "sensor", "classes", "train + test", "duration", "you need"),
        *(
            (r.name, _sensor(r), str(r.classes), _counts(r), r.duration, r.needs)
            for r in records
        ),
    ]  # fmt: skip
    compares = [
        ("name", "licence", "to compare with", "checked on"),
        *((r.name, r.licence, r.figure or "-", r.checked_on) for r in records),
    ]
    unseen = [record.name for record in records if record.checked_on == MADE_UP]
    note = (
        f"Never run here on the real data, only on files made up in its format: {', '.join(unseen)}"
    )
    return "\n\n".join((_table(holds), _table(compares), note))


def _sensor(record: DatasetRecord) -> str:
    text = " x ".join(str(size) for size in record.sensor_shape)
    return f"up to {text}" if record.sizes_differ else text


def _counts(record: DatasetRecord) -> str:
    splits = [record.train, *([record.validation] if record.validation else []), record.test]
    text = " + ".join(f"{count:,}" for count in splits)
    return text if record.counts_are_known else f"about {text}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join((lines[0], "-" * max(map(len, lines)), *lines[1:]))
