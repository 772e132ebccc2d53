"""tfds builder of Spiking Speech Commands, from the download or from files in `manual_dir`."""

import tensorflow_datasets as tfds

from keras_slayer.datasets import heidelberg
from keras_slayer.datasets.record import MADE_UP, DatasetRecord

_FILES = {"train": "ssc_train.h5", "validation": "ssc_valid.h5", "test": "ssc_test.h5"}
# Of the .zip files. Those of the .gz files are not on record here.
_MD5 = {
    "ssc_train.h5": "d102be95e7144fcc0553d1f45ba94170",
    "ssc_valid.h5": "b4eee3516a4a90dd0c71a6ac23a8ae43",
    "ssc_test.h5": "a35ff1e9cffdd02a20eb850c17c37748",
}


class Builder(heidelberg.HeidelbergBuilder):
    """Spiking Speech Commands: 75,466 + 9,981 + 20,382 words, 35 classes (Cramer et al. 2022).

    ssc_train.h5, ssc_valid.h5 and ssc_test.h5 (or .h5.zip, .h5.gz) are taken from tfds'
    `manual_dir` if they are there, and downloaded otherwise. Files of the same layout with fewer
    recordings work, too.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    MANUAL_DOWNLOAD_INSTRUCTIONS = heidelberg.instructions(_FILES, _MD5)
    FILES, MD5, CLASSES = _FILES, _MD5, 35
    TITLE = "Spiking Speech Commands"

    RECORDS = (
        DatasetRecord(
            name="ssc",
            title=TITLE,
            sensor_shape=(700,),
            classes=CLASSES,
            train=75_466,
            validation=9_981,
            test=20_382,
            duration="about 1 s",
            licence=heidelberg.LICENCE,
            homepage=heidelberg.HOMEPAGE,
            needs="download, or three files",
            figure=None,
            checked_on=MADE_UP,
        ),
    )
