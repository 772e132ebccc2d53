"""Training on several devices and machines, on TensorFlow's own engine."""

from keras_slayer.distribute.backup import BackupAndRestore
from keras_slayer.distribute.multi_worker import enable_multi_worker
from keras_slayer.distribute.weighing import share_of_batch, weigh_samples

__all__ = ["BackupAndRestore", "enable_multi_worker", "share_of_batch", "weigh_samples"]
