"""tfds builder of synthetic words: nothing to download."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from keras_slayer.datasets.record import GENERATED, DatasetRecord
from keras_slayer.datasets.spike_trains import channel_features, encode_channels
from keras_slayer.datasets.synthetic_words.simulate import SPEAKERS, simulate
from keras_slayer.datasets.synthetic_words.words import WORDS

_FIRST_TEST_SPEAKER = 24
_FIRST_TEST_SEED = 1_000_000


@dataclasses.dataclass
class WordsConfig(tfds.core.BuilderConfig):
    """How many recordings of each word a variant of the data set has."""

    train_per_word: int = 200
    test_per_word: int = 40


class Builder(tfds.core.GeneratorBasedBuilder):
    """Synthetic words: 16 words, 128 channels of a cochlea, 0.7 s.

    24 of the 32 speakers train, the other 8 test. A recording depends on its word, speaker and
    number only. "small" has the first recordings of "full".
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - as tfds declares it
    BUILDER_CONFIGS = [  # noqa: RUF012 - as tfds declares it
        WordsConfig(name="full", description="3,200 + 640 recordings."),
        WordsConfig(
            name="small", description="640 + 160 recordings.", train_per_word=40, test_per_word=10
        ),
    ]

    RECORDS = tuple(
        DatasetRecord(
            name=f"synthetic_words/{config.name}",
            title="Synthetic words",
            sensor_shape=(128,),
            classes=len(WORDS),
            train=len(WORDS) * config.train_per_word,
            test=len(WORDS) * config.test_per_word,
            duration="0.7 s",
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
                    "events": channel_features(),
                    "label": tfds.features.ClassLabel(names=list(WORDS)),
                    "speaker": tfds.features.Scalar(np.int64),
                }
            ),
            supervised_keys=("events", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        config = self.builder_config
        train, test = range(_FIRST_TEST_SPEAKER), range(_FIRST_TEST_SPEAKER, SPEAKERS)
        return {
            "train": self._generate_examples(train, 0, config.train_per_word),
            "test": self._generate_examples(test, _FIRST_TEST_SEED, config.test_per_word),
        }

    def _generate_examples(self, speakers, first_seed, per_word):
        for label, word in enumerate(WORDS):
            for number in range(per_word):
                speaker, seed = speakers[number % len(speakers)], first_seed + number
                events = encode_channels(simulate(label, speaker, seed))
                yield f"{word}/{seed}", {"events": events, "label": label, "speaker": speaker}
