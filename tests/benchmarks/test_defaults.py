"""benchmarks/defaults.py: which runs it makes, which it leaves out, and what it trains."""

import concurrent.futures
import dataclasses
import json
import pathlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks

# Behind everything else: its modules have common names.
sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))

import defaults
import defaults_run
import defaults_tasks
from defaults_grids import grids, key

GRIDS = grids(epochs=10, batch_size=8, hold_out=False)
RATES = [{"layer": "output", "rate": 0.1, "silent": 0.0, "saturated": 0.0}]
RESULT = {
    "accuracy": 0.9,
    "train_accuracy": [0.5, 0.8],
    "train_loss": [1.0, 0.5],
    "seconds": 1.0,
    "rates_before": RATES,
    "rates_after": RATES,
    "recordings": [1000, 200],
    "ceiling": 1.0,
}


@pytest.fixture
def made(monkeypatch):
    """The settings that were trained, by a stub in this process."""
    trained = []

    def train(settings, cache):
        trained.append(settings)
        return RESULT

    monkeypatch.setattr(defaults, "train", train)
    monkeypatch.setattr(defaults, "processes", concurrent.futures.ThreadPoolExecutor)
    monkeypatch.setattr(defaults, "commit", lambda: "abc1234")
    return trained


@pytest.fixture
def command(tmp_path):
    return ["density", "--neurons", "srm", "cuba", "--workers", "1", "--output", str(tmp_path)]


def test_a_grid_that_was_stopped_goes_on(made, command, tmp_path):
    defaults.main(command)
    assert len(made) == 8
    assert len({key(settings) for settings in made}) == 8
    file = tmp_path / "runs.jsonl"
    file.write_text(file.read_text()[:-30])  # stopped while it wrote
    missing = made[-1]
    made.clear()
    defaults.main(command)
    assert made == [missing]
    rows = defaults.read(file)
    assert len(rows) == 8
    assert rows[-1]["settings"] == missing and rows[-1]["accuracy"] == 0.9
    made.clear()
    defaults.main(command)
    assert made == []


def test_a_run_of_another_grid_is_not_made_again(made, command):
    defaults.main(command)
    made.clear()
    defaults.main(["steps", *command[1:]])
    assert sorted({settings["steps"] for settings in made}) == [50, 300, 1000]


def test_another_commit_counts_only_where_asked_for(made, command, monkeypatch, tmp_path):
    defaults.main(command)
    made.clear()
    monkeypatch.setattr(defaults, "commit", lambda: "def5678")
    defaults.main([*command, "--any-commit"])
    assert made == []
    assert "abc1234" in (tmp_path / "report.md").read_text()
    defaults.main(command)
    assert len(made) == 8
    assert "abc1234" not in (tmp_path / "report.md").read_text()


def test_a_run_that_fails_is_tried_again(made, command, monkeypatch, capsys):
    stub = defaults.train

    def fails_once(settings, cache):
        if settings["density"] == 0.2 and settings["neuron"] == "cuba":
            raise RuntimeError("no memory")
        return stub(settings, cache)

    monkeypatch.setattr(defaults, "train", fails_once)
    with pytest.raises(SystemExit, match="1 runs failed"):
        defaults.main(command)
    assert "failed: no memory" in capsys.readouterr().out
    assert len(made) == 7
    made.clear()
    monkeypatch.setattr(defaults, "train", stub)
    defaults.main(command)
    assert [(settings["neuron"], settings["density"]) for settings in made] == [("cuba", 0.2)]


def test_options_replace_the_values_of_a_grid():
    runs = GRIDS["main"].runs({"network": ["conv"], "neuron": None, "seed": [4, 5]})
    assert len(runs) == 1 * 4 * 2 * 2
    assert {run["seed"] for run in runs} == {4, 5}
    assert {run["network"] for run in runs} == {"conv"}


def test_every_run_belongs_to_its_grid():
    numbers = {name: len(grid.runs()) for name, grid in GRIDS.items()}
    assert [numbers.pop(name) for name in ("relu", "digits", "gestures")] == [24, 24, 24]
    assert numbers == {"main": 48, "rates": 32, "dt": 16, "depth": 20, "density": 16, "steps": 16}
    for grid in GRIDS.values():
        assert all(grid.has(run) for run in grid.runs())
        other = grids(epochs=1, batch_size=8, hold_out=False)
        assert not any(g.has(run) for run in grid.runs() for g in other.values())
    assert all(GRIDS["rates"].has(run) for run in GRIDS["main"].runs())
    assert not any(GRIDS["main"].has(run) for run in GRIDS["depth"].runs())


def test_says_which_grids_there_are(capsys):
    with pytest.raises(SystemExit):
        defaults.parse_arguments(["rate"])
    assert (
        "main, rates, relu, dt, depth, digits, gestures, density, steps. Received: rate"
        in capsys.readouterr().err
    )


def test_synthetic_recordings_have_their_density_and_can_be_told_apart():
    settings = {"seed": 1, "inputs": 300, "density": 0.001, "steps": 50}
    data = defaults_tasks.load_synthetic(settings, None)
    assert data.x_train.shape == (1000, 50, 300) and data.x_test.shape == (200, 50, 300)
    assert data.x_train.mean() == pytest.approx(0.001, rel=0.05)
    assert np.bincount(data.y_test).tolist() == [20] * 10
    assert data.ceiling > 0.95
    shuffled = np.random.default_rng(0).permutation(data.y_train)
    chance = defaults_tasks.naive_bayes(data.x_train, shuffled, data.x_test, data.y_test)
    assert chance < 0.25
    with pytest.raises(ValueError, match=r"density must be at most 0\.2"):
        defaults_tasks.load_synthetic({**settings, "density": 0.3}, None)


def test_recordings_are_binned_once(monkeypatch, tmp_path):
    asked = []

    def load_nmnist(folder, split):
        asked.append((folder, split))

        def recordings(number):
            events = {
                "x": tf.constant([[3, 33]] * number, tf.uint8),
                "y": tf.constant([[4, 0]] * number, tf.uint8),
                "t": tf.constant([[0, 25_000]] * number, tf.int32),
                "polarity": tf.constant([[True, False]] * number),
            }
            return tf.data.Dataset.from_tensor_slices((events, tf.range(number)))

        return [recordings(3), recordings(2)]

    monkeypatch.setattr(ks.datasets, "load_nmnist", load_nmnist)
    settings = {"task": "nmnist", "dt": 10.0, "hold_out": True}
    with pytest.raises(SystemExit, match="--data-dir must name the folder"):
        defaults_tasks.prepare([settings], tmp_path, None)
    defaults_tasks.prepare([settings, settings], tmp_path, "folder")
    assert asked == [("folder", ("train[:80%]", "train[80%:]"))]
    data = defaults_tasks.load(settings, tmp_path)
    assert data.x_train.shape == (3, 30, 34, 34, 2) and data.x_train.dtype == np.uint8
    assert data.y_train.tolist() == [0, 1, 2] and data.y_test.tolist() == [0, 1]
    spikes = [(0, 4, 3, 1), (2, 0, 33, 0)]  # step, y, x, polarity
    assert np.argwhere(data.x_test[1]).tolist() == [list(spike) for spike in spikes]
    with pytest.raises(SystemExit):  # other splits are other files
        defaults_tasks.prepare([{**settings, "hold_out": False}], tmp_path, None)


def test_gestures_are_scaled_and_need_no_folder(monkeypatch, tmp_path):
    events = {
        "x": tf.constant([[0, 127, 127]], tf.uint8),
        "y": tf.constant([[0, 127, 64]], tf.uint8),
        "t": tf.constant([[0, 1_499_000, 1_600_000]], tf.int32),  # the last one is not seen
        "polarity": tf.constant([[True, False, True]]),
    }
    sets = [tf.data.Dataset.from_tensor_slices((events, [label])) for label in (10, 3)]
    monkeypatch.setattr(ks.datasets, "load_synthetic_gestures", lambda config, split: sets)
    settings = GRIDS["gestures"].runs()[0]
    defaults_tasks.prepare([settings], tmp_path, None)
    data = defaults_tasks.load(settings, tmp_path)
    assert data.x_train.shape == (1, 150, 48, 48, 2) and data.y_train.tolist() == [10]
    spikes = [(0, 0, 0, 1), (149, 47, 47, 0)]  # step, y, x, polarity
    assert np.argwhere(data.x_train[0]).tolist() == [list(spike) for spike in spikes]


@pytest.mark.parametrize(
    ("settings", "outputs"),
    [
        ({"network": "dense"}, [(512,), (10,)]),
        ({"network": "conv"}, [(30, 30, 12), (15, 15, 12), (15, 15, 64), (7, 7, 64), (10,)]),
        (
            {"network": "gestures"},
            [(8, 8, 2), (8, 8, 16), (4, 4, 16), (4, 4, 32), (2, 2, 32), (512,), (10,)],
        ),
        ({"network": "deep", "layers": 3}, [(128,), (128,), (10,)]),
        ({"network": "deep", "layers": 1}, [(10,)]),
    ],
)
def test_networks(settings, outputs):
    model = defaults_run.build({"neuron": "alif", "dt": 1.0, **settings}, (6, 34, 34, 2), 10)
    spiking = [layer for layer in model.layers if hasattr(layer, "neuron")]
    assert [layer.output.shape[2:] for layer in spiking] == outputs
    assert all(layer.neuron == ks.ALIF() for layer in spiking)


@pytest.mark.parametrize(("network", "layers"), [("dense", 4), ("conv", 7)])
def test_keras_own_layers_learn_from_the_spike_counts(monkeypatch, network, layers):
    random = np.random.default_rng(1)
    labels = np.arange(40) % 2
    x = (random.random((40, 6, 34, 34, 2)) < 0.1 + 0.2 * labels[:, None, None, None, None]).astype(
        "uint8"
    )
    data = defaults_tasks.Data(x, labels, x[:20], labels[:20])
    assert data.counts().x_test.tolist() == x[:20].sum(1).tolist()
    monkeypatch.setattr(defaults_tasks, "load", lambda settings, cache: data)
    settings = next(run for run in GRIDS["relu"].runs() if run["network"] == network)
    model = defaults_run.build_relu(network, data.counts().x_train, 2)
    assert len(model.layers) == layers and model.output_shape == (None, 2)
    row = defaults_run.train(settings, None)
    assert row["train_accuracy"][-1] == row["accuracy"] == 1.0
    assert row["rates_before"] == row["rates_after"] == []


def test_neurons_by_name_unless_the_step_differs():
    assert defaults_run.neuron_of("srm", 1.0) == "srm"
    assert defaults_run.neuron_of("srm", 3.0) == ks.SRM(dt=3.0)


@pytest.mark.parametrize("name", ["adam", "nadam"])
def test_optimizers_are_those_by_name(name):
    made = defaults_run.optimizer_of(name, 1e-3).get_config()
    by_name = keras.optimizers.get(name).get_config()
    assert {**made, "name": name} == {**by_name, "name": name}  # the second one's is numbered
    assert defaults_run.optimizer_of(name, 1e-2).get_config()["learning_rate"] == pytest.approx(
        0.01
    )
    assert isinstance(defaults_run.optimizer_of("ScaledAdam", 1e-2), ks.ScaledAdam)


def test_a_run_is_reproducible_and_says_what_became_of_the_layers(monkeypatch):
    settings = {**GRIDS["density"].runs()[4], "density": 0.05, "steps": 30, "epochs": 2}

    def few(settings, cache):
        whole = defaults_tasks.load_synthetic(settings, cache)
        return dataclasses.replace(whole, x_train=whole.x_train[:160], y_train=whole.y_train[:160])

    monkeypatch.setitem(defaults_tasks.TASKS, "synthetic", defaults_tasks.Task(few))
    first, second = (defaults_run.train(settings, None) for _ in range(2))
    del first["seconds"], second["seconds"]
    assert first == second == json.loads(json.dumps(first))
    assert first["recordings"] == [160, 200] and len(first["train_accuracy"]) == 2
    assert [len(first[when]) for when in ("rates_before", "rates_after")] == [2, 2]
    assert first["rates_before"] != first["rates_after"]
    assert first["accuracy"] > 0.3  # chance is 0.1
