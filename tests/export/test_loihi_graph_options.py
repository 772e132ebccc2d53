"""Graphs: converted, calibrated, reported; and what of them is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph_cases import (
    SLOW,
    L,
    conv,
    dense,
    enliven,
    functional,
    image,
    model_of,
    per_step,
    spikes_for,
    vector,
)
from model_cases import NEURON, delay

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, export_loihi, to_loihi

CUBA = ks.CUBA(1.25, 0.25, 0.03)
SRM = ks.SRM(10.0, tau_response=4.0)


def shortcuts():
    """Spikes added, joined and pooled; SRM and CUBA."""
    (x,) = image()
    a = ks.SpikingConv2D(3, 3, neuron=SRM, padding="same")(x)
    b = L.Add()([a, ks.SpikingConv2D(3, 3, neuron=CUBA, padding="same")(a)])
    pooled = ks.SpikingSumPooling2D(2, neuron=CUBA)(L.Concatenate()([b, a]))
    return [x], ks.SpikingDense(4, SRM)(ks.Flatten()(pooled))


def currents():
    """Two kernels and a normalisation that lead to the same neurons."""
    x, y = vector(9, 5)
    z = L.Add()([L.Dense(7, use_bias=True)(x), L.Dense(7, use_bias=False)(y)])
    a = ks.SpikingActivation(CUBA)(L.BatchNormalization()(z))
    return [x, y], ks.SpikingDense(4, CUBA)(L.Add()([a, ks.SpikingDense(7, SRM)(x)]))


def loop():
    (x,) = vector()
    a = ks.SpikingRecurrentDense(8, neuron=CUBA)(x)
    return [x], ks.SpikingDense(4, CUBA)(L.Concatenate()([a, x]))


def loop_of_maps():
    (x,) = image()
    a = ks.SpikingRecurrentConv2D(3, 3, neuron=CUBA, recurrent_kernel_size=2)(x)
    return [x], ks.SpikingDense(4, CUBA)(ks.Flatten()(a))


def float_model(case):
    model = enliven(functional(case))
    for layer in model.layers:
        if isinstance(getattr(layer, "neuron", None), ks.SRM):
            layer.kernel.assign(4 * np.asarray(layer.kernel))
    return model


def given_to(model, spikes):
    return spikes if len(model.inputs) > 1 else spikes[0]


@pytest.mark.parametrize("case", [shortcuts, currents, loop, loop_of_maps])
def test_converted_graphs_fire_as_often_and_export(case, tmp_path):
    model = float_model(case)
    spikes = given_to(model, spikes_for(model, batch=8))
    converted = to_loihi(model, spikes)
    expected = keras.ops.convert_to_numpy(model(spikes))
    found = keras.ops.convert_to_numpy(converted(spikes))
    assert 0.03 < expected.mean() < 0.8
    assert found.sum() == pytest.approx(expected.sum(), rel=0.05)
    report = export_loihi(converted, tmp_path / "a.nir", calibration=spikes)
    assert report.calibration.differing == 0
    if case is not currents:  # whose normalisation is folded into rounded weights
        assert report.exact
        np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.nir").run(spikes), found)
    again = export_loihi(model, tmp_path / "b.nir", calibration=spikes, convert=True)
    assert again.converted
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def test_weights_of_two_kinds_of_neurons_cannot_be_scaled():
    (x,) = vector()
    z = L.Dense(6, use_bias=False, name="both")(x)
    a = ks.SpikingActivation(CUBA)(z)
    b = ks.SpikingActivation(CUBA)(L.Add()([z, L.Dense(6, use_bias=False, name="large")(x)]))
    model = enliven(keras.Model(x, ks.SpikingDense(3, CUBA)(L.Add()([a, b]))))
    model.get_layer("large").kernel.assign(np.full((9, 6), 60.0))
    with pytest.raises(ValueError, match="the weights of 'both' also lead to neurons that need"):
        to_loihi(model)


def test_weights_beside_spikes_cannot_be_scaled():
    """Spikes that join the input of neurons have a weight of 1, which fixes the scale of all."""
    (x,) = vector()
    z = L.Dense(9, use_bias=False, name="both")(x)
    first = ks.SpikingActivation(CUBA)(L.Add()([z, x]))
    alone = enliven(keras.Model(x, first))
    converted = to_loihi(alone)
    kernel = np.asarray(alone.get_layer("both").kernel)
    np.testing.assert_array_equal(converted.get_layer("both").kernel, kernel)
    model = keras.Model(x, L.Add()([first, ks.SpikingActivation(CUBA)(z)]))
    with pytest.raises(ValueError, match="the weights of 'both' also lead to neurons that need"):
        to_loihi(model)


def several():
    model = model_of("several_inputs_and_outputs")
    return model, spikes_for(model, batch=4)


def test_calibration_of_several_inputs_in_every_form(tmp_path):
    model, spikes = several()
    names = [tensor.name for tensor in model.inputs]
    by_name = dict(zip(names, spikes, strict=True))
    labels = np.arange(4) % 3
    forms = [
        spikes,
        by_name,
        (spikes, labels),
        (by_name, labels),
        tf.data.Dataset.from_tensor_slices((tuple(spikes), labels)).batch(2),
        tf.data.Dataset.from_tensor_slices((by_name, labels)).batch(3),
    ]
    reports = [export_loihi(model, tmp_path / "a.nir", calibration=form) for form in forms]
    for report in reports:
        found = report.calibration
        assert (found.samples, found.differing) == (4, 0)
        assert [variant.accuracy for variant in found.variants] == [None] * 4  # several outputs
        assert found.variants[-1].differing == 0
        assert [raster.name for raster in found.rasters[:2]] == names
    assert report.input_shape == ((9,), (4,))
    assert report.output_shape == ((3,), (6,))
    assert "(9,), (4,)" in str(report)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x[:1],
            r"spikes for each of the inputs \[.*\]\D*as a list or a dict.*: list of length 1$",
        ),
        (lambda x: x[0], r"as a list or a dict\. Received: ndarray of shape \(4, 40, 9\)$"),
        (lambda x: [x[0], x[0]], r"shape \(samples, time, 4\) for 'keras_tensor"),
        (lambda x: [x[0], x[1][:, :5]], "as many samples and steps for each input"),
    ],
)
def test_calibration_that_does_not_fit_several_inputs(change, message, tmp_path):
    model, spikes = several()
    with pytest.raises(ValueError, match=message):
        export_loihi(model, tmp_path / "a.nir", calibration=change(spikes))
    assert not list(tmp_path.iterdir())


def test_the_host_reads_spikes_from_several_places(tmp_path):
    (x,) = vector()
    a = dense(6)(x)
    b = dense(6, SLOW)(a)
    counts = keras.ops.sum(L.Add()([a, b]), axis=1)
    outputs = L.Dense(3, name="readout")(L.Concatenate()([counts, keras.ops.sum(x, axis=1)]))
    model = enliven(keras.Model(x, outputs))
    (spikes,) = spikes_for(model, batch=6)
    labels = np.argmax(model.predict(spikes, verbose=0), axis=-1)
    report = export_loihi(model, tmp_path / "a.nir", calibration=(spikes, labels))
    assert len(report.output_shape) == 2
    assert report.host_layers[-1] == "readout"
    for variant in report.calibration.variants:
        if variant.name != "float":
            assert (variant.accuracy, variant.same_decision) == (1.0, 1.0)


def test_relays_and_constants_take_energy(tmp_path):
    model = model_of("late_with_constants")
    (spikes,) = spikes_for(model)
    found = export_loihi(model, tmp_path / "a.nir", calibration=spikes).calibration
    record = LoihiSimulator(tmp_path / "a.nir").record(spikes)
    assert len(record.layers) == 4 and len(found.layers) == 1
    assert found.energy == pytest.approx(record.energy.mean())
    assert found.energy > found.layers[0].energy


def test_a_dry_run_finds_the_format_that_holds_the_network():
    assert export_loihi(model_of("recurrent"), None, dry_run=True).format == "nir"
    (x,) = vector()
    chain = enliven(keras.Model(x, dense(3)(x)))
    assert export_loihi(chain, None, dry_run=True).format == "net"


def test_an_average_of_spikes_is_rounded_and_told(tmp_path):
    (x,) = vector()
    model = enliven(keras.Model(x, dense(5)(L.Average()([dense(9)(x), x]))))
    kernel = np.asarray(model.layers[-1].kernel)
    model.layers[-1].kernel.assign(kernel + 2 / 64)  # half of it is odd
    (spikes,) = spikes_for(model)
    report = export_loihi(model, tmp_path / "a.nir", calibration=spikes)
    assert [layer.exact for layer in report.layers] == [True, False]
    assert report.calibration.differing == 0


def channels_late_by_different_times():
    (x,) = image()
    late = keras.initializers.Constant([0.0, 2.0])
    spread = ks.DelayLayer(delay_initializer=late)(x)
    grouped = conv(2, groups=2)(spread)
    return x, conv(2)(L.Add()([grouped, conv(2)(x)]))


def late_by_too_much():
    (x,) = image()
    late = keras.initializers.Constant(17.0)
    y = L.Add()([conv(2)(ks.DelayLayer(delay_initializer=late)(x)), conv(2)(x)])
    return x, dense(3)(ks.Flatten()(conv(2)(y)))


def a_constant_added():
    (x,) = vector()
    return x, dense(3)(x + 1.0)


def broadcast():
    (x,) = image()
    return x, conv(2)(L.Add()([conv(1)(x), x]))


def pooled_averages():
    (x,) = image()
    return x, conv(2)(ks.PerStep(L.AveragePooling2D(2))(x))


def given_a_state():
    x, state = keras.Input((None, 9)), keras.Input((3, 2))
    return [x, state], dense(3)(x, initial_state=state)


def between():
    (x,) = image()
    return x, ks.SpikingActivation(NEURON)(ks.DelayLayer()(per_step(3)(x)))


REFUSED = {
    channels_late_by_different_times: "before it that differs from input to input|0 to 2 steps",
    late_by_too_much: "one of its inputs comes 17 to 17 steps later than another",
    a_constant_added: "it joins what the model computes with a constant",
    broadcast: r"it adds data of the shapes \(6, 5, 1\), \(6, 5, 2\)",
    pooled_averages: "a PerStep AveragePooling2D has no counterpart",
    given_a_state: "it is called with 2 tensors",
    between: "it stands between the synapses of",
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.__name__)
def test_refusals_of_graphs(case, tmp_path):
    model = enliven(keras.Model(*case()))
    with pytest.raises(ValueError, match=REFUSED[case]):
        export_loihi(model, tmp_path / "a.nir")
    assert not list(tmp_path.iterdir())


def test_delays_before_dense_synapses_of_a_sum(tmp_path):
    """Each term of a sum has delays of its own; over 62 steps they are refused."""
    (x,) = vector()
    a = delay(60, seed=1)(dense(9)(x))
    model = enliven(keras.Model(x, dense(4)(delay(2, seed=2)(L.Add()([a, x])))))
    report = export_loihi(model, tmp_path / "a.nir")
    assert 50 < report.layers[-1].largest_delay <= 62
    model.layers[-2].delay.assign(np.full(9, 2.0))
    model.get_layer(model.layers[2].name).delay.assign(np.full(9, 61.0))
    with pytest.raises(ValueError, match="the delays before it add up to 63 steps; allowed: at"):
        export_loihi(model, tmp_path / "b.nir")
