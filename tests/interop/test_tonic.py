"""Transforms of events against tonic's, where both draw nothing and mean the same."""

import json

import numpy as np
import pytest

from keras_slayer.events import Events, to_spikes, transforms

HEIGHT, WIDTH = 9, 12
SENSOR = (WIDTH, HEIGHT, 2)  # tonic's order

# Of tonic, name and arguments; ours. Its limits of time are closed where ours are half open. Not
# here: RefractoryPeriod, which counts from the last event in tonic and from the last that was kept
# in ours, and Denoise, which test_tonic_denoise.py is about.
PAIRS = [
    ("CenterCrop", {"sensor_size": SENSOR, "size": [6, 5]}, transforms.CenterCrop((5, 6))),
    ("CropTime", {"min": 1000, "max": 3999}, transforms.TimeCrop(3000, start=1000)),
    ("RandomFlipLR", {"sensor_size": SENSOR, "p": 1.0}, transforms.Flip("horizontal", 1.0)),
    ("RandomFlipUD", {"sensor_size": SENSOR, "p": 1.0}, transforms.Flip("vertical", 1.0)),
    ("RandomFlipPolarity", {"p": 1.0}, transforms.FlipPolarity(1.0, per="event")),
    ("MergePolarities", {}, transforms.MergePolarities()),
    ("Downsample", {"spatial_factor": 0.5}, transforms.Downsample(2)),
]


@pytest.fixture(scope="module")
def events():
    """Times that are all different, in order."""
    rng = np.random.default_rng(0)
    return Events(
        x=rng.integers(0, WIDTH, 600),
        y=rng.integers(0, HEIGHT, 600),
        t=np.sort(rng.choice(10_000, 600, replace=False)),
        polarity=rng.integers(0, 2, 600),
    )


@pytest.fixture(scope="module")
def tonics(events, run_peer, tmp_path_factory):
    columns = (events.x, events.y, events.t, events.polarity)
    frames = ("ToFrame", {"sensor_size": SENSOR, "time_window": 1000, "start_time": 0,
                          "end_time": 10_000})  # fmt: skip
    task = {
        "events": np.stack([c.astype(int) for c in columns], axis=1).tolist(),
        "transforms": [*((name, arguments) for name, arguments, _ in PAIRS), frames],
    }
    path = tmp_path_factory.mktemp("tonic") / "task.json"
    path.write_text(json.dumps(task))
    return run_peer("tonic", "run_tonic.py", path)["results"]


@pytest.mark.parametrize("index", range(len(PAIRS)), ids=[name for name, _, _ in PAIRS])
def test_the_same_events(index, events, tonics):
    name, _, transform = PAIRS[index]
    result = transform(events, sensor_shape=(HEIGHT, WIDTH, 2))
    t = result.t.astype(int) + (1000 if name == "CropTime" else 0)  # tonic counts on
    columns = (result.x.astype(int), result.y.astype(int), t, result.polarity.astype(int))
    assert np.stack(columns, axis=1).tolist() == tonics[index]
    assert tonics[index] and tonics[index] != tonics[index - 1]


def test_the_same_counts(events, tonics):
    counts = to_spikes(events, (HEIGHT, WIDTH, 2), 10, values="count")
    # tonic's frames are (time, polarity, y, x).
    np.testing.assert_array_equal(np.transpose(counts, (0, 3, 1, 2)), tonics[-1])
