"""tfds builder of DVS128 Gesture, from IBM's DvsGesture.tar.gz or its contents in `manual_dir`."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.datasets import labelled, sources
from keras_slayer.datasets.dvs_gesture.labels import GESTURES, parse_labels
from keras_slayer.datasets.features import encode, labelled_info
from keras_slayer.datasets.record import MADE_UP, DatasetRecord
from keras_slayer.events.files import decode_aedat
from keras_slayer.events.stream import Events

SENSOR_SHAPE = (128, 128, 2)
ARCHIVE = "DvsGesture.tar.gz"
FOLDER = "DvsGesture"
LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
# The archive has about 3 GB, of 122 recordings; labels and lists have a few kB each.
MOST_BYTES = 1_000_000_000
MOST_TEXT_BYTES = 1_000_000

_RECORDING = ".aedat"
_LABELS = "_labels.csv"
_MANUAL = f"""\
Download {ARCHIVE} (about 3 GB, md5 8a5c71fb11e24e5ca5b11866ca6c00a1) from IBM,
https://research.ibm.com/interactive/dvsgesture/ (which leads to
https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8), into the folder. Unpacked, as the
folder {FOLDER} with {LISTS["train"]} in it, it works too."""

RECORD = DatasetRecord(
    name="dvs_gesture",
    title="DVS128 Gesture",
    sensor_shape=SENSOR_SHAPE,
    classes=len(GESTURES),
    train=1_176,
    test=288,
    duration="about 6 s",
    licence="CC BY 4.0",
    homepage="https://research.ibm.com/interactive/dvsgesture/",
    needs="local folder: one archive, 3 GB",
    figure="93.6 % (Shrestha and Orchard 2018)",
    checked_on=MADE_UP,
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """DVS128 Gesture: 1,176 + 288 trials of 11 gestures, 128 x 128 pixels (Amir et al. 2017).

    The archive or folder is taken from tfds' `manual_dir`. Others of the same layout with fewer
    recordings work too: the lists in it name the recordings. The archive is read from start to end
    for the labels and once per split, and never unpacked; one recording is in memory at a time.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = _MANUAL
    RECORDS = (RECORD,)

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_info(self, GESTURES)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        source = labelled.manual_places(dl_manager, find_source, RECORD.title, _MANUAL)
        trials = _read_labels(dl_manager, source)
        return {
            split: self._generate_examples(dl_manager, source, trials[split]) for split in LISTS
        }

    def _generate_examples(self, dl_manager, source, trials):
        missing = set(trials)
        with sources.naming_damage(source):
            for path, file in sources.iter_files(dl_manager, source):
                name = pathlib.PurePosixPath(path).name
                if name not in missing:
                    continue
                missing.remove(name)
                where = f"{source}/{path}"
                data = sources.read_file(file, where, MOST_BYTES)
                events = decode_aedat(data, source=where, sensor_shape=SENSOR_SHAPE)
                for number, (trial, part) in enumerate(_cut(events, trials[name], where)):
                    yield (
                        f"{name.removesuffix(_RECORDING)}/{number}",
                        {"events": encode(part, where), "label": trial.label},
                    )
        if missing:
            raise ValueError(f"{source} lacks {', '.join(sorted(missing))}, which its lists name")


def find_source(folder):
    """The archive in a folder, or its unpacked contents; None where neither is there."""
    folder = pathlib.Path(folder)
    candidates = {
        folder / ARCHIVE: folder / ARCHIVE,
        folder / FOLDER: folder / FOLDER / LISTS["train"],
        folder: folder / LISTS["train"],
    }
    return next((source for source, file in candidates.items() if file.is_file()), None)


def _cut(events: Events, trials, source: str):
    """Yields each trial with its events, timed from its start."""
    if (np.diff(events.t) < 0).any():
        events = events.sorted()
    for trial in trials:
        first, end = np.searchsorted(events.t, (trial.start, trial.stop))
        if first == end:
            raise ValueError(
                f"{source}: no events in the trial from {trial.start} to {trial.stop} us"
            )
        part = events[first:end]
        yield trial, Events(part.x, part.y, part.t - trial.start, part.polarity)


def _read_labels(dl_manager, source) -> dict:
    """`{split: {file name of a recording: its trials}}`."""
    texts = {}
    with sources.naming_damage(source):
        for path, file in sources.iter_files(dl_manager, source):
            name = pathlib.PurePosixPath(path).name
            if name in LISTS.values() or name.endswith(_LABELS):
                texts[name] = sources.read_file(file, f"{source}/{path}", MOST_TEXT_BYTES)

    def text(name, needed_by):
        if name not in texts:
            raise ValueError(f"{source} lacks {name}, which {needed_by}")
        return texts[name].decode("utf-8", errors="replace")

    trials = {}
    for split, name in LISTS.items():
        trials[split] = {}
        for recording in text(name, f"lists the recordings of the {split} split").split():
            if not recording.endswith(_RECORDING):
                raise ValueError(
                    f"{source}/{name} should list *{_RECORDING} files. Received: {recording!r}"
                )
            labels = recording.removesuffix(_RECORDING) + _LABELS
            trials[split][recording] = parse_labels(
                text(labels, f"has the labels of {recording}"), f"{source}/{labels}"
            )
        if not trials[split]:
            raise ValueError(f"{source}/{name} lists no recordings")
    both = trials["train"].keys() & trials["test"].keys()
    if both:
        raise ValueError(f"{source}: {', '.join(sorted(both))} is listed for training and testing")
    return trials
