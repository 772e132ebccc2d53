"""A chip in one place: its target, numbers and limits, and what depends on them."""

import ast
import dataclasses
import importlib
import pathlib
import re

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer import export, loihi, neurons
from keras_slayer.export import LoihiSimulator, targets
from keras_slayer.export.targets import get_target, loihi2
from keras_slayer.export.weight_grid import WeightGrid

PACKAGE = pathlib.Path(export.__file__).parent


def model(*layers, shape=(4,)):
    return keras.Sequential([keras.Input((10, *shape)), *layers])


# One set of numbers


def test_the_simulators_header_has_the_numbers_of_the_chip():
    header = (PACKAGE / "csrc" / "neuron.h").read_text()
    found = dict(re.findall(r"constexpr \w+ (k\w+) = ([\d <]+);", header))
    values = {name: eval(text) for name, text in found.items()}
    assert values["kDecayUnity"] == loihi.DECAY_UNIT == 2**loihi.DECAY_BITS
    assert values["kStateShift"] == loihi.STATE_SHIFT
    assert values["kStateRange"] == loihi.STATE_RANGE


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("threshold_mantissa", 1, loihi.MAX_THRESHOLD),
        ("current_decay", 0, loihi.DECAY_UNIT),
        ("voltage_decay", 0, loihi.DECAY_UNIT),
        ("weight_bits", 1, loihi.WEIGHT_BITS),
    ],
)
def test_the_neuron_that_trains_has_the_limits_of_the_chip(field, low, high):
    for value in (low, high):
        neurons.LoihiCUBA(**{field: value})
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=field):
            neurons.LoihiCUBA(**{field: value})


@pytest.mark.parametrize("bits", range(1, 9))
def test_training_and_export_round_to_the_same_weights(bits):
    from keras_slayer.quantization import quantize_weights

    weights = np.linspace(-5, 5, 4001).astype(np.float32)
    grid = get_target("loihi2").grid
    np.testing.assert_array_equal(
        np.asarray(quantize_weights(weights, bits)) * grid.scale, grid.nearest(weights, bits)
    )


# Another chip is one target


@pytest.fixture
def other_chip(monkeypatch, tmp_path):
    """A chip in a module of its own: shorter delays, weights in 1/32 of 4 bits, small sums."""
    path = tmp_path / "chips"
    path.mkdir()
    (path / "other.py").write_text(
        "from dataclasses import replace\n"
        "from keras_slayer.export.targets.loihi2 import TARGET as LOIHI2\n"
        "from keras_slayer.export.weight_grid import WeightGrid\n"
        "TARGET = replace(\n"
        "    LOIHI2, grid=WeightGrid(scale=64, low=-128, bits=4), max_delay=7,\n"
        "    synaptic_sum_limit=300,\n"
        "    chip=replace(LOIHI2.chip, name='Other', cores=2, compartments=5),\n"
        ")\n"
    )
    monkeypatch.setattr(targets, "__path__", [*targets.__path__, str(path)])
    importlib.invalidate_caches()
    return get_target("other")


def test_another_chip_is_one_module(other_chip):
    assert targets.target_names() == ("loihi1", "loihi2", "other")
    neuron = ks.LoihiCUBA(threshold_mantissa=40, weight_bits=4)
    found = model(
        keras.layers.Dense(12, use_bias=False, name="dense"), ks.SpikingActivation(neuron)
    )
    found.layers[0].kernel.assign(np.full((4, 12), 1.6))
    report = found.export_loihi(None, dry_run=True, chip="other", weight_bits=4)
    # 1.6 * 64 = 102.4; steps of 16 up to 112 of which the nearest is 96.
    assert report.layers[0].histogram == ((96, 48),)
    assert [width.bits for width in report.widths] == [1, 2, 3, 4]
    assert (report.chip, report.mapping.chip) == ("Other", "Other")
    assert (len(report.mapping.cores), report.mapping.chips) == (3, 2)
    (rounded, sums) = report.warnings
    assert "48 of 48 weights were rounded to 4 bits" in rounded
    assert "reaches 384; the chip holds 300" in sums
    assert report.synaptic_sum_limit == 300
    with pytest.raises(ValueError, match=r"weight_bits must be an integer in \[1, 4\]"):
        found.export_loihi(None, dry_run=True, chip="other")


def test_limits_of_another_chip_are_in_its_refusals(other_chip):
    neuron = ks.LoihiCUBA(weight_bits=4)
    late = ks.DelayLayer(10, delay_initializer=keras.initializers.Constant(8.0), name="late")
    found = model(late, ks.SpikingDense(3, neuron=neuron, name="dense"))
    with pytest.raises(ValueError, match=r"late: its delays .* allowed: 0 to 7 steps"):
        found.export_loihi(None, dry_run=True, chip="other", weight_bits=4)
    found.layers[0].delay.assign([3.0] * 4)
    found.layers[1].kernel.assign(np.full((4, 3), 2.5))  # trained for Loihi: 160/64
    message = "dense: 12 of 12 weights .* multiples of 16/64 from -128/64 to 112/64"
    with pytest.raises(ValueError, match=message):
        found.export_loihi(None, dry_run=True, chip="other", weight_bits=4)


def test_a_grid_by_hand():
    grid = WeightGrid(scale=10, low=-8, bits=3)
    assert [grid.step(bits) for bits in (1, 2, 3)] == [8, 4, 2]
    assert [grid.high(bits) for bits in (1, 2, 3)] == [0, 4, 6]
    assert grid.nearest([-9.0, -0.11, 0.29, 0.31, 0.7, 5.0], 3).tolist() == [-8, -2, 2, 4, 6, 6]
    assert grid.rounded([5.0], 3).tolist() == [50]


def test_targets_are_equal_but_for_their_cores():
    one, two = get_target("loihi1"), loihi2.TARGET
    for field in dataclasses.fields(one):
        assert (getattr(one, field.name) is getattr(two, field.name)) == (field.name != "chip")


# Each format has checks of its own


def quiet_and_tall():
    """No positive weight in the first layer, a window of 130 rows in the second."""
    layers = (
        ks.SpikingConv2D(2, 1, neuron="loihi", name="quiet"),
        ks.SpikingConv2D(1, (130, 1), neuron="loihi", name="tall"),
        ks.Flatten(),
        ks.SpikingDense(2, neuron="loihi", name="negative"),
    )
    found = model(*layers, shape=(131, 2, 1))
    for layer in found.layers:
        if layer.weights:
            layer.kernel.assign(0 * layer.kernel - 1)
    found.get_layer("tall").kernel.assign(0 * found.get_layer("tall").kernel + 1)
    return found


def test_what_only_the_loader_of_net_cannot_take_goes_into_nir(tmp_path):
    found = quiet_and_tall()
    with pytest.raises(ValueError, match=r"2 problems") as error:
        found.export_loihi(tmp_path / "a.net")
    assert "tall: kernel_size is (130, 1)" in str(error.value)
    assert "negative: no weight is positive" in str(error.value)
    assert not list(tmp_path.iterdir())
    spikes = (np.random.default_rng(0).random((2, 10, 131, 2, 1)) < 0.5).astype(np.float32)
    report = found.export_loihi(tmp_path / "a.nir", calibration=spikes)
    assert report.file_bytes == (tmp_path / "a.nir").stat().st_size
    assert report.calibration.differing == 0
    assert report.exact


def test_delays_fit_both_formats(tmp_path):
    late = ks.DelayLayer(10, delay_initializer=keras.initializers.Constant(5.0))
    found = model(late, ks.SpikingDense(3, neuron="loihi", name="dense"))
    found.layers[1].kernel.assign(np.ones((4, 3)))
    spikes = np.ones((1, 12, 4), "float32")
    expected = found.predict(spikes, verbose=0)
    assert expected.any()
    for name in ("a.nir", "a.net"):
        found.export_loihi(tmp_path / name)
        np.testing.assert_array_equal(LoihiSimulator(tmp_path / name).run(spikes), expected)


# Modules


def imports_of(path):
    """The modules of the export that ``path`` imports anywhere, in functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


def test_no_modules_import_each_other():
    files = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parents[1]).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    assert len(files) > 30
    graph = {name: {n for n in imports_of(path) if n in files} for name, path in files.items()}
    assert graph["keras_slayer.export.model.graph"] >= {"keras_slayer.export.model.handlers"}
    done = set()

    def visit(name, way):
        assert name not in way, f"circle: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for other in sorted(graph[name]):
                if other != name:
                    visit(other, [*way, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
