"""How a data set is prepared once and read afterwards."""

import contextlib
import os
import pathlib
import random

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


@contextlib.contextmanager
def same_random_state():
    """Leaves Python's random numbers as they were.

    tfds names a folder by them while it prepares a data set, and Keras draws the seeds of weights
    from them: a network would start with other weights where the data are not prepared yet.
    """
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@same_random_state()
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
