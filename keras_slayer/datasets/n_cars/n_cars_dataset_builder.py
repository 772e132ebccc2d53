"""tfds builder of N-CARS, from n-cars_train.zip and n-cars_test.zip or their contents.

Sources: Sironi et al. 2018 (arXiv 1803.07913); Prophesee's page of the data set; Prophesee, "DAT
File Format" (docs.prophesee.ai/stable/data/file_formats/dat.html).
"""

import pathlib
import re

import tensorflow_datasets as tfds

from keras_slayer.datasets import labelled, sources
from keras_slayer.datasets.features import labelled_info
from keras_slayer.datasets.record import MADE_UP, DatasetRecord
from keras_slayer.events.files.dat import open_dat
from keras_slayer.events.files.joining import decode

CLASSES = ("background", "cars")
# The recordings are parts of the image of an ATIS camera, 240 x 304.
CAMERA_SHAPE = (240, 304, 2)
# Those of 100 ms have some thousand events of 8 bytes; longer files are damaged or something else.
MOST_BYTES = 10_000_000

_RECORDING = re.compile(r"(?:^|/)(?P<label>[^/]+)/obj_(?P<number>[0-9]+)_td\.dat$")
_LABELS = {name: label for label, name in enumerate(CLASSES)}
_NAMES = {
    "train": ("n-cars_train.zip", "n-cars_train", "train"),
    "test": ("n-cars_test.zip", "n-cars_test", "test"),
}
_MANUAL = """\
Accept Prophesee's terms on https://www.prophesee.ai/2018/03/13/dataset-n-cars/, download
Prophesee_Dataset_n_cars.zip (450543128 bytes, md5 553ce464d6e5e617b3c21ce27c19368e) and unpack from
it n-cars_train.zip (md5 976d126a651b95d81800b05a3093337b) and
n-cars_test.zip (md5 3b5e8e9a5bffeb95614b8c0a2ba4e511) into the folder. Unpacked, as the folders
n-cars_train and n-cars_test, they work too."""

RECORD = DatasetRecord(
    name="n_cars",
    title="N-CARS",
    sensor_shape=(100, 120, 2),
    classes=len(CLASSES),
    train=15_422,
    test=8_607,
    duration="100 ms",
    licence="Prophesee's terms",
    homepage="https://www.prophesee.ai/2018/03/13/dataset-n-cars/",
    needs="local folder: two archives, 0.45 GB",
    figure="90.2 % (Sironi et al. 2018)",
    checked_on=MADE_UP,
    sizes_differ=True,
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """N-CARS: cars or not, up to 100 x 120 pixels, 100 ms (Sironi et al. 2018).

    Archives or folders are taken from tfds' `manual_dir`, and the split is that of the authors.
    Others of the same layout with fewer recordings work too.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = _MANUAL
    RECORDS = (RECORD,)

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_info(self, CLASSES)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        train, test = labelled.manual_places(dl_manager, find_sources, RECORD.title, _MANUAL)
        if sources.fingerprint(train) == sources.fingerprint(test):
            raise ValueError(
                f"{train} and {test} hold the same recordings: a network would be tested on what "
                "it was trained on"
            )
        return {
            split: self._generate_examples(dl_manager, place)
            for split, place in (("train", train), ("test", test))
        }

    def _generate_examples(self, dl_manager, place):
        files = labelled.read_files(
            dl_manager,
            [place],
            _RECORDING,
            _LABELS,
            form="<class>/obj_<number>_td.dat",
            most_bytes=MOST_BYTES,
        )
        for file in files:
            events = decode(
                file.data, open_dat, source=file.where, sensor_shape=CAMERA_SHAPE, ordered=False
            )
            yield labelled.example(file, events)


def find_sources(folder):
    """The archives for training and testing in a folder, or their contents; None without."""
    places = labelled.places_of(pathlib.Path(folder), _NAMES)
    return None if places is None else [places["train"], places["test"]]
