"""tfds builder of synthetic gestures: nothing to download."""

import dataclasses

import tensorflow_datasets as tfds

from keras_slayer.datasets.dvs_gesture.labels import GESTURES
from keras_slayer.datasets.features import encode, event_features
from keras_slayer.datasets.record import GENERATED, DatasetRecord
from keras_slayer.datasets.synthetic_gestures.simulate import simulate

_FIRST_TEST_SEED = 1_000_000


@dataclasses.dataclass
class GesturesConfig(tfds.core.BuilderConfig):
    """How many recordings of each class a variant of the data set has."""

    train_per_class: int = 100
    test_per_class: int = 25


class Builder(tfds.core.GeneratorBasedBuilder):
    """Synthetic gestures: 11 classes, 128 x 128 pixels, 1.2 to 1.5 s.

    A recording depends on its class and its number only, and training and test recordings have
    different numbers. "small" has the first recordings of "full".
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    BUILDER_CONFIGS = [  # noqa: RUF012 - as tfds declares it
        GesturesConfig(name="full", description="1,100 + 275 recordings."),
        GesturesConfig(
            name="small", description="220 + 55 recordings.", train_per_class=20, test_per_class=5
        ),
    ]

    RECORDS = tuple(
        DatasetRecord(
            name=f"synthetic_gestures/{config.name}",
            title="Synthetic gestures",
            sensor_shape=(128, 128, 2),
            classes=len(GESTURES),
            train=len(GESTURES) * config.train_per_class,
            test=len(GESTURES) * config.test_per_class,
            duration="1.2 to 1.5 s",
            licence="none: generated",
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
                {
                    "events": event_features(),
                    "label": tfds.features.ClassLabel(names=list(GESTURES)),
                }
            ),
            supervised_keys=("events", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        config = self.builder_config
        return {
            "train": self._generate_examples(0, config.train_per_class),
            "test": self._generate_examples(_FIRST_TEST_SEED, config.test_per_class),
        }

    def _generate_examples(self, first_seed, per_class):
        for label, name in enumerate(GESTURES):
            for seed in range(first_seed, first_seed + per_class):
                yield f"{name}/{seed}", {"events": encode(simulate(label, seed)), "label": label}
