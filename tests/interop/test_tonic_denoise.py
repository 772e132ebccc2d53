"""Denoise against tonic's: the same on a line of pixels, and elsewhere just these differences.

tonic keeps an event at time t if one of the four pixels beside it, above or below had its last
event after t - filter_time, counting only those that come before it in the recording; and every
pixel counts as having had one at time 0. Ours looks at all eight neighbours, from t - filter_time
on, at simultaneous events whatever their order, and at nothing before the first event.
"""

import json

import numpy as np
import pytest

from keras_slayer.events import Events, transforms

HEIGHT, WIDTH = 9, 12
FILTER_TIME = 300  # microseconds


def recording(height, seed, first):
    """Times that are all different, in order, from `first` on."""
    rng = np.random.default_rng(seed)
    return Events(
        x=rng.integers(0, WIDTH, 600),
        y=rng.integers(0, height, 600),
        t=first + np.sort(rng.choice(60_000, 600, replace=False)),
        polarity=rng.integers(0, 2, 600),
    )


def pair(dx, dy, apart):
    """Two events, the second at another pixel and `apart` microseconds later."""
    return Events(x=[5, 5 + dx], y=[5, 5 + dy], t=[10_000, 10_000 + apart], polarity=[1, 0])


RECORDINGS = {
    "line": recording(1, 0, first=FILTER_TIME),
    "plane": recording(HEIGHT, 1, first=0),
    "diagonal": pair(1, 1, 10),
    "simultaneous": pair(1, 0, 0),
    "at the limit": pair(1, 0, FILTER_TIME),
    "within the limit": pair(0, 1, FILTER_TIME - 1),
    "one pixel": pair(0, 0, 10),
    "begins at 0": Events(x=[5, 1], y=[5, 1], t=[FILTER_TIME - 1, 10_000], polarity=[1, 1]),
}


def rows(events):
    columns = (events.x, events.y, events.t, events.polarity)
    return np.stack([column.astype(int) for column in columns], axis=1).tolist()


@pytest.fixture(scope="module")
def tonics(run_peer, tmp_path_factory):
    results = {}
    for name, events in RECORDINGS.items():
        task = {"events": rows(events), "transforms": [("Denoise", {"filter_time": FILTER_TIME})]}
        path = tmp_path_factory.mktemp("tonic") / "task.json"
        path.write_text(json.dumps(task))
        (results[name],) = run_peer("tonic", "run_tonic.py", path)["results"]
    return results


def ours(events, filter_time=FILTER_TIME):
    return rows(transforms.Denoise(filter_time)(events, sensor_shape=(HEIGHT, WIDTH, 2)))


def test_the_same_on_a_line(tonics):
    """No diagonals, no simultaneous events, none before filter_time; and one microsecond less."""
    result = ours(RECORDINGS["line"], FILTER_TIME - 1)
    assert result == tonics["line"]
    assert 100 < len(result) < 500


def supported(event, events, places):
    """Whether an event at one of these places is less than FILTER_TIME before it."""
    x, y, t, _ = event
    return any(
        (a - x, b - y) in places and t - FILTER_TIME < other < t for a, b, other, _ in events
    )


def test_on_a_plane_they_differ_by_diagonals_and_by_the_first_moments(tonics):
    events = rows(RECORDINGS["plane"])
    cross = {(1, 0), (-1, 0), (0, 1), (0, -1)}
    diagonals = {(1, 1), (-1, 1), (1, -1), (-1, -1)}
    result = ours(RECORDINGS["plane"], FILTER_TIME - 1)
    only_ours = [event for event in events if event in result and event not in tonics["plane"]]
    only_theirs = [event for event in events if event in tonics["plane"] and event not in result]
    assert only_ours == [
        event
        for event in events
        if supported(event, events, diagonals)
        and not supported(event, events, cross)
        and event[2] >= FILTER_TIME
    ]
    assert only_theirs == [
        event
        for event in events
        if event[2] < FILTER_TIME and not supported(event, events, cross | diagonals)
    ]
    assert len(only_ours) > 5 and only_theirs


@pytest.mark.parametrize(
    ("name", "kept", "theirs"),
    [
        ("diagonal", 1, 0),
        ("simultaneous", 2, 1),
        ("at the limit", 1, 0),
        ("within the limit", 1, 1),
        ("one pixel", 0, 0),
        ("begins at 0", 0, 1),
    ],
)
def test_each_difference_alone(name, kept, theirs, tonics):
    assert (len(ours(RECORDINGS[name])), len(tonics[name])) == (kept, theirs)
