"""The example that plays recordings in real time, as a user would run it."""

import dataclasses
import pathlib
import re
import runpy

import keras
import numpy as np
import pytest

from keras_slayer.events import Events, to_spikes, write_events

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "examples" / "live.py"
pytestmark = pytest.mark.usefixtures("finds_generated_data")


@pytest.fixture
def live(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return runpy.run_path(str(SCRIPT))


def test_the_answer_comes_while_the_events_come(live, tmp_path, capsys):
    all_played, accuracy = live["main"](["--quick"])
    printed = capsys.readouterr().out
    assert len(all_played) == 20 and all(len(played.outputs) == 150 for played in all_played)
    assert sum(played.differing for played in all_played) == 0
    assert "output spikes that differ on the chip" in printed and "median (99 %)" in printed
    assert accuracy[10] < 0.2 < 0.4 < accuracy[-1]  # chance is 0.1
    counts = np.array([played.outputs.sum(axis=0) for played in all_played])
    labels = np.array([played.label for played in all_played])
    assert accuracy[-1] == pytest.approx(np.mean(counts.argmax(axis=1) == labels))
    lines = re.findall(r"^ *\d+: label \d, answer \d from \d+ ms on; .* events", printed, re.M)
    assert len(lines) >= 15, printed
    model = keras.saving.load_model(tmp_path / "out/live/model.keras")
    first = all_played[0]
    whole = to_spikes(first.events, steps=150, dt=2.0)[np.newaxis]
    np.testing.assert_array_equal(model.predict(whole, verbose=0)[0], first.outputs)

    # The same from a file, in real time.
    write_events(tmp_path / "one.bin", first.events)
    options = ["--file", "one.bin", "--model", "out/live/model.keras", "--output", "file"]
    (played,), none = live["main"](options)
    steps = len(played.outputs)
    assert none is None and 150 <= steps < 200
    np.testing.assert_array_equal(played.outputs[:150], first.outputs)
    assert played.differing == 0 and min(played.late) > 0
    for path in ("out/live/live.png", "file/live.png", "out/live/network.net"):
        assert (tmp_path / path).stat().st_size > 10_000, path


def test_events_of_a_step_have_their_places(live):
    random = np.random.default_rng(0)
    t = np.sort(random.integers(0, 120_000, 500))
    x, y = random.integers(0, 34, (2, 500))
    events = Events(x=x, y=y, t=t, polarity=random.integers(0, 2, 500))
    frames = to_spikes(events, steps=50, dt=2.0, late="ignore").reshape(50, -1)
    places = live["places_of"](events, 2.0, 50)
    assert len(places) == 50
    for found, frame in zip(places, frames, strict=True):
        np.testing.assert_array_equal(np.unique(found), np.flatnonzero(frame))
    # A camera that was switched on an hour ago.
    times = events.t - events.t.min()
    at_once, later = (dataclasses.replace(events, t=times + start) for start in (0, 3_600_000_000))
    both = (live["places_of"](each, 2.0, 50) for each in (later, at_once))
    for found, wanted in zip(*both, strict=True):
        np.testing.assert_array_equal(found, wanted)
    none = Events(*(np.zeros(0, int) for _ in range(4)))
    assert [len(found) for found in live["places_of"](none, 2.0, 3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--speed", "-1"], "--speed must not be negative"),
        (["--file", "absent.bin"], "--file: there is no file absent.bin"),
        (["--dt", "0"], "--dt must be 0.5 to 10"),
    ],
)
def test_says_what_is_wrong_before_training(live, capsys, arguments, message):
    with pytest.raises(SystemExit):
        live["main"](arguments)
    assert message in capsys.readouterr().err
