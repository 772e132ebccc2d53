"""The example of residual networks, small: shortcuts of both kinds, trained, drawn, exported."""

import pathlib
import re
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "examples" / "residual.py"
pytestmark = pytest.mark.usefixtures("finds_generated_data")


def test_a_network_with_shortcuts_learns_and_runs_on_the_chip(tmp_path):
    small = ["--blocks", "2", "--filters", "6", "--dt", "10", "--epochs", "3", "--batch-size", "8"]
    small += ["--chip-epochs", "1"]
    what = ["--data", "saccade_mnist", "--networks", "residual", "--neuron", "loihi"]
    result = subprocess.run(
        [sys.executable, str(SCRIPT), *what, *small],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "residual, seed 1: 6 layers" in result.stdout
    accuracy = float(re.search(r"seed 1: ([\d.]+)% in", result.stdout)[1])
    assert accuracy > 20, result.stdout  # measured: 31.5; chance is 10
    rows = {
        line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line.split()
    }
    assert rows["as"][1:] == rows["quantised"] == rows["chip"]  # "as given": its weights are those
    assert float(rows["chip"][0].rstrip("%")) > 20
    assert rows["block2a"][-1] == "0"  # spikes that differ
    assert re.search(r"^block2a +block1b \(step 4\), stem \(step 2\)", result.stdout, re.MULTILINE)
    output = tmp_path / "out" / "residual"
    for name in ("residual.png", "residual-1.nir"):
        assert (output / name).stat().st_size > 10_000
