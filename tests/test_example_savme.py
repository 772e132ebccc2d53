"""Both stages of SAVME: what the detectors see, what inhibition does, the graph on the chip."""

import pathlib
import sys

import numpy as np
import pytest

from keras_slayer.export import LoihiSimulator

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def savme():
    sys.path.insert(0, str(EXAMPLES))
    try:
        import savme

        return savme
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def model(savme):
    return savme.build_model()


@pytest.fixture(scope="module")
def gratings(savme):
    """One of each motion, and the motions."""
    kinds = ["grating"] * savme.MOTIONS
    return savme.PATTERNS.record(kinds, np.random.default_rng(1))[:2]


def ideal_edge(savme, motion):
    """An edge without noise: each pixel has one event, when the edge passes it."""
    x, y = savme.pixels(savme.SIZE)
    angle = np.deg2rad(savme.DIRECTIONS[motion % 8])
    lead = (x * np.cos(angle) + y * np.sin(angle)) / savme.SPEEDS[motion // 8]
    step = np.rint((lead - lead.min()) / savme.DT).astype(int) + 1
    spikes = np.zeros((savme.STEPS, savme.SIZE, savme.SIZE, 2), np.float32)
    spikes[step, *np.indices(step.shape), 1] = 1
    return spikes


def test_every_motion_is_told_by_its_own_neuron(savme, model):
    """Three of four are recognised without doubt; no direction is mistaken."""
    x = np.stack([ideal_edge(savme, motion) for motion in range(savme.MOTIONS)])
    _, spikes = savme.run(model, x)
    hits = savme.Hits.of(spikes.sum(axis=1), np.arange(savme.MOTIONS))
    assert hits.motion.mean() > 0.75
    assert hits.near.mean() > 0.9


def test_lines_bring_the_events_of_a_motion_together(savme):
    lines = savme.open_lines()
    assert lines.shape == (3, 3, savme.LINES, savme.MOTIONS) and lines.any(axis=2).all()
    first = lines.argmax(axis=2)  # to the right: the left column is passed first, and waits longest
    to_the_right = first[..., 0]  # the slowest
    assert to_the_right[0, 0] - to_the_right[0, 2] == pytest.approx(
        2 / savme.SPEEDS[0] / savme.DT, abs=1
    )
    np.testing.assert_array_equal(to_the_right[0], to_the_right[2])
    width = lines.sum(axis=2).mean(axis=(0, 1))
    assert width[0] > 3 * width[-1], "a slow edge is given more time"
    np.testing.assert_allclose(savme.worth(lines) * width, width.min())


def test_detectors_of_one_place_inhibit_each_other_and_no_others(savme, model, gratings):
    kernel = np.asarray(model.get_layer("detectors").recurrent_kernel)
    blocks = kernel.reshape(savme.PLACES, savme.MOTIONS, savme.PLACES, savme.MOTIONS)
    within = blocks[3, :, 3]
    np.testing.assert_array_equal(np.diag(within), 0)
    assert (within[~np.eye(savme.MOTIONS, dtype=bool)] == -savme.INHIBITION * savme.WEIGHT).all()
    assert not blocks[3, :, 4].any()
    x, labels = gratings
    x = x[labels // 8 == 6]  # of the detectors of slow motions several fire at one place
    inhibited, _ = savme.run(model, x)
    free, _ = savme.run(savme.build_model(inhibition=False), x)
    assert 0 < inhibited.sum() < 0.8 * free.sum()


def test_ties_and_silence_are_no_hits(savme):
    counts = np.zeros((4, savme.MOTIONS))
    counts[0, 9] = 2  # speed 1, direction 1
    counts[1, [9, 17]] = 2
    counts[3, 17] = 1
    hits = savme.Hits.of(counts, np.array([9, 9, 9, 9]))
    assert hits.motion.tolist() == [True, False, False, False]
    assert hits.direction.tolist() == [True, False, False, True]
    assert hits.speed.tolist() == [True, False, False, False]
    assert hits.near.tolist() == [True, False, False, True]


def test_the_graph_runs_on_the_chip_as_in_keras(savme, tmp_path, monkeypatch):
    monkeypatch.setattr(savme, "SIZE", 4)
    monkeypatch.setattr(savme, "PLACES", 4)
    monkeypatch.setattr(savme, "POOL_THRESHOLD", 0.5)
    model = savme.build_model()
    x = np.stack([ideal_edge(savme, motion) for motion in (3, 30, 61)])
    report = model.export_loihi(tmp_path / "savme.nir", chip="loihi1")
    spikes = LoihiSimulator(report.path).run(x)
    expected = model.predict(x, verbose=0)
    assert expected.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(spikes, expected)


def test_draws_and_says_what_is_wrong(savme, gratings, tmp_path, capsys):
    x, labels = gratings
    kinds = np.resize(["edge", "grating"], len(x))
    savme.draw(tmp_path / "savme.png", x, labels, kinds, np.ones((len(x), 2, savme.MOTIONS)))
    assert (tmp_path / "savme.png").stat().st_size > 10_000
    with pytest.raises(SystemExit):
        savme.parse_arguments(["--recordings", "63"])
    assert "--recordings must be at least 64" in capsys.readouterr().err
