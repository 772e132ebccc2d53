"""How a data set is prepared once and read afterwards."""

import os
import pathlib

import tensorflow_datasets as tfds

from keras_slayer.datasets import sources


def load_from(archives, find_source, builder, split, data_dir):
    """`find_source` gives what the folder `archives` holds: a path, several, or None."""
    if archives is None:
        return load(builder.name, split, data_dir)
    archives = pathlib.Path(archives).expanduser()
    found = find_source(archives)
    if found is None:
        raise FileNotFoundError(
            f"{archives} does not hold what {builder.name} is made from.\n"
            f"{builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )
    contents = sources.fingerprint(*(found if isinstance(found, list) else [found]))
    root = data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    data_dir = pathlib.Path(root).expanduser() / f"{builder.name}_archives" / contents
    return load(builder.name, split, data_dir, manual_dir=archives)


def load(name, split, data_dir, *, manual_dir=None):
    """`(events, label)` of a data set; prepared first where it is not, from `manual_dir`."""
    split = split if isinstance(split, str) else list(split)
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    return tfds.load(
        name,
        split=split,
        data_dir=data_dir,
        as_supervised=True,
        download_and_prepare_kwargs={"download_config": config},
    )
