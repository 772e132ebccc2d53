"""Filters against plain loops, event by event."""

import numpy as np
import pytest
import tensorflow as tf
from transform_cases import SHAPE, crowded, each, ragged, recording, rows

from keras_slayer.events import Events, transforms
from keras_slayer.ops import library

EDGE = 2**40


def denoised(events, filter_time, size):
    kept = []
    for x, y, t, p in rows(events):
        for x2, y2, t2, _ in rows(events):
            near = max(abs(x - x2), abs(y - y2)) <= size // 2 and (x, y) != (x2, y2)
            if near and t - filter_time <= t2 <= t:
                kept.append((x, y, t, p))
                break
    return kept


def after_refractory_period(events, period):
    last, kept = {}, {}
    by_time = sorted(enumerate(rows(events)), key=lambda item: item[1][2])
    for index, (x, y, t, p) in by_time:
        if (x, y) not in last or t - last[x, y] >= period:
            last[x, y] = t
            kept[index] = (x, y, t, p)
    return [kept[index] for index in sorted(kept)]


def without_hot_pixels(events, max_rate):
    duration = int(events.t.max()) - int(events.t.min()) + 1
    counts = {}
    for x, y, _, _ in rows(events):
        counts[x, y] = counts.get((x, y), 0) + 1
    hot = {place for place, n in counts.items() if n > max(1, max_rate * duration / 1e6)}
    return [event for event in rows(events) if event[:2] not in hot]


SAMPLES = {
    "spread": recording(),
    "crowded": crowded(),
    "crowded few": crowded(60, seed=1),
    "absolute": recording(start=EDGE),
}


@pytest.mark.parametrize("events", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize(("filter_time", "size"), [(0, 3), (40, 3), (300, 3), (40, 5)])
def test_denoise(events, filter_time, size):
    result = transforms.Denoise(filter_time, size)(events, sensor_shape=SHAPE)
    assert rows(result) == denoised(events, filter_time, size)


def test_denoise_rule():
    """Support from before and at the same time, from neighbours alone."""
    filter_ = transforms.Denoise(10)
    pairs = {
        (1, 1, 0, 10): [10],  # 10 us after a neighbour; the neighbour has no support
        (1, 1, 0, 11): [],
        (1, 0, 5, 5): [5, 5],
        (0, 0, 5, 6): [],  # of the same pixel
        (2, 0, 5, 6): [],
    }
    for (dx, dy, t1, t2), kept in pairs.items():
        events = Events(x=[3, 3 + dx], y=[3, 3 + dy], t=[t1, t2])
        assert filter_(events, sensor_shape=SHAPE).t.tolist() == kept
    # The last pixel of a row and the first of the next are no neighbours.
    wrapped = Events(x=[11, 0], y=[3, 4], t=[5, 5])
    assert len(filter_(wrapped, sensor_shape=SHAPE)) == 0
    ends = Events(x=[0, 11, 0, 11], y=[0, 0, 8, 8], t=[0, 0, 0, 0])
    assert len(filter_(ends, sensor_shape=SHAPE)) == 0


@pytest.mark.parametrize("events", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("period", [1, 30, 100, 900, 10**6])
def test_refractory_period(events, period):
    result = transforms.RefractoryPeriod(period)(events, sensor_shape=SHAPE)
    expected = after_refractory_period(events, period)
    assert rows(result) == expected and len(expected) > 0


def test_refractory_period_of_one_busy_pixel():
    """An event that was dropped does not count; chains of any length are followed."""
    events = Events(x=[1] * 1000, t=3 * np.arange(1000))
    result = transforms.RefractoryPeriod(10)(events)
    assert result.t.tolist() == list(range(0, 3000, 12))
    assert transforms.RefractoryPeriod(3)(events).t.size == 1000


@pytest.mark.parametrize("max_rate", [50.0, 200.0, 400.0, 1e6])
def test_hot_pixels(max_rate):
    for events in (SAMPLES["spread"], SAMPLES["absolute"], crowded(60, seed=1)):
        result = transforms.HotPixelFilter(max_rate)(events, sensor_shape=SHAPE)
        assert rows(result) == without_hot_pixels(events, max_rate)


def test_hot_pixel_is_found_in_its_recording_only():
    hot = Events(x=[3] * 50 + [4] * 2, t=[*range(0, 50_000, 1000), 0, 49_999])
    busy = Events(x=[4] * 50 + [3] * 2, t=[*range(0, 50_000, 1000), 0, 49_999])
    result = transforms.HotPixelFilter(100.0)(ragged([hot, busy]), sensor_shape=SHAPE)
    assert [{x for x, _, _, _ in events} for events in each(result)] == [{4}, {3}]


def test_rows_do_not_support_or_block_each_other():
    events = Events(x=[3, 4], y=[3, 3], t=[5, 5])
    parts = [events[:1], events[1:]]
    assert transforms.Denoise(10)(ragged(parts), sensor_shape=SHAPE)["t"].values.shape[0] == 0
    same = ragged([events[:1], events[:1]])
    assert transforms.RefractoryPeriod(10)(same)["t"].row_lengths().numpy().tolist() == [1, 1]


def test_too_long_for_the_key(monkeypatch):
    """Of TensorFlow's ops; the native ones have none."""
    monkeypatch.setattr(library, "_loaded", False)
    events = Events(x=[0, 1], y=[0, 1], t=[0, 2**61])
    for filter_ in (transforms.Denoise(10), transforms.RefractoryPeriod(10)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="too long for this sensor"):
            filter_(events, sensor_shape=(720, 1280, 2))
