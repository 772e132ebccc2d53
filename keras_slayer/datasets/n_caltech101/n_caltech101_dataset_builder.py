"""tfds builder of N-Caltech101, from the download or from Caltech101.zip in `manual_dir`."""

import pathlib
import re

import tensorflow_datasets as tfds

from keras_slayer.datasets import sources
from keras_slayer.datasets.features import encode, labelled_info
from keras_slayer.datasets.n_caltech101.classes import CLASSES
from keras_slayer.datasets.record import MADE_UP, DatasetRecord
from keras_slayer.events.files import decode_nmnist

SENSOR_SHAPE = (180, 240, 2)
URL = "https://prod-dcd-datasets-cache-zipfiles.s3.eu-west-1.amazonaws.com/cy6cvx3ryv-1.zip"
ARCHIVE = "Caltech101.zip"
FOLDER = "Caltech101"
# Those of 300 ms have some 100,000 events of 5 bytes; longer files are damaged or something else.
MOST_BYTES = 20_000_000

_RECORDING = re.compile(r"(?:^|/)(?P<label>[^/]+)/image_(?P<number>[0-9]+)\.bin$")
_LABELS = {name.lower(): label for label, name in enumerate(CLASSES)}
_TEST_EVERY = 5
_MANUAL = f"""\
Download {URL}
(3991470277 bytes, sha256 5cf34932049665c4740c7c3fa126bc6b8a5e007691fdd3a4e3171d30f8908930;
also on https://data.mendeley.com/datasets/cy6cvx3ryv/1) and unpack from it
{ARCHIVE} into the folder; or unpack that too, as the folder {FOLDER} with <class>/image_NNNN.bin
in it."""

RECORD = DatasetRecord(
    name="n_caltech101",
    title="N-Caltech101",
    sensor_shape=SENSOR_SHAPE,
    classes=len(CLASSES),
    train=7_000,
    test=1_700,
    duration="300 ms",
    licence="CC BY 4.0",
    homepage="https://www.garrickorchard.com/datasets/n-caltech101",
    needs="download, or one archive: 4 GB",
    figure="64.2 % (Sironi et al. 2018; another split)",
    checked_on=MADE_UP,
    sizes_differ=True,
    counts_are_known=False,
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """N-Caltech101: 101 classes, up to 240 x 180 pixels, about 300 ms (Orchard et al. 2015).

    Caltech101.zip, or the folder Caltech101, is taken from tfds' `manual_dir` if it is there, and
    downloaded otherwise. Others of the same layout (`<class>/image_NNNN.bin`) with fewer recordings
    work too. Every fifth recording of a class, where NNNN is a multiple of 5, is for testing.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = _MANUAL
    RECORDS = (RECORD,)

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_info(self, CLASSES)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        folder = sources.manual_dir(dl_manager)
        source = None if folder is None else find_source(folder)
        if source is None:
            folder = sources.download(
                dl_manager,
                URL,
                name="N-Caltech101",
                files=f"{ARCHIVE} or {FOLDER}",
                instructions=_MANUAL,
            )
            source = sources.find_archive(folder, ARCHIVE, URL)
        return {
            split: self._generate_examples(dl_manager, source, split) for split in ("train", "test")
        }

    def _generate_examples(self, dl_manager, source, split):
        count, seen = 0, set()
        with sources.naming_damage(source):
            for path, file in sources.iter_files(dl_manager, source):
                match = _RECORDING.search(path)
                if match is None:
                    continue
                where = f"{source}/{path}"
                label = _LABELS.get(match["label"].lower())
                if label is None:
                    raise ValueError(f"{where}: {match['label']} is no class of N-Caltech101")
                count += 1
                if (int(match["number"]) % _TEST_EVERY == 0) != (split == "test"):
                    continue
                data = sources.read_file(file, where, MOST_BYTES)
                events = decode_nmnist(data, source=where, sensor_shape=SENSOR_SHAPE)
                key = f"{match['label']}/{match['number']}"
                sources.check_recording(key, events, where, seen)
                yield key, {"events": encode(events, where), "label": label}
        if not count:
            raise ValueError(f"{source}: no recordings of the form <class>/image_NNNN.bin in it")


def find_source(folder):
    """The archive in a folder, or its unpacked contents; None where neither is there."""
    folder = pathlib.Path(folder)
    if (folder / ARCHIVE).is_file():
        return folder / ARCHIVE
    if (folder / FOLDER).is_dir():
        return folder / FOLDER
    return folder if any((folder / name).is_dir() for name in CLASSES) else None
