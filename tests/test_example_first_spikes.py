"""The example of decisions by the first spike, small: digits are learned, and early if asked."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "examples" / "first_spikes.py"
pytestmark = pytest.mark.usefixtures("finds_generated_data")


def run(folder, *arguments):
    environment = {**os.environ, "COLUMNS": "140"}
    command = [sys.executable, str(SCRIPT), "--data", "saccade_mnist", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_first_spikes_recognise_digits_and_come_early_if_asked(tmp_path):
    small = ["--filters", "8", "--dt", "6", "--epochs", "2"]
    result = run(tmp_path, "--networks", "early", "sure", *small)
    assert result.returncode == 0, result.stderr[-3000:]
    rows = re.findall(r"│ ([\w ,]+?) +│ +([\d.]+)% │ +([\d.]+)% │ +(\d+) ms │", result.stdout)
    by_first = {name: float(first) for name, first, _, _ in rows}
    delay = {name: float(ms) for name, *_, ms in rows}
    assert by_first["first spike"] > 45 and by_first["first spike, early"] > 45, rows  # chance: 10
    assert delay["first spike, early"] < delay["first spike"] < 120, rows
    rates = re.findall(r"(\d\.\d+) \((\d+)%\)", result.stdout)
    assert len(rates) == 6 and all(float(rate) > 0 for rate, _ in rates), result.stdout
    assert "Orchard et al. 2015" in result.stdout
    picture = tmp_path / "out" / "first_spikes" / "first_spikes.png"
    assert picture.stat().st_size > 10_000


def test_says_what_is_wrong_before_training(refusal):
    assert "--dt must be 1 to 10" in refusal(SCRIPT, "--dt", "20")
