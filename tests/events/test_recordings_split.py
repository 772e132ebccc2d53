"""Recordings.split: by recording, every class in each part, groups kept together."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from recording_cases import class_folder

from keras_slayer.events import Events, RecordingsWarning, from_arrays, from_folder

EVENTS = Events(x=[1, 2], t=[0, 1_000_000])


def recordings_of(labels, **metadata):
    """Each recording has its number for x."""
    events = [Events(x=[i], t=[0]) for i in range(len(labels))]
    return from_arrays(events, labels, metadata=metadata, sensor_shape=(1, 1000))


def numbers(part):
    return [int(events.x[0]) for events, _ in part]


def split(recordings, *arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingsWarning)
        return recordings.split(*arguments, **keywords)


SHARES = st.sampled_from([0.8, 0.5, 0.9, (0.8, 0.1, 0.1), (0.25, 0.25, 0.5), (0.7, 0.2, 0.1)])
LABELS = st.lists(st.integers(0, 4), min_size=3, max_size=60)


@given(labels=LABELS, fraction=SHARES, seed=st.integers(0, 5), stratify=st.booleans())
def test_parts_are_disjoint_complete_and_deterministic(labels, fraction, seed, stratify):
    recordings = recordings_of(labels)
    parts = split(recordings, fraction, seed=seed, stratify=stratify)
    found = [numbers(part) for part in parts]
    assert sorted(n for part in found for n in part) == list(range(len(labels)))
    assert all(found) and all(part == sorted(part) for part in found)
    for part, chosen in zip(parts, found, strict=True):
        assert part.labels.tolist() == [labels[i] for i in chosen]
        assert part.class_names == recordings.class_names
    again = split(recordings_of(labels), fraction, seed=seed, stratify=stratify)
    assert [numbers(part) for part in again] == found


@given(labels=LABELS, fraction=SHARES, seed=st.integers(0, 5))
def test_each_part_has_its_share_of_each_class(labels, fraction, seed):
    parts = split(recordings_of(labels), fraction, seed=seed)
    shares = fraction if isinstance(fraction, tuple) else (fraction, 1 - fraction)
    for label in set(labels):
        size = labels.count(label)
        counts = [part.labels.tolist().count(label) for part in parts]
        if size >= len(shares):
            assert min(counts) >= 1, label
        if all(size * share >= 1 for share in shares):
            assert all(abs(n - size * s) < 1 for n, s in zip(counts, shares, strict=True))


@given(size=st.integers(3, 80), fraction=SHARES, classes=st.integers(1, 3))
def test_the_parts_have_their_shares_of_the_whole(size, fraction, classes):
    labels = [i % classes for i in range(size)]
    shares = np.asarray(fraction if isinstance(fraction, tuple) else (fraction, 1 - fraction))
    assume((min(map(labels.count, labels)) * shares >= 1).all())
    sizes = np.array([len(part) for part in split(recordings_of(labels), fraction)])
    assert np.all(np.abs(sizes - size * shares) < len(shares))


def test_rounding_does_not_add_up():
    """10 classes of 7 are 56 + 14, not 60 + 10."""
    parts = recordings_of([i % 10 for i in range(70)]).split(0.8)
    assert [len(part) for part in parts] == [56, 14]


@given(
    data=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), min_size=4, max_size=60),
    fraction=SHARES,
    seed=st.integers(0, 3),
)
def test_groups_stay_together(data, fraction, seed):
    labels, users = zip(*data, strict=True)
    parts = 2 if isinstance(fraction, float) else 3
    assume(len(set(users)) >= parts)
    recordings = recordings_of(labels, user=[f"user{u}" for u in users])
    by_name = split(recordings, fraction, seed=seed, by="user")
    groups = [set(part.metadata["user"]) for part in by_name]
    assert sum(map(len, groups)) == len(set().union(*groups)) == len(set(users))
    assert sorted(n for part in by_name for n in numbers(part)) == list(range(len(data)))
    by_value = split(recordings, fraction, seed=seed, by=[f"user{u}" for u in users])
    assert [numbers(p) for p in by_value] == [numbers(p) for p in by_name]


@pytest.mark.parametrize("fraction", [0.6, 0.4])
def test_large_groups_do_not_overfill_a_part(fraction):
    users = ["a"] * 6 + ["b", "c", "d", "e"]
    recordings = recordings_of([0] * 10, user=users)
    sizes = {
        tuple(len(part) for part in recordings.split(fraction, by="user", seed=seed))
        for seed in range(10)
    }
    assert sizes == {(6, 4) if fraction == 0.6 else (4, 6)}


def test_users_who_did_everything():
    """As in DVS128 Gesture: 29 users, 11 gestures each; 23 and 6 in the original."""
    users = [f"{u:02}" for u in range(29) for _ in range(11)]
    recordings = recordings_of(list(range(11)) * 29, user=users)
    train, test = recordings.split(0.8, by="user")
    assert (len(train), len(test)) == (23 * 11, 6 * 11)
    assert np.bincount(test.labels).tolist() == [6] * 11


def test_seeds():
    recordings = recordings_of([0, 1] * 20)
    parts = {tuple(numbers(recordings.split(0.5, seed=seed)[0])) for seed in range(5)}
    assert len(parts) == 5
    assert numbers(recordings.split(0.5)[0]) == numbers(recordings.split(0.5, seed=0)[0])
    # Not the first ones as they come.
    assert numbers(recordings.split(0.5)[0]) != list(range(20))


def test_rare_classes_are_named():
    recordings = recordings_of(["a"] * 10 + ["b"] * 2 + ["c"])
    message = r"class 'b' \(2 in all\) is not in part [\d, ]+; class 'c' \(1 in all\)"
    with pytest.warns(RecordingsWarning, match=message):
        parts = recordings.split((0.8, 0.1, 0.1))
    assert sum(len(part) for part in parts) == 13
    _, test = recordings_of(["a"] * 10 + ["b"] * 2).split(0.9)  # one each: no warning
    assert sorted(test.labels.tolist()) == [0, 1]


def test_without_stratification_classes_do_not_matter():
    labels = [0] * 15 + [1] * 5
    found = {tuple(numbers(split(recordings_of(labels), 0.8, stratify=False)[1]))}
    found |= {tuple(numbers(split(recordings_of([0] * 20), 0.8)[1]))}
    assert len(found) == 1


def test_intervals_count_as_classes():
    rows = [[(0, 1, "a"), (1, 2, "b")], [(0, 1, "a")], [(0, 1, "a")], [(0, 1, "b")], []]
    recordings = from_arrays([EVENTS] * 5, rows)
    for seed in range(8):
        train, test = recordings.split(0.5, seed=seed)
        for part in (train, test):
            classes = {c for e in part._entries() for *_, c in e.intervals}
            assert classes == {0, 1}, seed


def test_parts_can_be_split_again(tmp_path):
    class_folder(tmp_path, [("left", 10), ("right", 10)])
    recordings = from_folder(tmp_path, sensor_shape=(20, 30))
    rest, test = recordings.split(0.8, seed=1)
    train, validation = rest.split(0.75, seed=2)
    assert [len(p) for p in (train, validation, test)] == [12, 4, 4]
    assert len({*train.names, *validation.names, *test.names}) == 20
    assert np.bincount(validation.labels).tolist() == [2, 2]


def test_slices_are_not_split():
    recordings = from_arrays([EVENTS] * 4, [0, 1, 0, 1])
    for cut in (recordings.slice(window=0.5), recordings.slice(count=1)):
        with pytest.raises(ValueError, match=r"Split first, then slice: .*Received: slices \("):
            cut.split(0.5)
    trials = from_arrays([EVENTS], [(0, 1, "a")]).trials()
    with pytest.raises(ValueError, match=r"cannot be split.*Received: slices \(one for each"):
        trials.split(0.5)


@pytest.mark.parametrize("fraction", [0, 1, 1.5, (0.8, 0.1), (1.0,), (0.5, 0.5, 0.0), "80 %", True])
def test_refused_fractions(fraction):
    with pytest.raises(ValueError, match=r"add up to 1.*Received: fraction="):
        recordings_of([0, 1, 0, 1]).split(fraction)


def test_other_errors():
    recordings = recordings_of([0, 1, 0], user=["a", "a", "a"])
    with pytest.raises(ValueError, match=r"as many recordings .* Received: 3 for 4 parts"):
        recordings.split((0.25, 0.25, 0.25, 0.25))
    with pytest.raises(ValueError, match="Received: 1 for 2 parts"):
        recordings.split(0.5, by="user")
    with pytest.raises(ValueError, match=r"placeholder of the pattern: user. Received: by='day'"):
        recordings.split(0.5, by="day")
    with pytest.raises(ValueError, match=r"a value for each of 3.*shape \(2,\)"):
        recordings.split(0.5, by=[1, 2])
