"""Layers of Keras among spiking ones: weights that are rounded, normalisations that are folded."""

import re

import keras
import numpy as np
import pytest
from model_cases import (
    FAST,
    NEURON,
    TimeDistributed,
    assert_same_spikes,
    chain,
    enliven,
    functional,
    spikes_for,
)

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, export_loihi
from keras_slayer.export.formats.netx_reader import read_network


def keras_synapses():
    return (7, 6, 2), [
        TimeDistributed(keras.layers.Conv2D(4, (2, 3), use_bias=False)),
        ks.SpikingActivation(NEURON),
        TimeDistributed(keras.layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False)),
        keras.layers.Dropout(0.2),
        ks.SpikingActivation(NEURON),
        TimeDistributed(keras.layers.Flatten()),
        keras.layers.Dense(12, use_bias=False),
        ks.SpikingActivation(FAST),
        TimeDistributed(keras.layers.Dense(5, use_bias=False)),
        ks.SpikingActivation(NEURON),
    ]


@pytest.mark.parametrize("build", [chain, functional])
def test_layers_of_keras_on_the_grid_are_exact(build, tmp_path):
    shape, layers = keras_synapses()
    report = assert_same_spikes(enliven(build(shape, *layers), grid=True), tmp_path)
    assert [layer.type for layer in report.layers] == [
        "Conv2D",
        "DepthwiseConv2D",
        "Dense",
        "Dense",
    ]
    assert report.layers[0].name == layers[0].name
    assert not report.warnings


def test_float_weights_are_rounded_and_the_damage_is_told(tmp_path):
    shape, layers = keras_synapses()
    model = enliven(chain(shape, *layers), mean=0)
    inner = layers[0].layer.kernel
    kernel = np.array(inner)
    kernel[0, 0, 0, 1] = 9.0
    inner.assign(kernel)
    spikes = spikes_for(model)
    report = export_loihi(model, tmp_path / "a.net", calibration=spikes)
    conv = report.layers[0]
    assert (conv.exact, conv.out_of_range_weights) == (False, 1)
    assert conv.changed_weights > 40
    assert (
        f"{conv.name}: {conv.changed_weights} of 48 weights were rounded to 8 bits, 1 of"
        in (report.warnings[0])
    )
    assert not report.exact
    given, _, quantised, chip = report.calibration.variants
    assert given.differing == 0
    assert quantised.differing == chip.differing > 0
    assert report.calibration.differing == 0  # Keras with these weights agrees with the file
    # The same weights, put into the model, give the file's spikes.
    network = read_network(tmp_path / "a.net")
    inner.assign(network.layers[0].weight / 64)
    layers[2].layer.kernel.assign(network.layers[1].weight.reshape(2, 2, 4, 2) / 64)
    layers[6].kernel.assign(network.layers[3].weight / 64)
    layers[8].layer.kernel.assign(network.layers[4].weight / 64)
    np.testing.assert_array_equal(
        LoihiSimulator(tmp_path / "a.net").run(spikes), keras.ops.convert_to_numpy(model(spikes))
    )


def normalised(center=False):
    model = chain(
        (8,),
        TimeDistributed(keras.layers.Dense(6, use_bias=False)),
        keras.layers.BatchNormalization(center=center, name="norm"),
        ks.SpikingActivation(NEURON),
    )
    norm = model.get_layer("norm")
    # To the last bit powers of two, so that the scaled weights stay on the grid.
    norm.moving_variance.assign(np.array([0.25, 1, 4, 1, 1, 1]) - norm.epsilon)
    norm.gamma.assign([1, 1, 1, 0.5, 2, 1])
    return enliven(model, grid=True)


def test_normalisation_that_only_scales_is_folded(tmp_path):
    model = normalised()
    kernel = np.rint(np.asarray(model.layers[0].layer.kernel) * 16) / 16
    model.layers[0].layer.kernel.assign(kernel)
    assert_same_spikes(model, tmp_path)
    (layer,) = read_network(tmp_path / "a.net").layers
    np.testing.assert_allclose(layer.weight, kernel * 64 * [2, 1, 0.5, 0.5, 2, 1], atol=1e-3)


def test_a_shift_below_half_a_unit_changes_nothing(tmp_path):
    model = normalised()
    kernel = np.rint(np.asarray(model.layers[0].layer.kernel) * 16) / 16
    model.layers[0].layer.kernel.assign(kernel)
    model.get_layer("norm").moving_mean.assign([0, 0.007, -0.007, 0, 0, 0])
    assert_same_spikes(model, tmp_path)


@pytest.mark.parametrize("what", ["mean", "beta"])
def test_normalisation_that_shifts_needs_a_constant_source(what, tmp_path):
    model = normalised(center=True)
    kernel = np.rint(np.asarray(model.layers[0].layer.kernel) * 16) / 16
    model.layers[0].layer.kernel.assign(kernel)
    norm = model.get_layer("norm")
    (norm.moving_mean if what == "mean" else norm.beta).assign([0, 0, 0, 0, 0.5, 0])
    with pytest.raises(ValueError, match=r"constant: .*only chains fit a \.net file"):
        export_loihi(model, tmp_path / "a.net")
    spikes = spikes_for(model)
    report = export_loihi(model, tmp_path / "a.nir", calibration=spikes)
    assert report.exact
    assert report.calibration.differing == 0
    np.testing.assert_array_equal(
        LoihiSimulator(tmp_path / "a.nir").run(spikes), keras.ops.convert_to_numpy(model(spikes))
    )
    norm.beta.assign([0, 0, 0, 0, 0.51, 0])  # the chip's weights are in steps of 2 / 64
    report = export_loihi(model, tmp_path / "a.nir")
    assert not report.exact
    assert re.match(r"constant inputs .* of 1 layers differ .* up to 0\.0", report.warnings[0])
