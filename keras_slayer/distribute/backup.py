"""A backup of the state of training, from which all workers go on together."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import weakref
import zipfile

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.distribute.broadcast import from_chief, is_chief
from keras_slayer.files import DAMAGED

_SEEDS = "seeds.npz"
_EMPTY = b"\0"


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """`keras.callbacks.BackupAndRestore` for several workers: one backup, whole or not there.

    Keras' own writes two files in place, from every worker. Workers that die between the two, or
    at different times, come back with weights of one epoch and the number of another, or in
    different epochs, and wait for each other. Here, after each epoch, the chief (worker 0, unless
    the cluster names one) writes weights, optimizer, states of random seeds and the number of the
    epoch to one file, and renames it into place. When training begins again, the chief reads it and
    sends it to the others. Only the chief needs the folder; where it may start on another machine,
    the folder must be on a disk that all share.

    The losses after a restart are those of a run that was not interrupted if data come in the
    same order in epoch k whichever epoch the process starts with: not shuffled, or shuffled by the
    number of the epoch.

    Args:
        backup_dir: folder of the file, of this training run alone; also one that
            `tf.io.gfile` knows, such as `gs://...`.
        delete_checkpoint: delete the file once `fit` has ended.

    Raises:
        ValueError: an empty `backup_dir`; when training begins, a model that is not built, a
            damaged backup, or one of a model with other weights.

    Example:

    >>> model.fit(data, epochs=20, callbacks=[keras_slayer.distribute.BackupAndRestore("backup")])
    """

    def __init__(self, backup_dir, delete_checkpoint: bool = True) -> None:
        if not backup_dir:
            raise ValueError(f"`backup_dir` must be a folder. Received: backup_dir={backup_dir!r}")
        self._file = os.path.join(os.fspath(backup_dir), "backup.zip")
        self._delete = delete_checkpoint
        # Keras' callback reads and writes here, in every worker.
        self._staging = tempfile.mkdtemp(prefix="keras_slayer_backup_")
        weakref.finalize(self, shutil.rmtree, self._staging, ignore_errors=True)
        super().__init__(self._staging)

    def on_train_begin(self, logs=None):
        strategy = self.model.distribute_strategy
        data = b""
        if is_chief(strategy) and tf.io.gfile.exists(self._file):
            with tf.io.gfile.GFile(self._file, "rb") as file:
                data = file.read() or _EMPTY  # no bytes mean: no file
        data = from_chief(strategy, data)
        seeds = self._unpack(data) if data else None
        super().on_train_begin(logs)  # loads what is there
        if seeds is not None:
            for variable, value in zip(_seed_states(self.model), seeds, strict=True):
                variable.assign(value)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if is_chief(self.model.distribute_strategy):
            folder = os.path.dirname(self._file)
            tf.io.gfile.makedirs(folder)
            with tf.io.gfile.GFile(f"{self._file}.part", "wb") as file:
                file.write(self._pack())
            tf.io.gfile.rename(f"{self._file}.part", self._file, overwrite=True)

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        chief = is_chief(self.model.distribute_strategy)
        if self._delete and chief and tf.io.gfile.exists(self._file):
            tf.io.gfile.remove(self._file)

    def _pack(self) -> bytes:
        """Keras' files, and the states that are not among a model's weights."""
        packed, seeds = io.BytesIO(), io.BytesIO()
        np.savez(seeds, *map(keras.ops.convert_to_numpy, _seed_states(self.model)))
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(_SEEDS, seeds.getvalue())
            for name in os.listdir(self._staging):
                archive.write(os.path.join(self._staging, name), name)
        return packed.getvalue()

    def _unpack(self, data: bytes) -> list[np.ndarray]:
        os.makedirs(self._staging, exist_ok=True)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in set(archive.namelist()) - {_SEEDS}:
                    archive.extract(name, self._staging)
                with np.load(io.BytesIO(archive.read(_SEEDS))) as seeds:
                    return [*seeds.values()]
        except DAMAGED as error:
            raise ValueError(
                f"The backup is damaged, or no backup of this callback: {error}. Put a whole one "
                f"there, or delete it to train from the start. Received: {self._file}, "
                f"{0 if data == _EMPTY else len(data)} bytes"
            ) from error


def _seed_states(model) -> list:
    """Variables that `save_weights` leaves out: the states of dropout and the like."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]
