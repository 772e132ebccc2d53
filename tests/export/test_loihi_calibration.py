"""Calibration: what model and export did on data, counted again by hand."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.export import export_loihi
from keras_slayer.export.report.calibration import RASTER_SPIKES
from keras_slayer.export.report.measure import _raster
from keras_slayer.export.samples import BATCH, batches
from keras_slayer.export.simulation import energy

STEPS = 25
NEURON = ks.LoihiCUBA(threshold_mantissa=200, current_decay=1024, voltage_decay=300)


def build(weight_bits=8):
    neuron = ks.LoihiCUBA(200, 1024, 300, weight_bits=weight_bits)
    model = keras.Sequential(
        [
            keras.Input((STEPS, 6, 5, 2)),
            ks.SpikingConv2D(3, 2, neuron=neuron, name="conv"),
            ks.Flatten(),
            ks.SpikingDense(4, neuron=neuron, name="out"),
        ]
    )
    rng = np.random.default_rng(1)
    for layer in (model.get_layer("conv"), model.get_layer("out")):
        layer.kernel.assign(rng.normal(0.2, 0.9, layer.kernel.shape))
    return model


def data(samples=21, density=0.2):
    rng = np.random.default_rng(2)
    x = (rng.random((samples, STEPS, 6, 5, 2)) < density).astype(np.float32)
    return x, rng.integers(0, 4, samples)


def test_counts_by_hand():
    model = build()
    x, y = data()
    found = export_loihi(model, None, dry_run=True, calibration=(x, y)).calibration
    hidden = np.asarray(model.layers[0](x))
    out = np.asarray(model(x))
    assert (found.samples, found.steps) == (21, 21 * STEPS)
    assert [variant.name for variant in found.variants] == [
        "as given",
        "float",
        "quantised",
        "chip",
    ]
    for variant in (found.variants[0], *found.variants[2:]):
        assert variant.accuracy == np.mean(np.argmax(out.sum(axis=1), axis=-1) == y)
        assert variant.spikes == out.sum() / 21
        assert (variant.differing, variant.of) == (0, out.size)
        assert variant.same_decision == 1
    conv, dense = found.layers
    assert (conv.name, dense.name) == ("conv", "out")
    assert conv.spikes == pytest.approx(hidden.sum() / 21)
    assert conv.rate == pytest.approx(hidden.mean())
    assert conv.silent == pytest.approx(np.mean(hidden.sum(axis=(0, 1)) == 0))
    assert (conv.differing, conv.of) == (0, hidden.size)
    # Of the last step's spikes nothing is seen any more.
    weights = np.asarray(model.layers[2].quantized_kernel())
    met = hidden[:, :-1].reshape(21, STEPS - 1, -1).sum(axis=(0, 1)) @ (weights != 0).sum(axis=1)
    assert dense.synaptic_operations == pytest.approx(met / 21)
    joules = (
        23.6e-12 * met + 81e-12 * out.sum() + 52e-12 * (out.size - out.sum()) + 1.7e-12 * out.sum()
    )
    assert dense.energy == pytest.approx(joules / 21)
    assert found.energy == pytest.approx(conv.energy + dense.energy)
    assert found.differing == 0


def test_energy_adds_up():
    cost = energy.estimate(neurons=10, steps=100, spikes=50, synaptic_operations=2000)
    assert cost.synapses == pytest.approx(47.2e-9)
    assert cost.neurons == pytest.approx(50 * 81e-12 + 950 * 52e-12)
    assert cost.total == cost.synapses + cost.neurons + cost.spikes


def test_float_form_is_the_cuba_network():
    model = build()
    x, y = data()
    found = export_loihi(model, None, dry_run=True, calibration=(x, y)).calibration.variants[1]
    above = float(np.nextafter(np.float32(200 / 64), np.float32(9)))
    neuron = ks.CUBA(above, current_decay=1024 / 4096, voltage_decay=300 / 4096)
    reference = keras.Sequential(
        [
            keras.Input((STEPS, 6, 5, 2)),
            ks.SpikingConv2D(3, 2, neuron=neuron),
            ks.Flatten(),
            ks.SpikingDense(4, neuron=neuron),
        ]
    )
    reference.set_weights([np.asarray(weight) for weight in model.weights])
    out = np.asarray(reference(x))[:, :-2]  # two layers, two steps earlier than the chip
    assert found.spikes == out.sum() / 21
    expected = np.asarray(model(x))
    late = np.concatenate([np.zeros_like(out[:, :2]), out], axis=1)
    assert found.differing == np.count_nonzero(late != expected) > 0
    assert found.accuracy == np.mean(np.argmax(out.sum(axis=1), axis=-1) == y)


def test_fewer_bits_are_compared_with_the_model_as_given():
    x, y = data()
    report = export_loihi(build(), None, dry_run=True, calibration=(x, y), weight_bits=3)
    assert not report.exact
    assert [layer.weight_bits for layer in report.layers] == [3, 3]
    given, _, quantised, chip = report.calibration.variants
    assert (given.differing, report.calibration.differing) == (0, 0)
    assert quantised.differing == chip.differing > 0
    # The model that trains with three bits computes just this (rounded once instead of twice,
    # so from weights that are on the finer grid already).
    model = build()
    for layer in model.layers[::2]:
        layer.kernel.assign(layer.quantized_kernel())
    coarse = build(weight_bits=3)
    coarse.set_weights([np.asarray(weight) for weight in model.weights])
    assert chip.spikes == np.asarray(coarse(x)).sum() / 21
    assert "were rounded to 3 bits" in report.warnings[0]
    exact = export_loihi(coarse, None, dry_run=True, calibration=(x, y))
    assert exact.exact
    assert exact.calibration.variants[-1].differing == 0


def test_accuracies_are_of_each_forms_own_decisions():
    """Labels that the chip's decisions meet, and those of the model as given do not."""
    model = build()
    x, _ = data()
    given = np.argmax(np.asarray(model(x)).sum(axis=1), axis=-1)
    coarse = build(weight_bits=2)
    for layer, fine in zip(coarse.layers[::2], model.layers[::2], strict=True):
        layer.kernel.assign(fine.quantized_kernel())
    labels = np.argmax(np.asarray(coarse(x)).sum(axis=1), axis=-1)
    agreed = np.mean(given == labels)
    assert agreed < 0.9
    report = export_loihi(model, None, dry_run=True, calibration=(x, labels), weight_bits=2)
    as_given, _, quantised, chip = report.calibration.variants
    assert (as_given.accuracy, quantised.accuracy, chip.accuracy) == (agreed, 1.0, 1.0)
    assert (as_given.same_decision, quantised.same_decision) == (1.0, agreed)
    assert chip.same_decision == agreed


def test_rasters_are_the_first_sample():
    model = build()
    x, _ = data()
    found = export_loihi(model, None, dry_run=True, calibration=x).calibration
    assert [raster.name for raster in found.rasters] == ["input", "conv", "out"]
    expected = np.asarray(model(x[:1]))[0]
    raster = found.rasters[-1]
    for steps, neurons in (raster.keras, raster.chip):
        drawn = np.zeros((raster.steps, raster.neurons))
        drawn[list(steps), list(neurons)] = 1
        np.testing.assert_array_equal(drawn, expected)
    json.dumps(found.rasters[0].keras)
    assert all(variant.accuracy is None for variant in found.variants)


def test_rasters_keep_a_limited_number_of_spikes():
    ours = np.ones((STEPS, 30, 30))
    theirs = ours.copy()
    theirs[7, 2, 3] = 0
    raster = _raster("layer", ours, theirs)
    assert (raster.neurons, raster.steps) == (900, STEPS)
    assert (raster.keras_spikes, raster.chip_spikes) == (900 * STEPS, 900 * STEPS - 1)
    kept, of_chip = (set(zip(*side, strict=True)) for side in (raster.keras, raster.chip))
    assert len(kept) == RASTER_SPIKES
    # The one spike that differs is there, and no other seems to.
    assert kept - of_chip == {(7, 2 * 30 + 3)}
    assert of_chip < kept


def test_data_in_every_form_is_the_same():
    x, y = data()
    one_hot = np.eye(4)[y]
    pairs = tf.data.Dataset.from_tensor_slices((x, y))
    forms = [
        (x, y),
        [x, one_hot],
        (x, y[:, None]),
        (tf.constant(x), tf.constant(y)),
        pairs.batch(BATCH),
        tf.data.Dataset.from_tensor_slices((x, one_hot, y)).batch(BATCH),
    ]
    for form in forms:
        found = list(batches(form, {"input": (6, 5, 2)}))
        assert [len(labels) for _, labels in found] == [16, 5]
        np.testing.assert_array_equal(np.concatenate([spikes for (spikes,), _ in found]), x)
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in found]), y)
    for form in (x, pairs.map(lambda spikes, _: spikes).batch(7)):
        assert all(labels is None for _, labels in batches(form, {"input": (6, 5, 2)}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: x[..., :1], r"shape \(samples, time, 6, 5, 2\)\. Received: .* 6, 5, 1\)"),
        (lambda x, y: x[0], "Received: spikes of shape"),
        (lambda x, y: (x, y[:-1]), "Received: 21 samples and 20 labels"),
        (lambda x, y: x[:0], "at least one sample"),
        (lambda x, y: "data", "Received: str"),
        (lambda x, y: (x, np.stack([y, y, y], 1)[:, :, None]), "one label, or one row"),
        (lambda x, y: 2 * x, "spikes must be 0 or 1"),
    ],
)
def test_bad_data(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_loihi(build(), tmp_path / "a.net", calibration=make(*data()))
    assert not list(tmp_path.iterdir())  # nothing is written before the data were seen


def test_text_of_the_report():
    x, y = data()
    text = str(export_loihi(build(), None, dry_run=True, calibration=(x, y)))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "network accuracy same decision spikes/sample differing spikes" in lines
    assert any(line.startswith("chip ") and line.endswith("0 of 2,100") for line in lines)
    assert any(line.startswith("out ") and line.endswith(" 0") for line in lines)
    assert any(line.startswith("calibration: 21 samples, about ") for line in lines)
