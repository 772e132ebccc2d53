"""Recordings.slice and .trials, against plain loops over the events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_cases import SENSOR, random_events

from keras_slayer.events import Events, RecordingsWarning, from_arrays

SECOND = 1_000_000


def loop_over_time(events, window, stride, partial, origin):
    """Windows in whole microseconds, one after the other, as lists of events."""
    zero = int(events.t[0]) if origin == "first" else 0
    end, found, k = int(events.t[-1]) + 1, [], 0
    covered = zero
    while True:
        start = zero + k * stride
        k += 1
        if start + window <= events.t[0]:
            covered = start + stride
            continue
        full = start + window <= end + window // 100
        if not full and (partial == "drop" or start >= end or covered >= end):
            return found
        inside = [i for i, t in enumerate(events.t) if start <= t < start + window]
        found.append(Events(**{n: v[inside] for n, v in events.to_dict().items()}))
        found[-1].t[:] -= start
        covered = start + window
        if not full:
            return found


@given(
    t=st.lists(st.integers(0, 400), min_size=1, max_size=30),
    start=st.sampled_from([0, 7, 90, 5_000]),
    window=st.integers(1, 150),
    stride=st.integers(1, 200),
    partial=st.sampled_from(["drop", "keep"]),
    origin=st.sampled_from(["first", "zero"]),
)
def test_windows_of_time(t, start, window, stride, partial, origin):
    t = start + np.sort(t)
    events = Events(x=np.arange(len(t)), t=t)
    wanted = loop_over_time(events, window, stride, partial, origin)
    slices = from_arrays([events], [3]).slice(
        window / SECOND, stride / SECOND, partial=partial, origin=origin
    )
    if not wanted:
        with pytest.raises(ValueError, match="No recording has a window"):
            len(slices)
        return
    assert len(slices) == len(wanted)
    assert [events for events, _ in slices] == wanted
    assert slices.labels.tolist() == [3] * len(wanted)


@given(
    size=st.integers(0, 40),
    count=st.integers(1, 20),
    stride=st.integers(1, 25),
    partial=st.sampled_from(["drop", "keep"]),
)
def test_windows_of_events(size, count, stride, partial):
    events = Events(x=np.arange(size), t=100 + 3 * np.arange(size))
    wanted, covered = [], 0
    for start in range(0, size, stride):
        part = events[start : start + count]
        if len(part) < count and (partial == "drop" or covered >= size):
            break
        wanted.append(Events(part.x, part.y, part.t - part.t[0], part.polarity))
        covered = start + count
    slices = from_arrays([events], [0]).slice(count=count, stride=stride, partial=partial)
    if not wanted:
        with pytest.raises(ValueError, match=f"No recording has a window \\({count} events"):
            len(slices)
        return
    assert [events for events, _ in slices] == wanted


def test_windows_follow_each_other_by_default():
    recordings = from_arrays([random_events(seconds=3.0)], ["a"])
    assert len(recordings.slice(window=1.0)) == 3
    assert len(recordings.slice(window=1.0, stride=0.5)) == 5
    assert len(recordings.slice(count=20)) == 3
    for slices in (recordings.slice(1.0), recordings.slice(count=20)):
        assert sum(len(events) for events, _ in slices) == 60


def test_several_recordings():
    recordings = [random_events(i, seconds=1.0 + i) for i in range(3)]
    slices = from_arrays(recordings, ["b", "a", "b"]).slice(window=1.0)
    assert slices.labels.tolist() == [1, 0, 0, 1, 1, 1]
    assert slices.names == [f"recording {i}" for i in (0, 1, 1, 2, 2, 2)]
    assert slices[1][0] == from_arrays(recordings[1:2], ["a"]).slice(window=1.0)[0][0]
    t = recordings[2].t
    assert slices[-1][0] == Events(
        *(v[t >= 2 * SECOND] for v in (recordings[2].x, recordings[2].y, t - 2 * SECOND)),
        recordings[2].polarity[t >= 2 * SECOND],
    )


def test_a_last_event_just_before_the_end_does_not_cost_a_window():
    def count(last, window=1.0):
        events = Events(x=[1, 1], t=[0, last])
        return len(from_arrays([events], [0]).slice(window=window))

    assert count(995_000) == 1 and count(1_995_000) == 2
    assert count(989_999) == 1  # 1 % of the window is missing
    assert count(989_998, window=0.4) == 2
    with pytest.raises(ValueError, match="No recording has a window"):
        count(989_998)


def test_a_clock_since_1970():
    """Windows before the first event are not made."""
    start = 1_700_000_000 * SECOND
    events = random_events(seconds=2.0, start=start)
    recordings = from_arrays([events], ["a"], sensor_shape=SENSOR)
    for origin in ("first", "zero"):
        slices = recordings.slice(window=0.5, origin=origin)
        assert len(slices) == 4
        assert slices[1][0].t.tolist() == [
            t - start - 500_000 for t in events.t if 500_000 <= t - start < SECOND
        ]


def test_quiet_windows_are_kept():
    events = Events(x=[1, 1], t=[0, 3 * SECOND])
    slices = from_arrays([events], [0]).slice(window=1.0)
    assert [len(events) for events, _ in slices] == [1, 0, 0]


def test_one_event_with_a_wrong_time_is_refused():
    """Not with billions of windows, which would take the memory."""
    good, wrong = (Events(x=[1] * 3, t=[0, SECOND, last]) for last in (2 * SECOND, 10**15))
    recordings = from_arrays([good, wrong], ["a", "b"])
    message = r"Recording 1: .*10,000,000 windows.*1,000,000,001.*0 s to 1e\+09 s.*stride=1 s"
    with pytest.raises(ValueError, match=message):
        len(recordings.slice(window=1.0))
    assert len(recordings[:1].slice(window=1.0)) == 2


def test_recordings_that_are_too_short():
    recordings = [random_events(seconds=s) for s in (0.5, 2.0)]
    slices = from_arrays(recordings, ["a", "b"]).slice(window=1.0)
    message = r"1 of 2 recordings are shorter than a window \(1 s, stride 1 s\).*recording 0"
    with pytest.warns(RecordingsWarning, match=message):
        assert len(slices) == 2
    slices = from_arrays(recordings, ["a", "b"]).slice(window=1.0, partial="keep")
    assert slices.labels.tolist() == [0, 1, 1]
    empty = from_arrays([Events(x=[], t=[]), recordings[1]], ["a", "b"])
    with pytest.warns(RecordingsWarning, match="1 of 2 recordings are shorter"):
        assert empty.slice(window=1.0, partial="keep").labels.tolist() == [1, 1]


LABELLED = [(0.0, 1.0, "walk"), (1.4, 2.0, "run"), (2.0, 2.2, "walk")]


def label_by_loop(start, stop, overlap, background):
    """Microsecond by microsecond, in steps of 10 ms."""
    classes = ["run", "walk"]
    moments = np.arange(start, stop, 0.01) + 0.005
    shares = [
        np.mean([any(a <= m < b and c == name for a, b, c in LABELLED) for m in moments])
        for name in classes
    ]
    best = int(np.argmax(shares))
    return best if shares[best] > 0 and shares[best] >= overlap - 1e-9 else background


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("background", [None, "still", "run"])
def test_labels_of_windows(overlap, background):
    events = random_events(seconds=3.0, count=300)
    recordings = from_arrays([events], [LABELLED])
    slices = recordings.slice(0.5, 0.1, overlap=overlap, background=background)
    assert recordings.class_names == ("run", "walk")
    assert slices.class_names == (("run", "walk", "still") if background == "still" else
                                  ("run", "walk"))  # fmt: skip
    number = {None: None, "still": 2, "run": 0}[background]
    wanted = [label_by_loop(k / 10, k / 10 + 0.5, overlap, number) for k in range(26)]
    assert slices.labels.tolist() == [label for label in wanted if label is not None]
    every = from_arrays([events], [0]).slice(0.5, 0.1)
    kept = [i for i, label in enumerate(wanted) if label is not None]
    assert [e for e, _ in slices] == [every[i][0] for i in kept]


def test_labels_of_windows_of_events():
    """The time of such a window is from its first to its last event."""
    events = Events(x=np.zeros(8), t=np.array([0, 1, 2, 3, 10, 11, 12, 13]) * 100_000)
    recordings = from_arrays([events], [(0.0, 0.2, "a"), (0.95, 2.0, "b")])
    assert recordings.slice(count=4, background="no").labels.tolist() == [0, 1]
    assert recordings.slice(count=4, overlap=0.7, background="no").labels.tolist() == [2, 1]
    assert recordings.slice(count=4, overlap=0.7).labels.tolist() == [1]
    # One event lasts a microsecond.
    assert recordings.slice(count=1).labels.tolist() == [0, 0, 1, 1, 1, 1]


def test_trials():
    events = random_events(seconds=3.0, count=300, start=50 * SECOND)
    for origin, shift in (("first", 0), ("zero", 50)):
        intervals = [(a + shift, b + shift, name) for a, b, name in LABELLED]
        trials = from_arrays([events], [intervals]).trials(origin=origin)
        assert [trials.class_names[label] for label in trials.labels] == ["walk", "run", "walk"]
        for (found, _), (start, stop, _) in zip(trials, LABELLED, strict=True):
            t = events.t - 50 * SECOND
            inside = (t >= round(start * SECOND)) & (t < round(stop * SECOND))
            assert len(found) > 5 and found.t.tolist() == (t[inside] - start * SECOND).tolist()
            assert found.x.tolist() == events.x[inside].tolist()


def test_intervals_outside_of_the_recording_are_refused():
    events = random_events(seconds=3.0, start=50 * SECOND)
    for intervals, origin in (([(50, 51, "a")], "first"), ([(0, 1, "a")], "zero")):
        recordings = from_arrays([events], [intervals])
        message = (
            rf"Recording 0: the interval from {intervals[0][0]} s to .*origin='zero' in the clock"
        )
        for cut in (recordings.slice(1.0, origin=origin), recordings.trials(origin=origin)):
            with pytest.raises(ValueError, match=message):
                len(cut)


def test_recordings_with_intervals_have_no_single_label():
    recordings = from_arrays([random_events(seconds=3.0)], [LABELLED])
    assert recordings[0][1] is None
    for use in (lambda: recordings.labels, lambda: recordings.as_dataset()):
        with pytest.raises(ValueError, match=r"cut them first, with .slice.*with 3 intervals"):
            use()
    with pytest.raises(ValueError, match=r"Trials are labelled intervals.*recording 0 with one"):
        from_arrays([random_events()], ["a"]).trials()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"not both. Received: window=None, count=None"),
        ({"window": 1.0, "count": 5}, r"Received: window=1.0, count=5"),
        ({"window": 0}, r"`window` must be seconds.*window=0"),
        ({"window": 1.0, "stride": 1e-7}, r"`stride` must be seconds.*stride=1e-07"),
        ({"window": float("nan")}, r"Received: window=nan"),
        ({"count": 1.5}, r"`count` must be a positive number of events.*count=1.5"),
        ({"count": 5, "stride": 0}, r"`stride` must be a positive number of events"),
        ({"window": 1, "partial": "pad"}, r"Received: partial='pad'"),
        ({"window": 1, "origin": "auto"}, r"Received: origin='auto'"),
        ({"window": 1, "overlap": 2}, r"Received: overlap=2"),
        ({"window": 1, "background": 0}, r"Received: background=0"),
    ],
)
def test_errors_of_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_arrays([random_events()], [0]).slice(**arguments)


def test_slices_and_mapped_recordings_are_not_sliced():
    recordings = from_arrays([random_events()], [0], sensor_shape=SENSOR)
    with pytest.raises(ValueError, match=r"cannot be sliced"):
        recordings.slice(0.5).slice(0.1)
    with pytest.raises(ValueError, match=r"slice first, then map"):
        recordings.map(lambda events: events).slice(0.5)
    with pytest.raises(ValueError, match=r"Received: origin='last'"):
        from_arrays([random_events()], [(0, 1, "a")]).trials(origin="last")
    # Pixel by pixel, and so in any order.
    before = recordings.downsample((10, 10)).slice(0.5)
    after = recordings.slice(0.5).downsample((10, 10))
    assert [e for e, _ in before] == [e for e, _ in after] and before.sensor_shape == (10, 10, 2)
