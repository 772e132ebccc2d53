"""Event data sets for tfds. Importing this package registers them: `tfds.load("nmnist")`."""

try:
    import tensorflow_datasets as _tfds  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        f"keras_slayer.datasets needs {error.name}: pip install keras_slayer[datasets]"
    ) from error

from keras_slayer.datasets.loading import load_nmnist, load_saccade_mnist
from keras_slayer.datasets.nmnist import nmnist_dataset_builder as _nmnist  # noqa: F401
from keras_slayer.datasets.saccade_mnist import (
    saccade_mnist_dataset_builder as _saccade_mnist,  # noqa: F401
)

__all__ = ["load_nmnist", "load_saccade_mnist"]
