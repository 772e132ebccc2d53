"""The example of depth, small: rates as set, EXODUS stable where SLAYER's gradient is not."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "examples" / "depth.py"
pytestmark = pytest.mark.usefixtures("finds_generated_data")


def run(folder, *arguments):
    environment = {**os.environ, "COLUMNS": "180"}
    command = [sys.executable, str(SCRIPT), "--data", "saccade_mnist", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_ten_layers_train_where_their_gradients_stay_stable(tmp_path):
    small = ["--layers", "10", "--units", "64", "--dt", "6", "--rate", "0.08"]
    training = ["--optimizers", "sgd", "--epochs", "2", "--batch-size", "8"]
    result = run(tmp_path, "--networks", "slayer", "exodus", *small, *training)
    assert result.returncode == 0, result.stderr[-3000:]
    rows = {
        cells[0]: cells
        for cells in (re.split(r" *│ *", line)[1:-1] for line in result.stdout.splitlines())
        if len(cells) == 9
    }
    for name in ("slayer", "exodus"):
        least, most = (float(rate) for rate in rows[name][2].split(" to "))
        assert 0.07 < least <= most < 0.09, "the rates as set"
    growth = {name: float(row[4]) / float(row[5]) for name, row in rows.items()}
    assert growth["slayer"] > 1e3 and growth["exodus"] < 100, growth
    assert float(rows["exodus"][6].rstrip("%")) > 30, rows  # chance is 10 %
    assert rows["slayer"][7] == "1 of 1" and rows["exodus"][7] == "0 of 1", rows
    assert "Bauer et al. 2023" in result.stdout
    assert (tmp_path / "out" / "depth" / "depth.png").stat().st_size > 10_000


def test_says_what_is_wrong_before_training(refusal):
    assert "--layers must be at least 2" in refusal(SCRIPT, "--layers", "1")
