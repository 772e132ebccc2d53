"""Event data sets for tfds. Importing this package registers them: `tfds.load("nmnist")`."""

try:
    import tensorflow_datasets as _tfds
except ModuleNotFoundError as error:
    raise ImportError(
        f"keras_slayer.datasets needs {error.name}: pip install keras_slayer[datasets]"
    ) from error
if not hasattr(_tfds, "features"):  # then tfds has only printed that its own imports failed
    raise ImportError(
        "keras_slayer.datasets needs tensorflow_datasets, which is here and does not load (its "
        "message is above). With TensorFlow 2.18 or 2.19: pip install 'tensorflow-metadata<1.21'"
    )

from keras_slayer.datasets.asl_dvs import asl_dvs_dataset_builder as _asl_dvs  # noqa: F401
from keras_slayer.datasets.cifar10_dvs import (
    cifar10_dvs_dataset_builder as _cifar10_dvs,  # noqa: F401
)
from keras_slayer.datasets.dvs_gesture import (
    dvs_gesture_dataset_builder as _dvs_gesture,  # noqa: F401
)
from keras_slayer.datasets.dvs_lip import dvs_lip_dataset_builder as _dvs_lip  # noqa: F401
from keras_slayer.datasets.listing import available
from keras_slayer.datasets.loading import (
    load_dvs_gesture,
    load_n_caltech101,
    load_nmnist,
    load_saccade_mnist,
    load_shd,
    load_ssc,
    load_synthetic_gestures,
    load_synthetic_words,
    saccades_of,
)
from keras_slayer.datasets.loading_by_hand import (
    load_asl_dvs,
    load_cifar10_dvs,
    load_dvs_lip,
    load_n_cars,
)
from keras_slayer.datasets.n_caltech101 import (
    n_caltech101_dataset_builder as _n_caltech101,  # noqa: F401
)
from keras_slayer.datasets.n_cars import n_cars_dataset_builder as _n_cars  # noqa: F401
from keras_slayer.datasets.nmnist import nmnist_dataset_builder as _nmnist  # noqa: F401
from keras_slayer.datasets.record import DatasetRecord
from keras_slayer.datasets.saccade_mnist import (
    saccade_mnist_dataset_builder as _saccade_mnist,  # noqa: F401
)
from keras_slayer.datasets.shd import shd_dataset_builder as _shd  # noqa: F401
from keras_slayer.datasets.ssc import ssc_dataset_builder as _ssc  # noqa: F401
from keras_slayer.datasets.synthetic_gestures import (
    synthetic_gestures_dataset_builder as _synthetic_gestures,  # noqa: F401
)
from keras_slayer.datasets.synthetic_words import (
    synthetic_words_dataset_builder as _synthetic_words,  # noqa: F401
)

__all__ = [
    "DatasetRecord",
    "available",
    "load_asl_dvs",
    "load_cifar10_dvs",
    "load_dvs_gesture",
    "load_dvs_lip",
    "load_n_caltech101",
    "load_n_cars",
    "load_nmnist",
    "load_saccade_mnist",
    "load_shd",
    "load_ssc",
    "load_synthetic_gestures",
    "load_synthetic_words",
    "saccades_of",
]
