"""tfds builder of CIFAR10-DVS, from its ten archives or what is in them, in `manual_dir`.

Sources: Li et al. 2017 (doi 10.3389/fnins.2017.00309), and the README of the data set (figshare,
item 4724671): files of jAER with a DVS128, `<class>/cifar10_<class>_<number>.aedat`.
"""

import functools
import pathlib
import re

import tensorflow_datasets as tfds

from keras_slayer.datasets import labelled
from keras_slayer.datasets.features import labelled_info
from keras_slayer.datasets.record import MADE_UP, DatasetRecord
from keras_slayer.events.files.aedat2 import AEDAT2, open_aedat2
from keras_slayer.events.files.joining import decode

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
# Of each archive: its number in figshare's addresses, and md5.
_FILES = {
    "airplane": (7712788, "0afd5c4bf9ae06af762a77b180354fdd"),
    "automobile": (7712791, "8438dfeba3bc970c94962d995b1b9bdd"),
    "bird": (7712794, "a9c207c91c55b9dc2002dc21c684d785"),
    "cat": (7712812, "52c63c677c2b15fa5146a8daf4d56687"),
    "deer": (7712815, "b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
    "dog": (7712818, "f379ebdf6703d16e0a690782e62639c3"),
    "frog": (7712842, "cad6ed91214b1c7388a5f6ee56d08803"),
    "horse": (7712851, "e7cbbf77bec584ffbf913f00e682782a"),
    "ship": (7712836, "41c7bd7d6b251be82557c6cce9a7d5c9"),
    "truck": (7712839, "89f3922fd147d9aeff89e76a2b0b70a7"),
}
# Those of 1.3 s have some 200,000 events of 8 bytes; longer files are damaged or something else.
MOST_BYTES = 100_000_000
# Recordings 0 to 99 of each class test, the other 900 train.
_FIRST_TRAINING = 100

_RECORDING = re.compile(r"(?:^|/)(?P<label>[a-z]+)/cifar10_(?P=label)_(?P<number>[0-9]+)\.aedat$")
_LABELS = {name: label for label, name in enumerate(CLASSES)}
_LINES = "\n".join(
    f"{name}.zip  https://ndownloader.figshare.com/files/{number}  md5 {md5}"
    for name, (number, md5) in _FILES.items()
)
_MANUAL = f"""\
Download these ten archives (8.4 GB) from
https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671 into the folder:
{_LINES}
Unpacked, as ten folders airplane ... truck, they work too."""

RECORD = DatasetRecord(
    name="cifar10_dvs",
    title="CIFAR10-DVS",
    sensor_shape=(128, 128, 2),
    classes=len(CLASSES),
    train=9_000,
    test=1_000,
    duration="1.3 s",
    licence="CC BY 4.0",
    homepage="https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671",
    needs="local folder: ten archives, 8.4 GB",
    figure="74.8 % (Fang et al. 2021; another split)",
    checked_on=MADE_UP,
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """CIFAR10-DVS: 10 classes, 128 x 128 pixels, about 1.3 s (Li et al. 2017).

    The archives or folders are taken from tfds' `manual_dir`; all ten must be there, and may hold
    fewer recordings. The authors publish no split: recordings 0 to 99 of each class test.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = _MANUAL
    RECORDS = (RECORD,)

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_info(self, CLASSES)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        places = labelled.manual_places(dl_manager, find_sources, RECORD.title, _MANUAL)
        return {
            split: self._generate_examples(dl_manager, places, split) for split in ("train", "test")
        }

    def _generate_examples(self, dl_manager, places, split):
        files = labelled.read_files(
            dl_manager,
            places,
            _RECORDING,
            _LABELS,
            form="<class>/cifar10_<class>_<number>.aedat",
            most_bytes=MOST_BYTES,
            chosen=lambda match: (int(match["number"]) < _FIRST_TRAINING) == (split == "test"),
        )
        for file in files:
            if not AEDAT2.recognises(file.data):
                raise ValueError(
                    f"{file.where}: not an AEDAT 2.0 file. Received: one that begins with "
                    f"{file.data[:16]!r}"
                )
            events = decode(
                file.data,
                functools.partial(open_aedat2, camera="dvs128"),
                source=file.where,
                sensor_shape=RECORD.sensor_shape,
                ordered=False,
            )
            yield labelled.example(file, events)


def find_sources(folder):
    """The ten archives in a folder, or their unpacked contents; None where none is there."""
    names = {name: (f"{name}.zip", name) for name in CLASSES}
    places = labelled.places_of(pathlib.Path(folder), names)
    return None if places is None else list(places.values())
