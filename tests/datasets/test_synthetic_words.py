"""Synthetic words: what the cochlea hears, who says it, and the tfds builder made of both."""

import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
from keras_slayer.datasets.synthetic_words import simulate as simulation
from keras_slayer.datasets.synthetic_words import (
    synthetic_words_dataset_builder as builder_module,
)
from keras_slayer.datasets.synthetic_words.simulate import (
    CHANNELS,
    DURATION_MS,
    SPEAKERS,
    simulate,
)
from keras_slayer.datasets.synthetic_words.words import SOUNDS, WORDS
from keras_slayer.events import Events, spike_pipeline, to_spikes

LABEL = {word: label for label, word in enumerate(WORDS)}


def spikes(word, speaker=0, seed=0):
    return to_spikes(simulate(LABEL[word], speaker, seed), (CHANNELS,), 70, 10.0)


def channel(hertz):
    low, high = np.log2((100, 8000))
    return (np.log2(hertz) - low) / (high - low) * (CHANNELS - 1)


@pytest.fixture(scope="module")
def recordings():
    """Thirty of each word, by as many speakers; the seconds per recording."""
    start = time.process_time()
    made = {
        word: [simulate(label, speaker, seed=7) for speaker in range(30)]
        for word, label in LABEL.items()
    }
    return made, (time.process_time() - start) / (30 * len(WORDS))


def test_words_are_made_of_sounds_and_ten_come_in_pairs():
    assert len(set(WORDS)) == len(WORDS) == 16
    assert {sound for word in WORDS for sound in word} == set(SOUNDS)
    assert {len(word) for word in WORDS} == {2, 3, 4}
    same = ["".join(sorted(word)) for word in WORDS]
    assert sorted(same.count(sounds) for sounds in same) == [1] * 6 + [2] * 10


def test_recordings_are_spike_trains_of_a_cochlea(recordings):
    made, seconds = recordings
    for events in (e for of_word in made.values() for e in of_word):
        assert events.x.max() < CHANNELS
        assert (np.diff(events.t) >= 0).all() and events.t[0] >= 0
        assert events.t[-1] < DURATION_MS * 1000
    sizes = {word: np.mean([len(e) for e in of_word]) for word, of_word in made.items()}
    assert 700 < min(sizes.values()) < max(sizes.values()) < 3000, sizes
    assert seconds < 0.01  # measured: 0.001 on a quiet core


def test_a_recording_depends_on_word_speaker_and_seed_alone():
    one = simulate(3, 5, 9)
    assert simulate(3, 5, 9) == one
    for other in ((4, 5, 9), (3, 6, 9), (3, 5, 10)):
        assert simulate(*other) != one


@pytest.mark.parametrize("sound", ["a", "i", "u", "e"])
def test_formants_are_where_they_are_published(sound, monkeypatch):
    """The mean over speakers, whose formants differ from one another."""
    monkeypatch.setattr(simulation, "WORDS", (sound * 3,) * 16)
    counts = np.zeros(CHANNELS)
    for speaker in range(SPEAKERS):
        counts += np.bincount(simulate(0, speaker, 0).x, minlength=CHANNELS)
    counts -= np.median(counts)
    for formant, level in zip(SOUNDS[sound].formants, SOUNDS[sound].levels, strict=True):
        if level >= 0.7:
            near = np.arange(CHANNELS)[abs(np.arange(CHANNELS) - channel(formant)) < 6]
            assert np.average(near, weights=counts[near]) == pytest.approx(channel(formant), abs=2)


def test_words_of_a_pair_differ_in_order_and_in_nothing_else(recordings):
    made, _ = recordings

    def counts(word):
        total = sum(np.bincount(e.x, minlength=CHANNELS) for e in made[word])
        return total / total.sum()

    def order(word, first, second):
        """How much earlier channels of the first sound fire than those of the second."""
        x, t = (np.concatenate([getattr(e, f) for e in made[word]]) for f in ("x", "t"))
        mean = [t[abs(x - channel(hertz)) < 4].mean() for hertz in (first, second)]
        return mean[1] - mean[0]

    assert np.corrcoef(counts("sa"), counts("as"))[0, 1] > 0.98
    assert np.corrcoef(counts("sa"), counts("mul"))[0, 1] < 0.7
    low, hiss = 900, 5600  # of "a" and of "s"
    assert order("as", low, hiss) > 50_000  # microseconds
    assert order("sa", hiss, low) > 50_000


def test_speakers_differ_more_than_recordings_of_one():
    def centre(speaker, seed):
        events = simulate(LABEL["as"], speaker, seed)
        return np.mean(events.x[events.x > channel(3500)])

    of_one = np.std([[centre(speaker, seed) for seed in range(8)] for speaker in range(6)], axis=1)
    between = np.std([np.mean([centre(s, seed) for seed in range(8)]) for s in range(24)])
    assert between > 1.3 * of_one.mean()


def test_builder_gives_what_the_simulator_gives(tmp_path, monkeypatch):
    configs = [builder_module.WordsConfig(name="small", train_per_word=3, test_per_word=1)]
    # In this order: tfds derives the second from the first.
    monkeypatch.setattr(builder_module.Builder, "builder_configs", {c.name: c for c in configs})
    monkeypatch.setattr(builder_module.Builder, "BUILDER_CONFIGS", configs)
    train, test = keras_slayer.datasets.load_synthetic_words(config="small", data_dir=tmp_path)
    assert (len(train), len(test)) == (48, 16)
    found = {int(label): Events.from_dict(events) for events, label in tfds.as_numpy(test)}
    assert found[6] == simulate(6, 24, builder_module._FIRST_TEST_SEED)
    sixes = {len(events["t"]) for events, label in tfds.as_numpy(train) if label == 6}
    assert sixes == {len(simulate(6, number, number)) for number in range(3)}
    ((batch, _),) = spike_pipeline(test, sensor_shape=(128,), steps=70, dt=10.0, batch_size=16)
    assert batch.shape == (16, 70, 128)
    whole = tfds.builder("synthetic_words/small", data_dir=tmp_path)
    assert whole.info.features["label"].names == list(WORDS)
    speakers = {
        split: {int(e["speaker"]) for e in tfds.as_numpy(whole.as_dataset(split=split))}
        for split in ("train", "test")
    }
    assert speakers == {"train": {0, 1, 2}, "test": {24}}


def test_configs_and_metadata():
    sizes = {
        name: (config.train_per_word, config.test_per_word)
        for name, config in builder_module.Builder.builder_configs.items()
    }
    assert sizes == {"full": (200, 40), "small": (40, 10)}
    # Training recordings never reach the seeds of the test recordings.
    assert max(train for train, _ in sizes.values()) < builder_module._FIRST_TEST_SEED
    metadata = builder_module.Builder.get_metadata()
    assert "not results on speech" in metadata.description
    assert "peterson1952control" in metadata.citation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((16, 0, 0), "`label` must be 0 to 15. Received: label=16"),
        ((0, 32, 0), "`speaker` must be 0 to 31. Received: speaker=32"),
        ((0, 0, -1), "Received: seed=-1"),
        ((0, 0.5, 0), "Received: speaker=0.5"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(*arguments)
