"""The examples train, export and draw, as a user would run them."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def run_example(*arguments, cwd, script="nmnist.py"):
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *arguments],
        cwd=cwd,
        env={**os.environ, "TFDS_DATA_DIR": str(cwd / "tfds"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_trains_exports_and_draws(tmp_path):
    result = run_example(
        "--data", "saccade_mnist", "--neuron", "loihi", "--epochs", "3", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr[-3000:]
    figures = dict(re.findall(r"│ ([\w ,()]+?) +│ +([\w./%]+) │", result.stdout))
    test = float(figures["test accuracy"].rstrip("%"))
    assert test > 70, figures  # chance is 10 %
    assert float(figures["test accuracy, exported file"].rstrip("%")) == test
    assert figures["output spikes that differ"] == "0"
    for name in ("exported file", "model", "picture"):
        assert (tmp_path / figures[name]).stat().st_size > 10_000, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--export", "x.net", "--neuron", "srm"], "--export needs --neuron loihi"),
        (["--data", "nmnist", "--data-dir", "nowhere"], "Train.zip"),
        (["--epochs", "0"], "--epochs"),
    ],
)
def test_says_what_is_wrong_before_training(tmp_path, arguments, message):
    result = run_example(*arguments, cwd=tmp_path)
    assert result.returncode != 0
    assert message in result.stderr + result.stdout
    assert "Epoch 1" not in result.stdout


def test_export_runs_as_the_page_says(tmp_path):
    result = run_example(
        "--epochs", "3", "--chip", "loihi1", cwd=tmp_path, script="export_loihi.py"
    )
    assert result.returncode == 0, result.stderr[-3000:]
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    given, chip = (
        next(line for line in lines if line.startswith(name)) for name in ("as given ", "chip ")
    )
    percent = given.split()[2]
    assert float(percent.rstrip("%")) > 40  # chance is 10 %
    assert chip.split()[1] == percent
    assert chip.endswith(" 0 of 200,000")
    assert f"accuracy of the file in the simulator: {percent}" in lines
    assert any(line.startswith("Loihi 1: ") for line in lines)
    for name in ("model.keras", "network.net", "network.nir", "report.html", "cores.png"):
        assert (tmp_path / "out" / "export" / name).stat().st_size > 10_000, name
