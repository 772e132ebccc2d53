"""The examples train, export and draw, as a user would run them."""

import itertools
import os
import pathlib
import re
import runpy
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer import datasets

ROOT = pathlib.Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.usefixtures("finds_generated_data")


@pytest.fixture
def examples(monkeypatch):
    """Their folder, whose modules can be imported as a script does."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    return ROOT / "examples"


def run_example(*arguments, cwd, script="nmnist.py"):
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def check_progress(printed, epochs, layers):
    """One line for each epoch, with the rate of each layer; each layer fires."""
    lines = re.findall(r"^epoch (\d)/\d: .* of each layer ([\d. ]+)$", printed, re.MULTILINE)
    assert [int(epoch) for epoch, _ in lines] == [*range(1, epochs + 1)], printed
    rates = np.array([line.split() for _, line in lines], float)
    assert rates.shape == (epochs, layers) and (rates > 0).all() and (rates < 1).all(), rates


def test_trains_exports_and_draws(tmp_path):
    options = ["--data", "saccade_mnist", "--neuron", "loihi", "--epochs", "3", "--test-shift", "1"]
    result = run_example(*options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    check_progress(result.stdout, epochs=3, layers=2)
    figures = dict(re.findall(r"│ ([\w ,()]+?) +│ +([\w./%]+) │", result.stdout))
    test = float(figures["test accuracy"].rstrip("%"))
    assert test > 70, figures  # chance is 10 %
    assert float(figures["test accuracy, exported file"].rstrip("%")) == test
    assert float(figures["test accuracy, 9 moved copies"].rstrip("%")) > 70
    assert figures["output spikes that differ"] == "0"
    for name in ("exported file", "model", "picture"):
        assert (tmp_path / figures[name]).stat().st_size > 10_000, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--export", "x.net", "--neuron", "srm"], "--export needs --neuron loihi"),
        (["--data", "nmnist", "--data-dir", "nowhere"], "Train.zip"),
        (["--epochs", "0"], "--epochs"),
        (["--recipe", "paper"], "--recipe paper goes with --network cnn --neuron srm"),
    ],
)
def test_says_what_is_wrong_before_training(refusal, arguments, message):
    assert message in refusal(ROOT / "examples" / "nmnist.py", *arguments)


@pytest.mark.parametrize(
    ("options", "splits"),
    [([], ("train", "test")), (["--hold-out"], ("train[:80%]", "train[80%:]"))],
)
def test_settings_are_chosen_without_the_test_recordings(examples, monkeypatch, options, splits):
    asked = []

    def load(archives, *, split):
        asked.append(split)
        raise SystemExit

    monkeypatch.setattr(datasets, "load_nmnist", load)
    monkeypatch.setattr(sys, "argv", ["nmnist.py", "--data", "nmnist", *options])
    with pytest.raises(SystemExit):
        runpy.run_path(str(examples / "nmnist.py"), run_name="__main__")
    assert asked == [splits]


def test_the_paper_recipe_is_the_published_network(examples, monkeypatch):
    options = ["--network", "cnn", "--recipe", "paper", "--surrogate", "triangle"]
    monkeypatch.setattr(sys, "argv", ["nmnist.py", *options])
    nmnist = runpy.run_path(str(examples / "nmnist.py"))
    arguments = nmnist["parse_arguments"]()
    model = nmnist["build_model"](arguments, nmnist["recipe_of"](arguments))
    shapes = [layer.output.shape[1:] for layer in model.layers if hasattr(layer, "neuron")]
    # 34x34x2-12c5-2a-64c5-2a-10, 300 ms in steps of 1 ms
    assert shapes == [
        (300, 30, 30, 12),
        (300, 15, 15, 12),
        (300, 15, 15, 64),
        (300, 7, 7, 64),
        (300, 10),
    ]
    neurons = [layer.neuron for layer in model.layers if hasattr(layer, "neuron")]
    assert {type(neuron) for neuron in neurons} == {ks.SRM}
    assert {neuron.surrogate for neuron in neurons} == {"triangle"}


def test_copies_are_moved_in_every_direction(examples, monkeypatch):
    """A model that passes its input on: each copy is the recording at another place."""
    monkeypatch.setattr(sys, "argv", ["nmnist.py", "--test-shift", "1"])
    nmnist = runpy.run_path(str(examples / "nmnist.py"))
    assert nmnist["parse_arguments"]().test_shift == 1
    spikes = (np.random.default_rng(0).random((2, 3, 4, 5, 2)) < 0.5).astype("float32")
    echo = types.SimpleNamespace(predict_on_batch=lambda x: np.reshape(x, (2, 3, -1)))
    copies = nmnist["spikes_over_copies"](echo, tf.constant(spikes), 1).reshape(2, 9, *(3, 4, 5, 2))
    found = {copies[:, copy].tobytes() for copy in range(9)}
    expected = set()
    for y, x in itertools.product((-1, 0, 1), repeat=2):
        moved = np.zeros_like(spikes)
        for row, column in itertools.product(range(4), range(5)):
            if 0 <= row + y < 4 and 0 <= column + x < 5:
                moved[:, :, row + y, column + x] = spikes[:, :, row, column]
        expected.add(moved.tobytes())
    assert found == expected and len(found) == 9


def test_the_recipe_changes_recordings_anew_in_each_epoch(examples, monkeypatch):
    """Stretch and shear are the recipe's: without the other options, rows alone still move."""
    options = ["--shift", "0", "--rotate", "0", "--zoom", "0"]
    monkeypatch.setattr(sys, "argv", ["nmnist.py", *options])
    nmnist = runpy.run_path(str(examples / "nmnist.py"))
    arguments = nmnist["parse_arguments"]()
    events = {"x": [[17, 17]], "y": [[2, 31]], "t": [[0, 9]], "polarity": [[True, True]]}
    fields = {name: np.array(values) for name, values in events.items()}
    data = tf.data.Dataset.from_tensor_slices((fields, np.array([3])))
    train = nmnist["training_pipeline"](data, arguments, nmnist["RECIPES"]["mlp"])
    columns = {tuple(np.argwhere(next(iter(train))[0].numpy())[:, 3]) for _ in range(4)}
    assert len(columns) > 1, columns
    still = nmnist["training_pipeline"](data, arguments, nmnist["PAPER"])
    assert np.argwhere(next(iter(still))[0].numpy())[:, 3].tolist() == [17, 17]


def test_occasional_monitor_looks_every_few_epochs(examples):
    from progress import OccasionalMonitor

    x = np.ones((2, 5, 3), "float32")
    model = keras.Sequential([keras.Input((5, 3)), ks.SpikingDense(2, name="out")])
    model.compile(loss=ks.SpikeMaxLoss())
    monitor = OccasionalMonitor(x, every=3)
    history = model.fit(x, np.array([0, 1]), epochs=9, callbacks=[monitor], verbose=0).history
    assert len(history["loss"]) == 9
    assert len(history["rate/out"]) == 4  # after epochs 1, 4, 7 and 9


def test_export_runs_as_the_page_says(tmp_path):
    result = run_example(
        "--epochs", "3", "--chip", "loihi1", cwd=tmp_path, script="export_loihi.py"
    )
    assert result.returncode == 0, result.stderr[-3000:]
    check_progress(result.stdout, epochs=3, layers=3)
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
