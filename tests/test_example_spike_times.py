"""The examples of precise spike times, small."""

import os
import pathlib
import re
import runpy
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.events import from_spikes, read_events, write_events

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"
DEFAULTS = ("--recipe", "defaults")
SMALL = ("--hidden", "96", "--epochs", "250")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs an example in `tmp_path` and this process (TensorFlow loads once): what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.syspath_prepend(EXAMPLES)  # as Python does for a script

    def run_example(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return run_example


def table_of(printed):
    return dict(re.findall(r"│ ([\w ,=()]+?) +│ +([\w./%]+) │", printed))


def check_learned(table):
    percent = {name: float(value[:-1]) for name, value in table.items() if value.endswith("%")}
    matched = percent["target spikes matched within 2 ms"]
    assert matched > 80, table
    assert matched > 2 * percent["matched by chance (output shifted in time)"], table
    assert percent["output spikes that are spurious"] < 20, table
    first, trained = (
        float(table[f"van Rossum distance, {when}"]) for when in ("first epoch", "trained")
    )
    assert trained < 0.6 * first, table


def test_draws_a_dome_as_a_user_would_run_it(tmp_path):
    result = subprocess.run(
        [sys.executable, EXAMPLES / "oxford.py", "--neurons", "40", "--duration", "500", *SMALL],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    table = table_of(result.stdout)
    check_learned(table)
    rates = re.findall(
        r"spikes per neuron and second, \w+ +│ +([\d.]+) \((\d+)% silent", result.stdout
    )
    assert len(rates) == 2 and all(1 < float(rate) < 500 for rate, _ in rates), result.stdout
    for name in ("model", "picture"):
        assert (tmp_path / table[name]).stat().st_size > 10_000, name
    events = read_events(tmp_path / table["output spikes as a file"])
    assert len(events) == int(table["output spikes"])


def test_draws_a_picture(run, tmp_path):
    matplotlib_image = pytest.importorskip("matplotlib.image")
    picture = np.ones((60, 100, 4))
    picture[:, 40:60, :3] = 0.0
    picture[:30, :, 3] = 0.0  # no ink: the lower half alone is drawn
    matplotlib_image.imsave(tmp_path / "post.png", picture)
    arguments = ("--picture", "post.png", "--neurons", "30", "--duration", "300")
    printed = run("oxford.py", *arguments, *SMALL)
    assert "post.png: 200-96-30, 300 ms" in printed
    events = read_events(tmp_path / "out" / "oxford" / "output.bs1")
    milliseconds = events.t / 1000
    # Neuron 0 is the lowest row; the post stands from 40 % to 60 % of the time.
    inside = (events.x < 15) & (milliseconds > 115) & (milliseconds < 185)
    assert inside.mean() > 0.9, (len(events), inside.mean())
    assert len(events) > 40


def test_learns_a_pair_of_files(run, tmp_path):
    rng = np.random.default_rng(5)
    steps = 400
    for name, neurons, rate in (("input", 100, 0.008), ("target", 20, 0.02)):
        spikes = (rng.random((steps, neurons)) < rate).astype("float32")
        spikes[-1, -1] = 1  # so that files end with the last step and the last neuron
        write_events(tmp_path / f"{name}.bs1", from_spikes(spikes))
    files = ("--input", "input.bs1", "--target", "target.bs1")
    table = table_of(run("oxford.py", *files, *SMALL))
    check_learned(table)
    assert int(table["target spikes"]) == len(read_events(tmp_path / "target.bs1"))


@pytest.mark.parametrize("gradient", ["slayer", "exodus"])
def test_poisson_inputs_to_given_spike_times(run, tmp_path, gradient):
    arguments = ("--times", 8, 14.5, 21, "--duration", 25, "--repeats", 2, "--epochs", 300)
    printed = run("poisson_spike_times.py", *arguments, "--gradient", gradient)
    assert "250-25-1, 3 spikes in 25 ms" in printed
    row = r"│ +\d+ │ +([\d.]+) │ +([\d.]+) │.*?(\d+)% │ +(\d+)% │ +(\d+) │ +\d+ │"
    rows = re.findall(row, printed)
    assert len(rows) == 2, printed
    for first, best, matched, spurious, hidden_rate in rows:
        assert 1 < int(hidden_rate) < 2000, printed  # Hz
        assert float(best) < 0.7 * float(first), printed
        # Three spikes of 1 ms in 25 ms: chance would meet one in eight.
        assert (matched, spurious) == ("100", "0"), printed
    picture = tmp_path / "out" / "poisson_spike_times" / "spike_times.png"
    assert picture.stat().st_size > 10_000


def test_nothing_set_but_times(run, monkeypatch):
    compiled = []
    compile_ = keras.Model.compile

    def watched(model, *args, **kwargs):
        compile_(model, *args, **kwargs)
        compiled.append(model)

    monkeypatch.setattr(keras.Model, "compile", watched)
    arguments = ("--times", 8, 14.5, 21, "--duration", 25, "--repeats", 1, "--epochs", 1000)
    printed = run("poisson_spike_times.py", *arguments, "--defaults")
    assert "100% │       0% │" in printed, printed
    table = table_of(run("oxford.py", "--neurons", 40, "--duration", 500, *SMALL, *DEFAULTS))
    check_learned(table)
    times = ({"tau_response": 1.0, "dt": 0.1}, {"tau_response": 3.0, "tau_refractory": 3.0})
    for model, given in zip(compiled, times, strict=True):
        for layer in model.layers:
            assert layer.neuron == ks.SRM(**given) and layer.kernel_initializer is None
    learning_rate = compiled[0].optimizer.get_config()["learning_rate"]
    assert learning_rate == pytest.approx(keras.optimizers.Adam().get_config()["learning_rate"])


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("oxford.py", ["--input", "a.bs1"], "--input and --target go together"),
        ("oxford.py", ["--input", "a.bs1", "--target", "b.bs1"], "there is no file a.bs1"),
        ("oxford.py", ["--picture", "absent.png"], "there is no file absent.png"),
        ("oxford.py", ["--hidden", "0"], "--hidden must be at least 1"),
        ("oxford.py", ["--target", "b.bs1", "--picture", "a.png", "--input", "a.bs1"], "beside it"),
        ("poisson_spike_times.py", ["--times", "60"], "--times must lie within the duration"),
        ("poisson_spike_times.py", ["--repeats", "0"], "--repeats must be positive"),
        ("poisson_spike_times.py", ["--defaults", "--learning-rate", "1"], "no --learning-rate"),
    ],
)
def test_says_what_is_wrong_before_training(run, tmp_path, capsys, script, arguments, message):
    with pytest.raises(SystemExit):
        run(script, *arguments)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_white_picture_has_nothing_to_draw(run, tmp_path):
    matplotlib_image = pytest.importorskip("matplotlib.image")
    matplotlib_image.imsave(tmp_path / "white.png", np.ones((20, 20, 3)))
    with pytest.raises(SystemExit, match=r"white.png has no dark parts"):
        run("oxford.py", "--picture", "white.png")
