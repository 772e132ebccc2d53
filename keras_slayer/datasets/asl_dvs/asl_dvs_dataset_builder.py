"""tfds builder of ASL-DVS, from its 24 archives or what is in them, in `manual_dir`.

Sources: Bi et al. 2019 (arXiv 1908.06648) and the authors' page, github.com/PIX2NVS/NVS2Graph.
"""

import pathlib
import re

import tensorflow_datasets as tfds

from keras_slayer.datasets import labelled
from keras_slayer.datasets.asl_dvs.mat import decode_mat
from keras_slayer.datasets.features import labelled_info
from keras_slayer.datasets.record import MADE_UP, DatasetRecord

# j and z are movements, and not in the set.
CLASSES = tuple("abcdefghiklmnopqrstuvwxy")
# Those of 100 ms have some 30,000 events; longer files are damaged or something else.
MOST_BYTES = 50_000_000

_RECORDING = re.compile(r"(?:^|/)(?P<label>[^/]+)/[^/.]*?(?P<number>[0-9]+)\.mat$")
_LABELS = {name: label for label, name in enumerate(CLASSES)}
_TEST_EVERY = 5
_MANUAL = """\
Download ICCV2019_DVS_dataset.zip (5.8 GB; its checksum changes, as it is packed on demand) from
https://www.dropbox.com/sh/ibq0jsicatn7l6r/AACNrNELV56rs1YInMWUs9CAa (which
https://github.com/PIX2NVS/NVS2Graph leads to) and unpack from it the 24 archives
"Yin Bi - a.zip" ... "Yin Bi - y.zip" into the folder. Unpacked, as the folders a ... y, they work
too."""

RECORD = DatasetRecord(
    name="asl_dvs",
    title="ASL-DVS",
    sensor_shape=(180, 240, 2),
    classes=len(CLASSES),
    train=80_640,
    test=20_160,
    duration="100 ms",
    licence="none stated",
    homepage="https://github.com/PIX2NVS/NVS2Graph",
    needs="local folder: 24 archives, 5.8 GB",
    figure="90.1 % (Bi et al. 2019; another split)",
    checked_on=MADE_UP,
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """ASL-DVS: 24 letters of American sign language, 180 x 240 pixels (Bi et al. 2019).

    The archives or folders are taken from tfds' `manual_dir`; all 24 must be there, and may hold
    fewer recordings. The authors publish no split: every fifth recording of a letter, whose number
    is a multiple of 5, is for testing.
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
            form="<letter>/<letter>_<number>.mat",
            most_bytes=MOST_BYTES,
            chosen=lambda match: (int(match["number"]) % _TEST_EVERY == 0) == (split == "test"),
        )
        for file in files:
            events = decode_mat(file.data, file.where, RECORD.sensor_shape)
            yield labelled.example(file, events)


def find_sources(folder):
    """The 24 archives in a folder, or their unpacked contents; None where none is there."""
    names = {name: (f"Yin Bi - {name}.zip", f"{name}.zip", name) for name in CLASSES}
    places = labelled.places_of(pathlib.Path(folder), names)
    return None if places is None else list(places.values())
