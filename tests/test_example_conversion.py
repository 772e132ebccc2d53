"""The example that takes an SRM network to Loihi, as a user would run it."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "examples" / "srm_to_loihi.py"
pytestmark = pytest.mark.usefixtures("finds_generated_data")


def run(folder, *arguments):
    environment = {**os.environ, "COLUMNS": "120"}
    command = [sys.executable, str(SCRIPT), "--data", "saccade_mnist", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_srm_network_loses_little_on_its_way_to_loihi(tmp_path):
    result = run(tmp_path, "--epochs", "3", "--fine-tuning", "1")
    assert result.returncode == 0, result.stderr[-3000:]
    # A line for each epoch of training and of fine-tuning, with both layers' rates.
    lines = re.findall(r"^epoch \d/\d: .* of each layer (\S+) (\S+)$", result.stdout, re.MULTILINE)
    assert len(lines) == 3 + 1 and all(float(rate) > 0 for line in lines for rate in line), lines
    rows = re.findall(r"│ ([\w ,-]+?) +│ +([\d.]+)% │ +([\w. ]+?) │", result.stdout)
    accuracy = {name: float(percent) for name, percent, _ in rows}
    spikes = {name: count for name, _, count in rows}
    srm, tuned = accuracy["SRM"], accuracy["fine-tuned, 1 epochs"]
    assert srm > 70, accuracy  # chance is 10 %
    assert tuned > srm - 5, accuracy
    calibrated = float(spikes["converted, thresholds from training data"])
    by_mathematics = float(spikes["converted, thresholds from the mathematics"])
    count = float(spikes["SRM"])
    assert abs(calibrated - count) < min(0.1 * count, abs(by_mathematics - count)), spikes
    assert accuracy["exported file, in the simulator"] == tuned
    assert spikes["exported file, in the simulator"] == "0 differ"
    for name in ("srm.keras", "loihi.keras", "network.net"):
        assert (tmp_path / "out" / "srm_to_loihi" / name).stat().st_size > 10_000, name


def test_says_what_is_wrong_before_training(refusal):
    for arguments, message in (
        (["--fine-tuning", "-1"], "--fine-tuning must not be negative"),
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--model", "absent.keras"], "there is no file absent.keras"),
    ):
        assert message in refusal(SCRIPT, "--data", "saccade_mnist", *arguments)
