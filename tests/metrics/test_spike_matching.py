"""match_spikes against hand-made trains and against a search over all ways to pair."""

import itertools

import numpy as np
import pytest

from keras_slayer.metrics import match_spikes


def train(times, steps=20):
    spikes = np.zeros((steps, 1), "float32")
    spikes[list(times)] = 1
    return spikes


@pytest.mark.parametrize(
    ("output", "target", "matched", "spurious"),
    [
        ([5], [5], 1.0, 0.0),
        ([7], [5], 1.0, 0.0),
        ([3], [5], 1.0, 0.0),
        ([8], [5], 0.0, 1.0),
        ([4, 5, 6], [5], 1.0, 2 / 3),  # a burst counts once
        ([5], [4, 6], 0.5, 0.0),  # and so does one spike between two targets
        ([4, 6], [6, 8], 1.0, 0.0),  # the nearest pair (6, 6) would leave 4 and 8 alone
        ([], [5], 0.0, 0.0),
        ([5], [], 1.0, 1.0),
        ([], [], 1.0, 0.0),
        ([0, 19], [0, 19], 1.0, 0.0),
    ],
)
def test_counts_within_two_steps(output, target, matched, spurious):
    matches = match_spikes(train(output), train(target), tolerance=2.0)
    assert matches.matched == pytest.approx(matched)
    assert matches.spurious == pytest.approx(spurious)


def test_says_which_spikes_have_partners():
    matches = match_spikes(train([2, 4, 10]), train([3, 15]), tolerance=1.0)
    in_short = "SpikeMatches(3 output spikes, 2 target spikes, matched=0.5, spurious=0.6667)"
    assert repr(matches) == in_short
    assert matches.output_matched.ravel().nonzero()[0].tolist() == [2]
    assert matches.target_matched.ravel().nonzero()[0].tolist() == [3]
    assert matches.output.ravel().nonzero()[0].tolist() == [2, 4, 10]
    assert matches.target.ravel().nonzero()[0].tolist() == [3, 15]


def test_tolerance_is_in_milliseconds():
    output, target = train([8]), train([5])
    for dt, tolerance, matched in (
        (0.1, 0.3, 1.0),  # 0.3 / 0.1 is below 3 in floating point
        (0.1, 0.29, 0.0),
        (0.5, 1.5, 1.0),
        (2.0, 5.9, 0.0),
        (2.0, 6.0, 1.0),
    ):
        assert match_spikes(output, target, tolerance, dt).matched == matched, (dt, tolerance)
    assert match_spikes(output, target, tolerance=0).matched == 0.0
    assert match_spikes(output, output, tolerance=0).matched == 1.0


def test_neurons_and_samples_do_not_mix():
    output, target = np.zeros((2, 2, 9, 3))
    output[0, 4, 1] = output[1, 4, 2] = 1
    target[0, 4, 0] = target[1, 4, 1] = 1
    assert match_spikes(output, target).matched == 0.0
    target[0, 5, 1] = 1
    matches = match_spikes(output, target)
    assert np.argwhere(matches.target_matched).tolist() == [[0, 5, 1]]
    assert np.argwhere(matches.output_matched).tolist() == [[0, 4, 1]]
    assert matches.matched == pytest.approx(1 / 3)
    assert matches.spurious == pytest.approx(1 / 2)


def test_further_axes_come_after_time():
    rng = np.random.default_rng(0)
    output, target = (rng.random((2, 2, 30, 3, 4)) < 0.2).astype("float32")
    images = match_spikes(output, target)
    flat = match_spikes(output.reshape(2, 30, 12), target.reshape(2, 30, 12))
    assert images.output_matched.shape == output.shape
    assert np.array_equal(images.output_matched.reshape(2, 30, 12), flat.output_matched)
    assert np.array_equal(images.target_matched.reshape(2, 30, 12), flat.target_matched)


def most_pairs(output, target, reach):
    """Largest one-to-one matching, by trying every way to pair."""
    few, many = sorted((output, target), key=len)
    for size in range(len(few), 0, -1):
        for chosen in itertools.combinations(few, size):
            for partners in itertools.permutations(many, size):
                if all(abs(a - b) <= reach for a, b in zip(chosen, partners, strict=True)):
                    return size
    return 0


def test_makes_as_many_pairs_as_can_be():
    rng = np.random.default_rng(1)
    output, target = rng.random((2, 60, 18, 1)) < 0.25
    for reach in (0, 1, 2, 4):
        matches = match_spikes(output, target, tolerance=reach)
        for sample in range(len(output)):
            trains = [np.flatnonzero(spikes[sample, :, 0]) for spikes in (output, target)]
            pairs = most_pairs(*trains, reach)
            assert matches.output_matched[sample].sum() == pairs, (reach, trains)
            assert matches.target_matched[sample].sum() == pairs, (reach, trains)


def test_matched_spikes_are_spikes():
    rng = np.random.default_rng(2)
    output, target = rng.random((2, 500, 40)) < 0.1
    matches = match_spikes(output, target, tolerance=3.0)
    assert not (matches.output_matched & ~output).any()
    assert not (matches.target_matched & ~target).any()
    assert np.array_equal(matches.output_matched.sum(axis=0), matches.target_matched.sum(axis=0))
    # Both directions find the same number, and a wider tolerance never fewer.
    assert match_spikes(target, output, 3.0).output_matched.sum() == matches.output_matched.sum()
    counts = [match_spikes(output, target, t).output_matched.sum() for t in range(6)]
    assert counts == sorted(counts) and counts[0] < counts[-1]


def test_empty_arrays():
    for shape in ((0, 5, 3), (5, 0), (0, 3)):
        matches = match_spikes(np.zeros(shape), np.zeros(shape))
        assert matches.output_matched.shape == shape
        assert (matches.matched, matches.spurious) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((4, 2)), np.zeros((4, 3))), r"output.shape=\(4, 2\), target.shape=\(4, 3\)"),
        ((np.zeros(4), np.zeros(4)), r"`output` must be spikes of shape"),
        ((np.zeros((4, 2)), np.full((4, 2), 0.5)), "`target` must be 0 or 1.*value of 0.5"),
        ((np.zeros((4, 2)), np.zeros((4, 2)), -1.0), "tolerance must be a number"),
        ((np.zeros((4, 2)), np.zeros((4, 2)), 1.0, 0.0), "dt must be a number"),
    ],
)
def test_rejects(arguments, message):
    with pytest.raises(ValueError, match=message):
        match_spikes(*arguments)
