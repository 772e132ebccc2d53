"""tfds builder of Spiking Heidelberg Digits, from the download or from files in `manual_dir`."""

import tensorflow_datasets as tfds

from keras_slayer.datasets import heidelberg
from keras_slayer.datasets.record import MADE_UP, DatasetRecord

_FILES = {"train": "shd_train.h5", "test": "shd_test.h5"}
# Of the .zip files. Those of the .gz files are not on record here.
_MD5 = {
    "shd_train.h5": "f3252aeb598ac776c1b526422d90eecb",
    "shd_test.h5": "1503a5064faa34311c398fb0a1ed0a6f",
}


class Builder(heidelberg.HeidelbergBuilder):
    """Spiking Heidelberg Digits: 8,156 + 2,264 spoken digits, 20 classes (Cramer et al. 2022).

    shd_train.h5 and shd_test.h5 (or .h5.zip, .h5.gz) are taken from tfds' `manual_dir` if they are
    there, and downloaded otherwise. Files of the same layout with fewer recordings work, too.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = heidelberg.instructions(_FILES, _MD5)
    FILES, MD5, CLASSES = _FILES, _MD5, 20
    TITLE = "Spiking Heidelberg Digits"
    WITH_SPEAKER = True

    RECORDS = (
        DatasetRecord(
            name="shd",
            title=TITLE,
            sensor_shape=(700,),
            classes=CLASSES,
            train=8_156,
            test=2_264,
            duration="up to 1.4 s",
            licence=heidelberg.LICENCE,
            homepage=heidelberg.HOMEPAGE,
            needs="download, or two files",
            figure="83.2 % (Cramer et al. 2022; recurrent)",
            checked_on=MADE_UP,
        ),
    )
