"""Event data sets for tfds. Importing this package registers them: `tfds.load("nmnist")`."""

try:
    import tensorflow_datasets as _tfds  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        f"keras_slayer.datasets needs {error.name}: pip install keras_slayer[datasets]"
    ) from error

from keras_slayer.datasets.loading import load_nmnist, load_saccade_mnist
from keras_slayer.datasets.nmnist.nmnist_dataset_builder import Builder as NMNIST
from keras_slayer.datasets.saccade_mnist.saccade_mnist_dataset_builder import (
    Builder as SaccadeMNIST,
)

__all__ = ["NMNIST", "SaccadeMNIST", "load_nmnist", "load_saccade_mnist"]
