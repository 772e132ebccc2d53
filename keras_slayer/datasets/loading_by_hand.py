"""Data sets in one line whose files have to be downloaded by hand."""

import os
from collections.abc import Sequence

import tensorflow as tf

from keras_slayer.datasets.asl_dvs import asl_dvs_dataset_builder as asl_dvs
from keras_slayer.datasets.cifar10_dvs import cifar10_dvs_dataset_builder as cifar10_dvs
from keras_slayer.datasets.dvs_lip import dvs_lip_dataset_builder as dvs_lip
from keras_slayer.datasets.n_cars import n_cars_dataset_builder as n_cars
from keras_slayer.datasets.preparing import load_from

_Path = str | os.PathLike
_Split = str | Sequence[str]
_BOTH = ("train", "test")


def load_cifar10_dvs(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads CIFAR10-DVS: 10 classes, 128 x 128 pixels, 1.3 s. The set has no split of its own.

    Args:
        archives: folder with airplane.zip ... truck.zip, or with the folders that are in them.
            None takes what tfds has prepared, or its folder for files downloaded by hand.
        split, data_dir: as in `datasets.load_nmnist`.

    Returns, Raises:
        As `datasets.load_nmnist`. Recordings 0 to 99 of a class are in "test". Times count from
        the first event of each recording.
    """
    return load_from(archives, cifar10_dvs.find_sources, cifar10_dvs.Builder, split, data_dir)


def load_n_cars(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads N-CARS: cars or background, 100 ms; recordings differ in size (`fit`).

    Args:
        archives: folder with n-cars_train.zip and n-cars_test.zip, or with what is in them.
            None: as in `load_cifar10_dvs`.
        split, data_dir: as in `datasets.load_nmnist`.

    Returns, Raises:
        As `load_cifar10_dvs`, with the authors' split.
    """
    return load_from(archives, n_cars.find_sources, n_cars.Builder, split, data_dir)


def load_asl_dvs(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads ASL-DVS: 24 letters of American sign language, 180 x 240 pixels, 100 ms.

    Args:
        archives: folder with "Yin Bi - a.zip" ... "Yin Bi - y.zip", or with what is in them.
            None: as in `load_cifar10_dvs`.
        split, data_dir: as in `datasets.load_nmnist`.

    Returns, Raises:
        As `load_cifar10_dvs`. Every fifth recording of a letter is in "test".
    """
    return load_from(archives, asl_dvs.find_sources, asl_dvs.Builder, split, data_dir)


def load_dvs_lip(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads DVS-Lip: 100 words read from lips, 128 x 128 pixels, about 1 s.

    Args:
        archives: folder with DVS-Lip.zip, or with what is in it.
            None: as in `load_cifar10_dvs`.
        split, data_dir: as in `datasets.load_nmnist`.

    Returns, Raises:
        As `load_cifar10_dvs`, with the authors' split.
    """
    return load_from(archives, dvs_lip.find_source, dvs_lip.Builder, split, data_dir)
