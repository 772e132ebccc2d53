"""Transforms of times, dropping and noise against plain loops."""

import math

import numpy as np
import pytest
import tensorflow as tf
from transform_cases import SHAPE, copies, each, ragged, recording, rows

from keras_slayer.events import Events, transforms


def times_of(result) -> list[list[int]]:
    """The times of every recording of a batch."""
    return [[t for _, _, t, _ in events] for events in each(result)]


def test_time_crop():
    events = recording()
    result = transforms.TimeCrop(3000, start=1000)(events)
    expected = [(x, y, t - 1000, p) for x, y, t, p in rows(events) if 1000 <= t < 4000]
    assert rows(result) == expected and 40 < len(expected) < 80
    edges = Events(x=[0, 1, 2, 3], t=[999, 1000, 3999, 4000])
    assert transforms.TimeCrop(3000, start=1000)(edges).t.tolist() == [0, 2999]


def test_random_time_crop():
    events = Events(x=[0] * 10, t=[200, 231, 265, 290, 327, 350, 383, 402, 444, 469])
    result = transforms.RandomTimeCrop(60)(copies(1500, events), seed=1)
    expected = {}
    for start in range(200, 470 - 60 + 1):
        window = str([t - start for t in events.t.tolist() if start <= t < start + 60])
        expected.setdefault(window, []).append(start)
    starts = [expected[str(window)] for window in times_of(result)]
    assert all(len(of) == 1 for of in starts)  # known by the times
    starts = np.ravel(starts)
    assert starts.min() == 200 and starts.max() == 410 and abs(starts.mean() - 305) < 6
    # A recording that is shorter is kept, from its first event on.
    whole = transforms.RandomTimeCrop(270)(events, seed=1)
    longer = transforms.RandomTimeCrop(5000)(events, seed=1)
    assert whole.t.tolist() == longer.t.tolist() == (events.t - 200).tolist()


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.7])
def test_time_scale(scale):
    events = recording(start=500)
    first = events.t[0]
    expected = [(x, y, first + math.floor(scale * (t - first)), p) for x, y, t, p in rows(events)]
    assert rows(transforms.TimeScale((scale, scale))(events)) == expected


def test_time_scale_draws_from_the_range():
    events = Events(x=[0, 0], t=[0, 100_000])
    result = transforms.TimeScale(0.2)(copies(500, events), seed=1)
    scales = np.array(times_of(result))[:, 1] / 1e5
    assert 0.8 <= scales.min() < 0.81 and 1.19 < scales.max() <= 1.2
    assert abs(scales.mean() - 1) < 0.02


def test_time_jitter():
    count = 5000
    events = Events(x=np.arange(count), t=[10_000] * count)
    jittered = transforms.TimeJitter(100.0)(events, seed=1)
    shifts = jittered.t - 10_000
    assert abs(shifts.mean()) < 6 and abs(shifts.std() - 100) < 4
    assert sorted(jittered.x.tolist()) == list(range(count))
    # Half of them would be before time 0.
    early = Events(x=np.arange(count), t=[0] * count)
    left = transforms.TimeJitter(100.0)(early, seed=1)
    assert abs(len(left) / count - 0.5) < 0.03 and left.t.min() == 0
    assert rows(transforms.TimeJitter(0)(events)) == rows(events)


def test_drop_events():
    result = transforms.DropEvents(0.3)(copies(50), seed=1)
    left = result["t"].row_lengths().numpy()
    assert abs(left.mean() / 200 - 0.7) < 0.02 and left.std() < 12
    original = rows(recording())
    assert all(set(events) <= set(original) for events in each(result))
    result = transforms.DropEvents((0.2, 0.8))(copies(300), seed=1)
    left = result["t"].row_lengths().numpy() / 200
    assert left.min() < 0.27 and left.max() > 0.75 and abs(left.mean() - 0.5) < 0.05
    assert rows(transforms.DropEvents(0.0)(recording())) == original
    assert len(transforms.DropEvents(1.0)(recording())) == 0


def test_drop_by_area():
    everywhere = [(x, y) for y in range(9) for x in range(12)]
    x, y = np.transpose(everywhere)
    events = Events(x=x, y=y, t=np.arange(len(x)))
    result = transforms.DropEventsByArea(0.5)(copies(400, events), sensor_shape=SHAPE, seed=1)
    corners = []
    for events_left in each(result):
        left = {(x, y) for x, y, _, _ in events_left}
        gone = sorted(set(everywhere) - left)
        x0, y0 = gone[0]
        # round(4.5) = 4 rows, 6 columns.
        assert gone == [(x, y) for x in range(x0, x0 + 6) for y in range(y0, y0 + 4)]
        corners.append((x0, y0))
    assert set(corners) == {(x, y) for x in range(7) for y in range(6)}
    sizes = transforms.DropEventsByArea((0.1, 0.9))(copies(200, events), sensor_shape=SHAPE, seed=1)
    gone = 108 - sizes["t"].row_lengths().numpy()
    assert 0 < gone.min() <= 2 and gone.max() >= 80
    assert len(transforms.DropEventsByArea(1.0)(events, sensor_shape=SHAPE)) == 0


def test_drop_by_time():
    events = Events(x=[0] * 100, t=np.arange(500, 600))
    result = transforms.DropEventsByTime(0.4)(copies(600, events), seed=1)
    starts = []
    for times in times_of(result):
        gone = sorted(set(range(500, 600)) - set(times))
        assert gone == list(range(gone[0], gone[0] + 40))
        starts.append(gone[0])
    assert min(starts) == 500 and max(starts) == 560 and abs(np.mean(starts) - 530) < 3
    result = transforms.DropEventsByTime((0.1, 0.9))(copies(200, events), seed=1)
    gone = 100 - result["t"].row_lengths().numpy()
    assert 9 <= gone.min() < 15 and 85 < gone.max() <= 90
    assert len(transforms.DropEventsByTime(1.0)(events)) == 0


def test_uniform_noise():
    events = recording()
    span = events.t[-1] - events.t[0] + 1
    mean = 50.0 * 9 * 12 * 2 * span / 1e6
    result = transforms.UniformNoise(50.0)(copies(100), sensor_shape=SHAPE, seed=1)
    added = []
    for with_noise in each(result):
        for event in rows(events):
            with_noise.remove(event)
        added.append(with_noise)
    counts = np.array([len(of) for of in added])
    # A Poisson distribution: its variance is its mean.
    assert abs(counts.mean() - mean) < 4 and abs(counts.var() / mean - 1) < 0.4
    x, y, t, polarity = np.transpose([event for of in added for event in of])
    for values, limit in ((x, 12), (y, 9), (polarity, 2)):
        share = np.bincount(values, minlength=limit) / len(values)
        np.testing.assert_allclose(share, 1 / limit, rtol=0.15)
    assert t.min() < events.t[0] + 60 and t.max() > events.t[-1] - 60
    assert events.t[0] <= t.min() and t.max() <= events.t[-1]
    assert abs(t.mean() - (events.t[0] + events.t[-1]) / 2) < 100
    assert np.abs(np.corrcoef([x, y, t, polarity]) - np.eye(4)).max() < 0.05
    # Nothing for a recording without events, beside one that gets some.
    both = transforms.UniformNoise(50.0)(ragged([recording(0), events]), sensor_shape=SHAPE, seed=1)
    assert both["t"].row_lengths().numpy()[0] == 0 < both["t"].row_lengths().numpy()[1] - 200
    assert rows(transforms.UniformNoise(0)(events, sensor_shape=SHAPE, seed=1)) == rows(events)
    assert both["polarity"].dtype == tf.bool
