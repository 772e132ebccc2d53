"""Own recordings in `spike_pipeline`, with transforms, to `model.fit`; a film of a file."""

import keras
import numpy as np
import pytest
from PIL import Image

import keras_slayer as ks
from keras_slayer.events import Events, from_arrays, from_folder, spike_pipeline, transforms
from keras_slayer.events.__main__ import main

LABELS = ("down", "up")


def recording(label, seed, count=400):
    random = np.random.default_rng([seed, label])
    return Events(
        x=random.integers(0, 16, count),
        y=random.integers(8, 16, count) - 8 * label,
        t=np.sort(random.integers(0, 200_000, count)),
        polarity=random.integers(0, 2, count),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for label, name in enumerate(LABELS):
        (folder / name).mkdir()
        for number in range(6):
            events = recording(label, number)
            ks.events.write_events(folder / name / f"{number}.raw", events, format="evt3")
    return folder


def test_five_lines(folder):
    recordings = from_folder(folder, "{label}/*.raw", sensor_shape=(16, 16))
    train, test = recordings.split(0.5, seed=1)
    options = {"batch_size": 4, "steps": 20, "dt": 5.0, "seed": 2}
    moved = [transforms.Shift(1), transforms.DropEvents((0.0, 0.2))]
    batches = spike_pipeline(
        train.slice(window=0.1, stride=0.05), shuffle=True, transforms=moved, **options
    )
    model = keras.Sequential(
        [keras.Input((20, 16, 16, 2)), ks.Flatten(), ks.SpikingDense(2, neuron=ks.SRM(dt=5.0))]
    )
    model.compile(keras.optimizers.Adam(0.01), ks.SpikeMaxLoss(), metrics=[ks.SpikeCountAccuracy()])
    model.fit(batches, epochs=8, shuffle=False, verbose=0)
    whole = spike_pipeline(test.slice(window=0.1), **options)
    _, accuracy = model.evaluate(whole, verbose=0)
    assert accuracy == 1.0


def test_the_pipeline_has_the_events_of_the_recordings():
    """With the sensor found in the data, and that after a transform."""
    events = [recording(label, seed) for label in (0, 1) for seed in range(3)]
    recordings = from_arrays(events, [0, 0, 0, 1, 1, 1], sensor_shape=(16, 16))
    (spikes, labels), *_ = spike_pipeline(recordings, steps=40, dt=5.0, batch_size=6)
    for given, label, found, found_label in zip(
        events, [0, 0, 0, 1, 1, 1], spikes.numpy(), labels.numpy(), strict=True
    ):
        expected = ks.events.to_spikes(given, sensor_shape=(16, 16, 2), steps=40, dt=5.0)
        np.testing.assert_array_equal(found, expected)
        assert found_label == label
    half = spike_pipeline(
        recordings, steps=40, dt=5.0, batch_size=6, transforms=[transforms.Downsample(2)]
    )
    assert next(iter(half))[0].shape == (6, 40, 8, 8, 2)


def test_a_film_of_a_file(folder, tmp_path, capsys):
    assert main(["play", str(folder / "up" / "0.raw"), str(tmp_path / "film.gif")]) in (0, None)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames >= 5
