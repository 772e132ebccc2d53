"""tfds builder of DVS-Lip, from DVS-Lip.zip or its contents in `manual_dir`.

Sources: Tan et al. 2022 (CVPR, pages 20094-20103); the authors' page,
sites.google.com/view/event-based-lipreading, and how their programs read the data,
github.com/tgc1997/event-based-lip-reading: `<split>/<word>/<number>.npy`, a structured array with
the fields t, x, y and p.
"""

import io
import pathlib
import re
import tokenize
import zlib

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.datasets import labelled
from keras_slayer.datasets.columns import events_of
from keras_slayer.datasets.dvs_lip.words import WORDS
from keras_slayer.datasets.features import labelled_info
from keras_slayer.datasets.record import MADE_UP, DatasetRecord

ARCHIVE = "DVS-Lip.zip"
FOLDER = "DVS-Lip"
# Those of 1 s have some 10,000 events; longer files are damaged or something else.
MOST_BYTES = 100_000_000

_RECORDING = re.compile(r"(?:^|/)(?P<split>train|test)/(?P<label>[^/]+)/(?P<number>[0-9]+)\.npy$")
_LABELS = {word: label for label, word in enumerate(WORDS)}
# What NumPy raises for damaged files.
_DAMAGED = (
    EOFError, KeyError, MemoryError, OSError, OverflowError, SyntaxError, TypeError, ValueError,
    tokenize.TokenError, zlib.error,
)  # fmt: skip
_MANUAL = f"""\
Download {ARCHIVE} (1.1 GB, md5 2dcb959255122d4cdeb6094ca282494b) from
https://sites.google.com/view/event-based-lipreading into the folder. Unpacked, as the folder
{FOLDER} with the folders train and test in it, it works too."""

RECORD = DatasetRecord(
    name="dvs_lip",
    title="DVS-Lip",
    sensor_shape=(128, 128, 2),
    classes=len(WORDS),
    train=14_896,
    test=4_975,
    duration="about 1 s",
    licence="none stated",
    homepage="https://sites.google.com/view/event-based-lipreading",
    needs="local folder: one archive, 1.1 GB",
    figure="72.1 % (Tan et al. 2022)",
    checked_on=MADE_UP,
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """DVS-Lip: 100 words read from lips, 128 x 128 pixels, about 1 s (Tan et al. 2022).

    The archive or folder is taken from tfds' `manual_dir`, and the split is that of the authors:
    people who test do not train. Others of the same layout with fewer recordings work too.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = _MANUAL
    RECORDS = (RECORD,)

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_info(self, WORDS)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        source = labelled.manual_places(dl_manager, find_source, RECORD.title, _MANUAL)
        return {
            split: self._generate_examples(dl_manager, source, split) for split in ("train", "test")
        }

    def _generate_examples(self, dl_manager, source, split):
        files = labelled.read_files(
            dl_manager,
            [source],
            _RECORDING,
            _LABELS,
            form="<split>/<word>/<number>.npy",
            most_bytes=MOST_BYTES,
            chosen=lambda match: match["split"] == split,
        )
        for file in files:
            yield labelled.example(file, _events(file))


def _events(file: labelled.File):
    try:
        array = np.load(io.BytesIO(file.data), allow_pickle=False)
    except _DAMAGED as error:
        raise ValueError(f"{file.where}: the array cannot be read: {error}") from error
    names = getattr(array, "dtype", np.dtype(float)).names
    if names is None:
        raise ValueError(
            f"{file.where}: a recording must be a structured array with the fields t, x, y and p. "
            f"Received: {type(array).__name__} without fields"
        )
    return events_of({name: array[name] for name in names}, file.where, RECORD.sensor_shape)


def find_source(folder):
    """The archive in a folder, or its unpacked contents; None where neither is there."""
    folder = pathlib.Path(folder)
    if (folder / ARCHIVE).is_file():
        return folder / ARCHIVE
    places = (folder / FOLDER, folder)
    return next((place for place in places if (place / "train").is_dir()), None)
