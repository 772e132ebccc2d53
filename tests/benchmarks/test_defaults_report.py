"""The tables and the picture of benchmarks/defaults.py."""

import pathlib
import sys

# Behind everything else: its modules have common names.
sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))

import defaults_report
from defaults_grids import grids

GRIDS = grids(epochs=10, batch_size=8, hold_out=False)


def row(settings, accuracy, rate=0.1, **other):
    layers = [
        {"layer": "hidden", "rate": 0.2, "silent": 0.25, "saturated": 0.0},
        {"layer": "output", "rate": rate, "silent": 0.0, "saturated": 0.5},
    ]
    return {
        "settings": settings,
        "accuracy": accuracy,
        "train_accuracy": [0.1, 0.75],
        "seconds": 12.0,
        "rates_before": layers,
        "rates_after": layers,
        "recordings": [800, 100],
        "ceiling": None,
        "commit": "abc1234",
        "host": "a processor, 2 cores, 1 threads, load 1.5",
        "versions": {"keras_slayer": "0.2.0"},
        "date": "2026-11-28 18:00 UTC",
        **other,
    }


def lines(path, beginning):
    found = [line for line in path.read_text().splitlines() if line.startswith(beginning)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def test_mean_of_the_seeds_and_flags(tmp_path):
    accuracies = {"srm": (0.9, 0.94, 0.95), "cuba": (0.1, 0.1, 0.19), "loihi": (0.1, 0.3, 0.5)}
    rows = []
    for settings in GRIDS["main"].runs({"network": ["dense"], "optimizer": ["adam"]}):
        name, seed = settings["neuron"], settings["seed"]
        if name in accuracies:
            silent = name == "loihi" and seed == 1
            rows.append(row(settings, accuracies[name][seed - 1], 0.0 if silent else 0.1))
    # Of the same settings, the last row counts.
    rows.insert(0, row(rows[0]["settings"], 0.0))
    written = defaults_report.write(GRIDS, rows, tmp_path)
    assert written == [tmp_path / "report.md", tmp_path / "defaults.png"]
    assert lines(written[0], "| 2312-512-10, SRM |") == [
        ["2312-512-10, SRM", "93.0 (90.0 .. 95.0)"]
    ]
    (cuba,) = lines(written[0], "| 2312-512-10, CUBA |")
    assert cuba[1] == "13.0 (10.0 .. 19.0) at chance"
    (loihi,) = lines(written[0], "| 2312-512-10, LoihiCUBA |")
    assert loihi[1] == "30.0 (10.0 .. 50.0) silent"
    details = lines(written[0], "| 2312-512-10, SRM, Adam |")[0]
    assert details[1:4] == ["3", "75.0", "12"]
    assert details[4:] == ["0.2 / 0.1", "0.2 / 0.1", "25% / 0%", "0% / 50%"]
    text = written[0].read_text()
    assert "a processor, 2 cores, 1 threads  \n" in text
    assert text.rstrip().endswith("Not run: relu, depth, digits, gestures, density, steps.")
    assert "2312-512-10, by time step in ms" in text  # its runs of 1 ms are those of `main`


def test_columns_are_in_order_and_the_ceiling_is_below(tmp_path):
    runs = GRIDS["steps"].runs({"neuron": ["cuba"]})
    rows = [row(settings, 0.001 * settings["steps"] / 2, ceiling=0.995) for settings in runs[::-1]]
    (path,) = defaults_report.write(GRIDS, rows, tmp_path)
    section = path.read_text().split("## steps")[1]  # the run of 100 steps is in `density`, too
    heading, _, first, ceiling = section.split("\n\n")[2].splitlines()
    assert heading == "| neuron, optimizer \\ steps | 50 | 100 | 300 | 1000 |"
    assert first == "| CUBA, Adam | 2.5 at chance | 5.0 at chance | 15.0 at chance | 50.0 |"
    assert ceiling == "| naive Bayes on spike counts | 99.5 | 99.5 | 99.5 | 99.5 |"


def test_the_picture_has_a_block_for_each_network(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(defaults_report.style, "save", lambda figure, path: drawn.append(figure))
    runs = GRIDS["rates"].runs({"network": ["dense", "conv"], "neuron": ["srm", "alif"]})
    rows = [row(settings, 10 * settings["learning_rate"]) for settings in runs]
    rows = [row for row in rows if row["settings"]["network"] == "dense" or row["accuracy"] < 0.09]
    defaults_report.write(GRIDS, rows, tmp_path)
    dense, conv = drawn[0].axes
    assert [label.get_text() for label in dense.get_yticklabels()] == [
        "SRM Adam",
        "SRM Nadam",
        "ALIF Adam",
        "ALIF Nadam",
    ]
    cells = [text.get_text() for text in dense.texts if text.get_text()]
    assert cells[-8:] == ["0", "at chance", "1", "at chance", "3", "at chance", "10", "at chance"]
    assert [text.get_text() for text in conv.texts][-2:] == ["\N{EN DASH}", ""]
