"""How a data set is prepared once and read afterwards."""

import contextlib
import functools
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


def once_more_if_late(load):
    """Calls `load` again where another process has prepared the same data set meanwhile.

    tfds prepares in a folder of its own, and renames it at the end. Of several processes, the
    first one succeeds; the rename of the others fails, but the data are there.
    """

    @functools.wraps(load)
    def loading(*args, **kwargs):
        try:
            return load(*args, **kwargs)
        except FileExistsError:
            return load(*args, **kwargs)

    return loading


@once_more_if_late
@same_random_state()
def load(name, split, data_dir, *, manual_dir=None):
    """`(events, label)` of a data set; prepared first where it is not, from `manual_dir`."""
    data_set, _, config = name.partition("/")
    allowed = tfds.builder_cls(data_set).builder_configs
    if config and config not in allowed:
        raise ValueError(f"config must be one of {[*allowed]}. Received: config={config!r}")
    split = split if isinstance(split, str) else list(split)
    download = tfds.download.DownloadConfig(manual_dir=manual_dir)
    return tfds.load(
        name,
        split=split,
        data_dir=data_dir,
        as_supervised=True,
        download_and_prepare_kwargs={"download_config": download},
    )
