"""Keras model to file to simulator: every spike, every figure of the report, every refusal."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from export_cases import FAST, MODELS, NEURON, SLOW, STEPS, build, random_spikes

import keras_slayer as ks
from keras_slayer.export import LoihiReport, LoihiSimulator, export_loihi
from keras_slayer.export.formats.netx_reader import read_network


@pytest.mark.parametrize("name", MODELS)
def test_every_spike_is_the_models(name, tmp_path):
    model = build(*MODELS[name])
    spikes = random_spikes(model)
    expected = keras.ops.convert_to_numpy(model(spikes))
    assert 0.02 < expected.mean() < 0.8
    export_loihi(model, tmp_path / "a.net")
    for engine in ("native", "numpy"):
        simulator = LoihiSimulator(tmp_path / "a.net", engine=engine)
        assert simulator.input_shape == model.input_shape[2:]
        found = simulator.run(spikes)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["dense", "cnn"])
def test_every_layers_spikes_are_the_models(name, tmp_path):
    model = build(*MODELS[name])
    spikes = random_spikes(model)
    export_loihi(model, tmp_path / "a.net")
    record = LoihiSimulator(tmp_path / "a.net").record(spikes, "spikes")
    probed = iter(record.layers)
    x = spikes
    for layer in model.layers:
        x = keras.ops.convert_to_numpy(layer(x))
        if hasattr(layer, "neuron"):
            np.testing.assert_array_equal(next(probed).spikes, x, err_msg=layer.name)
    assert next(probed, None) is None


# Keras itself, when it saves and loads under NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_trained_and_reloaded_models(tmp_path):
    model = build(*MODELS["cnn"])
    export_loihi(model, tmp_path / "fresh.net")
    spikes = random_spikes(model)
    model.compile("sgd", "mse")
    model.train_on_batch(spikes, np.zeros((3, STEPS, 10)))
    export_loihi(model, tmp_path / "trained.net")
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    export_loihi(reloaded, tmp_path / "reloaded.net")
    fresh, trained, again = (
        (tmp_path / f"{name}.net").read_bytes() for name in ("fresh", "trained", "reloaded")
    )
    assert fresh != trained
    assert trained == again
    found = LoihiSimulator(tmp_path / "reloaded.net").run(spikes)
    assert found.sum() > 0
    np.testing.assert_array_equal(found, reloaded.predict(spikes, verbose=0))


def test_other_weights_give_another_file(tmp_path):
    for seed in (0, 1):
        export_loihi(build(*MODELS["dense"], seed), tmp_path / f"{seed}.net")
    assert (tmp_path / "0.net").read_bytes() != (tmp_path / "1.net").read_bytes()


def test_integers_are_the_weights_of_the_forward_pass(tmp_path):
    model = build(*MODELS["few_bits"])
    export_loihi(model, tmp_path / "a.net")
    first, second = read_network(tmp_path / "a.net").layers
    expected = np.clip(32 * np.rint(2 * np.asarray(model.layers[0].kernel)), -256, 224)
    np.testing.assert_array_equal(first.weight, expected)
    assert {-128, 0, 128} <= set(np.unique(second.weight)) <= {-256, -128, 0, 128}


def test_report_by_hand(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None, 2, 2, 1)),
            ks.SpikingSumPooling2D(2, neuron=FAST, name="pool"),
            ks.Flatten(name="flat"),
            ks.SpikingDense(6, neuron=SLOW, name="out"),
        ]
    )
    # On the grid; rounded; to zero; clamped; in range after rounding; clamped.
    model.layers[-1].kernel.assign([[0.5, 0.51, 0.01, 3.99, 3.98, -4.02]])
    report = export_loihi(model, str(tmp_path / "a.net"))
    assert isinstance(report, LoihiReport)
    pool, out = report.layers
    assert (pool.name, pool.type) == ("pool", "SpikingSumPooling2D")
    assert (pool.neurons, pool.weights) == (1, 4)
    assert pool.largest_synaptic_sum == 4 * 110  # 1.1 times its threshold
    assert (out.neurons, out.weights, out.zero_weights) == (6, 6, 1)
    assert (out.changed_weights, out.out_of_range_weights) == (5, 2)
    assert (out.weight_bits, out.threshold_mantissa) == (8, 500)
    assert (out.current_decay, out.voltage_decay) == (300, 10)
    assert out.largest_synaptic_sum == 256
    assert (report.input_shape, report.output_shape, report.latency_steps) == ((2, 2, 1), (6,), 2)
    assert report.warnings == ()
    assert report.file_bytes == (tmp_path / "a.net").stat().st_size
    assert out.histogram == ((-256, 1), (0, 1), (32, 2), (254, 2))
    assert (report.exact, report.converted, report.host_layers) == (True, False, ())
    assert report.chip == "Loihi 2"
    assert [layer.name for layer in report.mapping.layers] == ["pool", "out"]
    assert report.widths[-1].changed == 0  # of the weights that training used
    lines = [" ".join(line.split()) for line in str(report).splitlines()]
    assert repr(report) == str(report)
    assert lines[0].startswith("layer type neurons weights zero changed out of range bits")
    assert lines[3] == "out SpikingDense 6 6 1 5 2 8 500 300 10 0 256"
    assert lines[5] == "total 7 10 1 5 2"
    assert lines[7].startswith("layer cores neurons/core axons in axons out synapses KiB")
    assert lines[9].startswith("pool 1 1 ")
    assert lines[11:13] == [lines[8], "total 2"]
    assert lines[14] == "weights in zero changed out of range"
    assert lines[23] == "8 bits 1 0 0"
    assert lines[25] == "(2, 2, 1) -> (6,), latency 2 steps (one per layer)"
    assert lines[26].startswith("Loihi 2: 2 cores on 1 chip")
    assert "spikes exactly as the model does" in lines[27]
    assert lines[28] == f"wrote {tmp_path / 'a.net'} (.net, {report.file_bytes:,} bytes)"
    data = json.loads(report.to_json())
    assert data["layers"][1]["changed_weights"] == 5
    assert data["path"] == str(tmp_path / "a.net")
    assert data["output_shape"] == [6]


def test_report_warns_of_sums_the_chip_cannot_hold(tmp_path):
    model = build((200,), [ks.SpikingDense(3, neuron=NEURON, name="wide")])
    model.layers[0].kernel.assign(np.full((200, 3), 3.0))
    report = export_loihi(model, tmp_path / "a.net")
    (warning,) = report.warnings
    assert warning.startswith("wide: if all inputs of one sign spike in one step")
    assert "reaches 38,400; the chip holds 32,768" in warning
    assert f"warning: {warning}" in str(report)


def test_importing_the_package_loads_neither_h5py_nor_the_simulator():
    # In a process of its own; Keras may import h5py itself, so it must not be imported at all.
    code = (
        "import sys\n"
        "import types\n"
        "import importlib.util\n"
        "spec = importlib.util.find_spec('keras_slayer')\n"
        "package = types.ModuleType('keras_slayer')\n"
        "package.__path__ = list(spec.submodule_search_locations)\n"
        "sys.modules['keras_slayer'] = package\n"
        "import keras_slayer.export as export\n"
        "assert 'export_loihi' in dir(export) and 'LoihiSimulator' in export.__all__\n"
        "assert not {'h5py', 'keras', 'keras_slayer.export._simulator'} & set(sys.modules)\n"
        "export.LoihiSimulator\n"
        "assert 'h5py' in sys.modules and 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
