"""export_xylo: models on the chip, spike for spike, and what its report says."""

import json

import keras
import numpy as np
import pytest
from xylo_cases import STEPS, chain, deep_model, output_layer, random_counts, small_model

import keras_slayer as ks
from keras_slayer import export
from keras_slayer.export.xylo import (
    XyloDense,
    XyloLIF,
    XyloRecurrentDense,
    XyloSimulator,
    export_xylo,
)


def spikes_of(model, x):
    """Without a graph, which would take longer to make than to run."""
    return np.array(model(x.astype("float32"), training=False))


def assert_equal_on_the_chip(model, path, x):
    """The model's output is the chip's, later by the latency."""
    report = export_xylo(model, path, calibration=x)
    expected, late = spikes_of(model, x), report.latency_steps
    found = XyloSimulator(path).run(x)
    assert expected.any() and expected.shape == found.shape
    assert expected.dtype == found.dtype
    np.testing.assert_array_equal(expected[:, : STEPS - late], found[:, late:])
    assert not found[:, :late].any()
    calibration = report.calibration
    assert (calibration.differing, calibration.of) == (0, expected.size)
    assert calibration.spikes == expected.sum()  # those of the last steps too
    assert report.exact and not report.warnings
    return report


# Spike for spike


def test_a_network_with_loops_spikes_as_in_keras(tmp_path):
    keras.utils.set_random_seed(0)
    model = deep_model(STEPS)
    x = random_counts(0, 6, STEPS, 16, most=6).reshape(6, STEPS, 4, 2, 2)
    report = assert_equal_on_the_chip(model, tmp_path / "a.npz", x)
    assert (report.inputs, report.hidden_neurons, report.output_neurons) == (16, 44, 4)
    assert (report.latency_steps, report.calibration.samples, report.calibration.steps) == (
        2,
        6,
        STEPS,
    )
    record = XyloSimulator(tmp_path / "a.npz").record(x)
    assert record.hidden_spikes.max() > 1
    loops, middle = (model.get_layer(name) for name in ("loops", "middle"))
    hidden = np.array(loops(ks.Flatten()(x.astype("float32"))))
    np.testing.assert_array_equal(record.hidden_spikes[..., :24], hidden)
    np.testing.assert_array_equal(
        record.hidden_spikes[:, 1:, 24:], np.array(middle(hidden))[:, :-1]
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_chains_spike_as_in_keras(seed, tmp_path):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)

    def neuron():
        return XyloLIF(int(rng.integers(20, 100)), *(int(n) for n in rng.integers(1, 6, 2)))

    kinds = (XyloDense, XyloRecurrentDense)
    layers = [kinds[rng.integers(2)](int(rng.integers(4, 32)), neuron()) for _ in range(1 + seed)]
    model = chain(*layers, output_layer(threshold=int(rng.integers(20, 100))), inputs=4 + 4 * seed)
    for layer in model.layers:  # lively
        layer.kernel.assign(rng.normal(0.1, 0.5, layer.kernel.shape))
    x = random_counts(seed, 4, STEPS, 4 + 4 * seed, most=5)
    report = assert_equal_on_the_chip(model, tmp_path / "a.npz", x)
    assert report.latency_steps == len(layers)


def test_functional_and_nested_models_with_loops(tmp_path):
    keras.utils.set_random_seed(2)
    inner = keras.Sequential([keras.Input((STEPS, 16)), XyloRecurrentDense(20, name="loops")])
    inputs = keras.Input((STEPS, 16))
    spikes = output_layer(3)(inner(inputs))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D(name="rate")(spikes))
    x = random_counts(1, 3, STEPS, 16, most=6)
    before = [len(layer._inbound_nodes) for layer in model.layers]
    report = export_xylo(model, tmp_path / "a.npz", calibration=x)
    assert report.calibration.differing == 0 and report.calibration.spikes > 5
    assert report.host_layers == ("rate",)
    assert before == [len(layer._inbound_nodes) for layer in model.layers]  # read, and left alone
    found = XyloSimulator(tmp_path / "a.npz").run(x)
    assert found.sum() > 5


def test_a_saved_model_gives_the_same_bytes(tmp_path):
    model = small_model()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for number, found in enumerate((model, model, loaded)):
        export_xylo(found, tmp_path / f"{number}.npz")
    first, *others = [(tmp_path / f"{number}.npz").read_bytes() for number in range(3)]
    assert first and all(data == first for data in others)


def test_the_file_holds_rockpools_arguments_by_name(tmp_path):
    model = chain(
        XyloRecurrentDense(3, XyloLIF(90, 1, 4), name="a"),
        XyloDense(2, XyloLIF(300, 3, 2), name="b"),
        output_layer(1, threshold=7, dash_syn=5, dash_mem=6),
        inputs=2,
    )
    kernels = {name: model.get_layer(name) for name in ("a", "b", "output")}
    kernels["a"].kernel.assign([[1, -1, 0.5], [0, 9, -9]])
    kernels["a"].recurrent_kernel.assign(np.arange(9).reshape(3, 3) / 64)
    kernels["b"].kernel.assign(np.array([[10, 20], [30, 40], [50, 60]]) / 64)
    kernels["output"].kernel.assign([[0.25], [-0.25]])
    export_xylo(model, tmp_path / "a.npz")
    found = {name: value.tolist() for name, value in np.load(tmp_path / "a.npz").items()}
    assert found == {
        "weights_in": [[64, -64, 32], [0, 127, -128]],
        "weights_rec": [
            [0, 1, 2, 10, 20], [3, 4, 5, 30, 40], [6, 7, 8, 50, 60], [0] * 5, [0] * 5,
        ],
        "weights_out": [[0], [0], [0], [16], [-16]],
        "dash_syn": [1, 1, 1, 3, 3],
        "dash_mem": [4, 4, 4, 2, 2],
        "threshold": [90, 90, 90, 300, 300],
        "dash_syn_out": [5],
        "dash_mem_out": [6],
        "threshold_out": [7],
    }  # fmt: skip


# The report


def test_the_report_counts_and_prints(tmp_path):
    keras.utils.set_random_seed(0)
    model = deep_model(STEPS)
    loops = model.get_layer("loops")
    kernel = np.array(loops.kernel)
    kernel[0, :3] = [5.0, -5.0, 0.001]
    loops.kernel.assign(kernel)
    report = export_xylo(model, tmp_path / "a.npz")
    first, middle, last = report.layers
    assert (first.clipped, first.rounded, first.weights) == (2, 0, 16 * 24 + 24 * 24)
    network = XyloSimulator(tmp_path / "a.npz").network
    assert report.synapses == np.count_nonzero(network.weights_rec)
    fan_out = np.count_nonzero(network.weights_rec, axis=1)
    assert [layer.fan_out for layer in report.layers] == [fan_out.max(), 0, 0]
    both = np.concatenate([network.weights_in, network.weights_rec[:24, :24]]).astype(int)
    assert first.zero == np.count_nonzero(both == 0) > 0
    one_sign = max(both.clip(0).sum(axis=0).max(), -both.clip(None, 0).sum(axis=0).min())
    assert first.largest_current == 2 * one_sign  # dash_syn is 1
    assert report.file_bytes == (tmp_path / "a.npz").stat().st_size
    text = str(report)
    assert repr(report) == text
    for part in (
        "Xylo Audio 2: ", "loops (recurrent)", "hidden neurons: 44 of 1,000",
        f"largest fan-out: {fan_out.max()} of 64", "latency: 2 steps",
    ):  # fmt: skip
        assert part in text
    assert json.loads(report.to_json())["layers"][1]["name"] == middle.name
    assert last.threshold == 60


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = export_xylo(small_model(), None)
    assert (report.path, report.file_bytes) == (None, 0)
    assert "nothing written" in str(report)
    assert not list(tmp_path.iterdir())


def test_labels_give_accuracies():
    keras.utils.set_random_seed(0)
    model = small_model(threshold=60)
    x = random_counts(0, 20, STEPS, 16, most=3)
    labels = spikes_of(model, x).sum(axis=1).argmax(axis=-1)
    labels[:5] = (labels[:5] + 1) % 4
    report = export_xylo(model, None, calibration=(x, labels))
    assert report.calibration.model_accuracy == report.calibration.chip_accuracy == 0.75
    assert "accuracy: model 75.00%, chip 75.00%" in str(report)


def test_float_weights_are_rounded_and_reported():
    keras.utils.set_random_seed(0)
    model = chain(
        ks.SpikingRecurrentDense(20, XyloLIF(), name="hidden"),
        ks.PerStep(keras.layers.Dense(4, use_bias=False), name="dense"),
        ks.SpikingActivation(XyloLIF(max_spikes=1)),
    )
    x = random_counts(0, 8, STEPS, 16, most=3)
    report = export_xylo(model, None, calibration=x)
    assert not report.exact
    assert report.layers[0].rounded > 600 and report.layers[0].weights == 720
    assert "hidden: 7" in report.warnings[0] and "Train it with XyloDense" in report.warnings[0]
    assert 0 < report.calibration.differing < 0.2 * report.calibration.of
    for layer in (model.layers[0], model.layers[1].layer):
        layer.set_weights([np.rint(64 * w) / 64 for w in layer.get_weights()])
    report = export_xylo(model, None, calibration=x)
    assert report.exact and report.calibration.differing == 0


def test_a_warning_where_a_current_may_saturate():
    model = small_model(dash_syn=8)
    model.get_layer("output").kernel.assign(np.full((20, 4), 1.0))
    (warning,) = export_xylo(model, None).warnings
    assert "output: if all inputs" in warning and "327,680; the chip holds 32,767" in warning


def test_the_export_package_has_the_public_names():
    names = {"XyloDense", "XyloLIF", "XyloRecurrentDense", "XyloReport", "XyloSimulator"}
    assert {*names, "export_xylo"} <= set(export.__all__)
    assert export.XyloLIF is XyloLIF and export.export_xylo is export_xylo
