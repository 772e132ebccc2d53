"""The gesture example, small: it learns, and what it exports is the model, spike for spike."""

import os
import pathlib
import re
import runpy
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "examples" / "dvs_gesture.py"
pytestmark = pytest.mark.usefixtures("finds_generated_data")
DUMMY = pathlib.Path(__file__).parent / "datasets" / "dummy_data" / "dvs_gesture"


@pytest.fixture(autouse=True)
def modules_beside_the_script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)  # as Python does for a script


def test_learns_gestures_and_the_file_fires_every_spike_of_the_model(tmp_path):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--quick"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    rows = {
        cells[0]: cells[1:]
        for cells in (re.split(r" *│ *", line)[1:-1] for line in result.stdout.splitlines())
        if len(cells) == 4
    }
    percent = {
        name: [float(cell.rstrip("%")) for cell in cells[1:] if cell]
        for name, cells in rows.items()
        if name.startswith("accuracy")
    }
    assert percent["accuracy, chip"][0] > 25, rows  # chance is 9 %
    assert percent["accuracy, chip"] == percent["accuracy, quantised"], rows
    assert percent["accuracy, float"][0] > 25, rows
    assert rows["accuracy, chip"][0] == "92.23%"  # published

    # 5 x 5 x 2 x 16 + 3 x 3 x 16 x 32 + 3 x 3 x 32 x 512 + 512 x 11
    assert rows["weights to learn"][1] == "158,496"
    zeros = [int(cell.replace(",", "")) for cell in rows["zero weights"][1:]]
    assert 0 < zeros[0] < zeros[1] < 158_496, rows
    assert rows["output spikes that differ"][1] == "0"
    assert rows["the same, all layers"][1:] == ["0", "0"]
    for name in ("model.keras", "network.net", "report.html", "cores.png", "summary.png"):
        assert (tmp_path / "out" / "dvs_gesture" / name).stat().st_size > 10_000, name


def test_data_dir_takes_the_real_set(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    options = ["--data-dir", str(DUMMY), "--side", "32", "--steps", "10", "--dt", "50"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *options])
    example = runpy.run_path(str(SCRIPT))
    name, train, few, test = example["load_data"](example["parse_arguments"]())
    assert name == "DVS128 Gesture"
    assert few.shape[1:] == (10, 32, 32, 2)
    assert len(few) == sum(len(labels) for _, labels in train)  # fewer than 11: all of them
    for spikes, _ in (*train, *test):
        assert spikes.shape[1:] == few.shape[1:]
        assert spikes.numpy().any(axis=(1, 2, 3, 4)).all()


@pytest.mark.parametrize("weight_bits", [8, 4])
def test_at_full_size_it_is_the_published_network(weight_bits):
    example = runpy.run_path(str(SCRIPT))
    model = example["build_model"]((300, 128, 128, 2), 5.0, weight_bits)
    assert model.count_params() == 1_059_616  # 1.05 M were published
    report = model.export_loihi(None, format="net", chip="loihi1", dry_run=True)
    neurons = {layer.name: layer.neurons for layer in report.layers}
    assert neurons == {
        "pool1": 32 * 32 * 2,
        "conv1": 32 * 32 * 16,
        "pool2": 16 * 16 * 16,
        "conv2": 16 * 16 * 32,
        "pool3": 8 * 8 * 32,
        "dense": 512,
        "classes": 11,
    }
    assert report.exact and not report.warnings
    assert report.mapping.chips == 1
    assert {layer.weight_bits for layer in report.layers} == {4, weight_bits}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--side", "30"], "--side must be a multiple of 16"),
        (["--weight-bits", "9"], "--weight-bits must be 1 to 8"),
        (["--recordings", "3"], "--recordings must be at least 11"),
        (["--dt", "0"], "--dt must be positive"),
    ],
)
def test_says_what_is_wrong_before_training(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_says_what_is_missing_in_a_folder_without_the_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--data-dir", "nowhere"])
    with pytest.raises(SystemExit, match=r"^1$"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert re.search(r"(?m)^error: .*\n.*DvsGesture\.tar\.gz", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()
