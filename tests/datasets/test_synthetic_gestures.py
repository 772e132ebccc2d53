"""Synthetic gestures: what moves, what fires, and the tfds builder made of both."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_slayer.datasets
from keras_slayer.datasets.dvs_gesture.labels import GESTURES
from keras_slayer.datasets.synthetic_gestures import simulate as simulation
from keras_slayer.datasets.synthetic_gestures import (
    synthetic_gestures_dataset_builder as builder_module,
)
from keras_slayer.datasets.synthetic_gestures.motion import LEFT, RIGHT, hands
from keras_slayer.datasets.synthetic_gestures.simulate import DURATION_MS, SENSOR_SHAPE, simulate
from keras_slayer.events import Events, to_spikes

T = np.arange(0, 1.5, 0.005)
CLASS = {name: label for label, name in enumerate(GESTURES)}
CIRCLES = {
    "right_arm_clockwise": (RIGHT, 1),
    "right_arm_counter_clockwise": (RIGHT, -1),
    "left_arm_clockwise": (LEFT, 1),
    "left_arm_counter_clockwise": (LEFT, -1),
}


def path(name, seed):
    return hands(CLASS[name], T, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def recordings():
    return {(label, seed): simulate(label, seed) for label in range(11) for seed in range(3)}


@pytest.mark.parametrize("name", CIRCLES)
def test_circles_turn_in_their_direction(name):
    side, direction = CIRCLES[name]
    for seed in range(5):
        both = path(name, seed)
        x, y = (both[side] - both[side].mean(axis=0)).T
        # y points down: a growing angle is clockwise on the screen.
        turns = np.diff(np.unwrap(np.arctan2(y, x))) / (2 * np.pi)
        assert 0.7 < direction * turns.sum() < 3
        assert np.ptp(both[-side], axis=0).max() == 0


def test_the_arms_move_as_their_names_say():
    for seed in range(5):
        clap = path("hand_clapping", seed)
        assert np.corrcoef(clap[LEFT][:, 0], clap[RIGHT][:, 0])[0, 1] < -0.99
        wave = path("right_hand_wave", seed)
        assert np.ptp(wave[RIGHT][:, 0]) > 1.5 * np.ptp(wave[RIGHT][:, 1])
        assert wave[RIGHT][:, 1].max() < -10 and wave[RIGHT][:, 0].mean() < -15
        drums = path("air_drums", seed)
        assert np.corrcoef(drums[LEFT][:, 1], drums[RIGHT][:, 1])[0, 1] < -0.7
        guitar = path("air_guitar", seed)
        assert np.ptp(guitar[RIGHT][:, 1]) > 1.5 * np.ptp(guitar[LEFT][:, 0])
        roll = path("arm_roll", seed)
        apart = roll[LEFT] - roll[RIGHT]
        assert abs(np.diff(np.unwrap(np.arctan2(apart[:, 1], apart[:, 0]))).sum()) > 2 * np.pi


def test_recordings_are_valid_and_sparse(recordings):
    densities = []
    for events in recordings.values():
        assert (np.diff(events.t) >= 0).all()
        assert 1000 * DURATION_MS[0] * 0.98 < events.t[-1] < 1000 * DURATION_MS[1]
        assert events.x.max() < 128 and events.y.max() < 128
        assert 0.35 < events.polarity.mean() < 0.65
        densities.append(to_spikes(events, SENSOR_SHAPE, 300, 5.0).mean())
    assert 0.003 < np.mean(densities) < 0.006
    assert min(densities) > 0.0015 and max(densities) < 0.01


def test_a_recording_depends_on_class_and_seed_only(recordings):
    assert simulate(4, 2) == recordings[4, 2]
    assert simulate(4, 3) != recordings[4, 2]
    assert simulate(5, 2) != recordings[4, 2]


def test_edges_that_rest_do_not_fire(monkeypatch):
    rest = {side: np.tile((side * 20.0, 30.0), (760, 1)) for side in (RIGHT, LEFT)}
    monkeypatch.setattr(
        simulation, "hands", lambda label, t, g: {s: p[: len(t)] for s, p in rest.items()}
    )
    still = simulate(3, 0)
    monkeypatch.undo()
    # What is left is noise and a little swaying.
    assert len(still) < 0.35 * len(simulate(3, 0))


@pytest.mark.parametrize("contrast", [0.8, -0.8])
def test_an_edge_fires_by_speed_and_contrast(contrast, monkeypatch):
    """A bright edge of 10 pixels that moves to the right by 20 pixels sweeps over 200 pixels."""
    monkeypatch.setattr(simulation, "_NOISE_HZ", 0.0)
    steps = 501
    place = np.full((steps, 1, 2), 60.0)
    place[:, 0, 0] = np.linspace(40, 60, steps)
    normal = np.broadcast_to((1.0, 0.0), place.shape)
    edges = simulation._Edges(place, normal, np.array([10.0]), np.array([contrast]))
    counts = []
    for seed in range(40):
        events = simulation._fire(edges, 1.0, np.random.default_rng(seed))
        assert (events.polarity == (contrast > 0)).all()
        assert events.x.min() >= 38 and events.x.max() <= 62
        # The edge is where it should be, at any time.
        assert np.abs(events.x + 0.5 - (40 + 20 * events.t / 1e6)).max() < 3
        counts.append(len(events))
    expected = 200 * abs(contrast) * simulation._EVENTS_PER_CROSSING
    assert np.mean(counts) == pytest.approx(expected, rel=0.1)


def turning(events):
    """Mean rotation of where the events are: positive for clockwise."""
    window = events.t // 50_000
    centres = np.array(
        [
            (events.x[window == k].mean(), events.y[window == k].mean())
            for k in range(window.max() + 1)
        ]
    )
    centres -= centres.mean(axis=0)
    (x0, y0), (x1, y1) = centres[:-1].T, centres[1:].T
    return np.sum(x0 * y1 - x1 * y0)


def test_direction_and_side_can_be_seen_in_the_events(recordings):
    """And the direction in nothing else: pictures of both circles are alike."""
    for name, (side, direction) in CIRCLES.items():
        for seed in range(3):
            events = recordings[CLASS[name], seed]
            assert direction * turning(events) > 0, (name, seed)
            assert side * (np.median(events.x) - 64) > 0, (name, seed)

    def picture(label):
        image = np.zeros((128, 128))
        for seed in range(3):
            events = recordings[label, seed]
            np.add.at(image, (events.y, events.x), 1)
        return image.reshape(16, 8, 16, 8).sum(axis=(1, 3)).ravel()

    clockwise, counter, left = (picture(label) for label in (3, 4, 5))
    assert np.corrcoef(clockwise, counter)[0, 1] > 0.6
    assert np.corrcoef(clockwise, left)[0, 1] < 0.3


def test_builder_gives_what_the_simulator_gives(tmp_path, monkeypatch):
    configs = [builder_module.GesturesConfig(name="small", train_per_class=2, test_per_class=1)]
    # In this order: tfds derives the second from the first.
    monkeypatch.setattr(builder_module.Builder, "builder_configs", {c.name: c for c in configs})
    monkeypatch.setattr(builder_module.Builder, "BUILDER_CONFIGS", configs)
    train, test = keras_slayer.datasets.load_synthetic_gestures(config="small", data_dir=tmp_path)
    assert len(train) == 22
    found = {int(label): Events.from_dict(events) for events, label in tfds.as_numpy(test)}
    assert len(test) == len(found) == 11
    assert found[6] == simulate(6, builder_module._FIRST_TEST_SEED)
    sixes = [Events.from_dict(e) for e, label in tfds.as_numpy(train) if label == 6]
    assert {len(e) for e in sixes} == {len(simulate(6, seed)) for seed in (0, 1)}


def test_configs_and_metadata():
    sizes = {
        name: (config.train_per_class, config.test_per_class)
        for name, config in builder_module.Builder.builder_configs.items()
    }
    assert sizes == {"full": (100, 25), "small": (20, 5)}
    # Training recordings never reach the seeds of the test recordings.
    assert max(train for train, _ in sizes.values()) < builder_module._FIRST_TEST_SEED
    metadata = builder_module.Builder.get_metadata()
    assert "not results on DVS128 Gesture" in metadata.description
    assert "amir2017low" in metadata.citation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((11, 0), "`label` must be 0 to 10. Received: label=11"),
        ((-1, 0), "Received: label=-1"),
        ((0, -1), "`seed` must be 0 to .* Received: seed=-1"),
        ((0, 0.5), "Received: seed=0.5"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(*arguments)
