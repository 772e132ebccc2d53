"""Models of SRM and CUBA neurons as models of Loihi's: what changes, stays, is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from convert_cases import (
    CUBA,
    KINDS,
    LOIHI,
    SRM,
    STEPS,
    counts,
    image_layers,
    layers_of,
    random_spikes,
    sequential,
)

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator, export_loihi
from keras_slayer.export.conversion.convert import to_loihi
from keras_slayer.neurons import Neuron


@pytest.mark.parametrize("kind", KINDS)
def test_only_neurons_and_scales_change(kind):
    model = KINDS[kind]()
    found = to_loihi(model, random_spikes(model))
    assert type(found) is type(model)
    assert found.name == model.name
    assert not found.compiled
    assert found.output_shape == model.output_shape
    pairs = list(zip(layers_of(model), layers_of(found), strict=True))
    assert [a.name for a, _ in pairs] == [b.name for _, b in pairs]
    changed = {"neuron", "weight", "kernel_initializer"}
    by_name = {}
    for given, new in pairs:
        assert given is not new
        assert type(given) is type(new)
        one, other = given.get_config(), new.get_config()
        assert {key for key in one if one[key] != other[key]} <= changed, given.name
        by_name[given.name] = (given, new)
    for name in ("delay", "chip", "host"):
        for a, b in zip(by_name[name][0].weights, by_name[name][1].weights, strict=True):
            np.testing.assert_array_equal(a, b)
    assert by_name["chip"][1].neuron == LOIHI
    for name in ("conv", "pool", "neurons", "output"):
        given, new = by_name[name]
        assert isinstance(new.neuron, ks.LoihiCUBA)
        assert new.neuron.weight_bits == 8
        for field in ("surrogate_tau", "surrogate_scale", "gradient"):
            assert getattr(new.neuron, field) == getattr(given.neuron, field)
    decay = round(4096 * (1 - np.exp(-1 / 4)))
    assert by_name["conv"][1].neuron.voltage_decay == decay
    assert by_name["output"][1].neuron.current_decay == round(0.4 * 4096)


@pytest.mark.parametrize("kind", KINDS)
def test_the_given_model_is_untouched(kind):
    model = KINDS[kind]()
    model.compile("sgd", "mse")
    spikes = random_spikes(model)
    before = (model.to_json(), [np.array(w) for w in model.get_weights()], np.array(model(spikes)))
    found = to_loihi(model, spikes)
    assert not found.compiled
    for weight in found.weights:
        weight.assign(weight * 0 + 1)
    assert model.compiled
    assert model.to_json() == before[0]
    for a, b in zip(model.get_weights(), before[1], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model(spikes), before[2])


def test_weights_are_the_given_ones_scaled():
    model = KINDS["sequential"]()
    found = to_loihi(model)
    for name, kernel in (("conv", "kernel"), ("output", "kernel"), ("synapses", "layer.kernel")):
        given, new = (
            np.asarray(
                m.get_layer(name).layer.kernel if "." in kernel else m.get_layer(name).kernel
            )
            for m in (model, found)
        )
        scale = (new * given).sum() / (given * given).sum()
        assert scale > 1
        np.testing.assert_allclose(new / scale, given, atol=0.02 * np.abs(given).max())
        assert 2 < np.abs(new).max() <= 4
    # Keras' own layer does not round its weights: they are on the chip's grid.
    integers = 32 * np.asarray(found.get_layer("synapses").layer.kernel)
    np.testing.assert_array_equal(integers, np.rint(integers))


def test_calibrated_layers_fire_as_often_as_the_given_ones():
    model = KINDS["sequential"]()
    spikes = random_spikes(model, samples=24)
    expected = counts(model, spikes)
    assert min(expected.values()) > 100
    plain = counts(to_loihi(model), spikes)
    found = counts(to_loihi(model, spikes), spikes)
    for name in ("conv", "pool", "neurons", "output"):
        assert found[name] == pytest.approx(expected[name], rel=0.01), name
    assert any(abs(plain[name] - count) > 0.05 * count for name, count in expected.items())


def test_a_layer_silent_on_calibration_data_keeps_its_threshold():
    model = sequential(*image_layers())
    assert [layer.get_config() for layer in to_loihi(model, 0 * random_spikes(model)).layers] == [
        layer.get_config() for layer in to_loihi(model).layers
    ]


@pytest.mark.parametrize("calibrated", [False, True])
def test_a_pools_weight_is_the_largest_the_chip_has(calibrated):
    model = sequential(*image_layers()[:2])
    found = to_loihi(model, random_spikes(model) if calibrated else None).layers[-1]
    assert found.quantized_weight() == 254 / 64
    peak = found.neuron.response_kernel().max() * found.quantized_weight()
    in_thresholds = peak / found.neuron.firing_threshold
    assert in_thresholds == pytest.approx(1.1, rel=0.3 if calibrated else 2e-3)
    assert (abs(in_thresholds - 1.1) > 0.005) == calibrated


@pytest.mark.parametrize("bits", [2, 4])
def test_weight_bits(bits):
    model = sequential(*image_layers())
    found = to_loihi(model, weight_bits=bits)
    assert found.get_layer("conv").neuron.weight_bits == bits
    assert found.get_layer("chip").neuron.weight_bits == 6
    step = 2 ** (9 - bits)
    for kernel in (
        found.get_layer("conv").quantized_kernel(),
        found.get_layer("synapses").layer.kernel,
        found.get_layer("pool").quantized_weight(),
    ):
        integers = np.asarray(kernel) * 64 / step
        np.testing.assert_array_equal(integers, np.rint(integers))
        assert np.any(integers != 0)
    with pytest.raises(ValueError, match="weight_bits must be an integer"):
        to_loihi(model, weight_bits=9)


def test_normalisation_is_scaled_where_it_has_a_scale():
    def build(scale):
        model = sequential(
            keras.layers.Dense(6, use_bias=False, name="synapses"),
            keras.layers.BatchNormalization(center=False, scale=scale, name="norm"),
            ks.SpikingActivation(SRM, name="neurons"),
            shape=(9,),
        )
        model.get_layer("norm").moving_variance.assign(np.linspace(0.1, 2, 6))
        return model

    for scale in (True, False):
        model = build(scale)
        found = to_loihi(model)
        np.testing.assert_array_equal(
            found.get_layer("synapses").kernel, model.get_layer("synapses").kernel
        )
        norm, threshold = found.get_layer("norm"), found.get_layer("neurons").neuron
        factor = float(norm.gamma[0]) if scale else 1.0
        assert (factor > 1) == scale
        gain = np.e / 4 * np.exp(-1 / 4)
        assert threshold.firing_threshold == pytest.approx(factor / gain, rel=5e-3)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading(kind, tmp_path):
    model = KINDS[kind]()
    spikes = random_spikes(model)
    found = to_loihi(model, spikes)
    found.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    output = np.asarray(found(spikes))
    assert output.std() > 0
    np.testing.assert_array_equal(loaded(spikes), output)


def test_conversion_is_deterministic():
    model = KINDS["sequential"]()
    spikes = random_spikes(model)
    first = to_loihi(model, spikes)
    keras.utils.set_random_seed(99)
    second = to_loihi(model, spikes)
    assert first.to_json() == second.to_json()
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_calibration_data_of_every_kind():
    model = sequential(*image_layers()[:2])
    spikes = random_spikes(model, samples=140)
    labels = np.zeros(140)
    expected = to_loihi(model, spikes).to_json()
    for data in (
        (spikes, labels),
        tf.data.Dataset.from_tensor_slices(spikes).batch(9),
        tf.data.Dataset.from_tensor_slices((spikes, labels)).batch(50),
        spikes[:128],
    ):
        assert to_loihi(model, data).to_json() == expected
    assert to_loihi(model, spikes[:60]).to_json() != expected
    with pytest.raises(ValueError, match=r"calibration must .* Received: .*\(2, 40, 8\)"):
        to_loihi(model, np.zeros((2, STEPS, 8)))


def test_the_exported_file_gives_the_spikes_of_the_converted_model(tmp_path):
    model = sequential(*image_layers()[:-1])
    spikes = random_spikes(model)
    found = to_loihi(model, spikes)
    export_loihi(found, tmp_path / "a.net")
    expected = found.predict(spikes, verbose=0)
    assert 0.02 < expected.mean() < 0.8
    np.testing.assert_array_equal(LoihiSimulator(tmp_path / "a.net").run(spikes), expected)


def test_all_problems_in_one_error():
    model = sequential(
        ks.SpikingConv2D(4, 3, neuron=SRM, use_bias=True, name="biased"),
        ks.SpikingSumPooling2D(2, neuron=ks.SRM(), weight=1e-6, name="weak"),
        ks.Flatten(),
        keras.layers.Dense(6, activation="relu", use_bias=False, name="rectified"),
        ks.SpikingActivation(SRM),
        ks.SpikingDense(4, neuron=ks.SRM(tau_response=1e5), name="slow"),
        ks.TemporalFilter("srm", name="filter"),
        ks.SpikingDense(4, neuron=CUBA, name="broken"),
    )
    broken = np.ones((4, 4))
    broken[1, 1] = np.nan
    model.get_layer("broken").kernel.assign(broken)
    with pytest.raises(ValueError, match="cannot be converted to Loihi") as error:
        to_loihi(model)
    lines = str(error.value).splitlines()
    assert len(lines) == 7
    for line, start in zip(
        lines[1:],
        (
            "biased: it has a bias",
            "weak: its taps are ",
            "rectified: its activation is 'relu'",
            "slow: a time constant of SRM",
            "filter: TemporalFilter has no counterpart",
            "broken: 1 of 16 weights are not finite",
        ),
        strict=True,
    ):
        assert line.startswith(f"  - {start}"), line
        assert "; to do: " in line


def test_other_neurons_have_no_counterpart():
    # A CUBA neuron in all but its class.
    members = {name: getattr(CUBA, name) for name in Neuron.__abstractmethods__}
    members["__getattr__"] = lambda self, name: getattr(CUBA, name)
    other = type("Other", (Neuron,), members)()
    model = sequential(ks.SpikingDense(3, neuron=other, name="other"), shape=(4,))
    message = r"other: its neuron is Other; allowed: SRM and CUBA, .*; to do: build it with one of"
    with pytest.raises(ValueError, match=message):
        to_loihi(model)


def test_what_is_no_model_for_the_chip():
    with pytest.raises(ValueError, match=r"model must be a keras\.Model"):
        to_loihi([ks.SpikingDense(3)])
    with pytest.raises(ValueError, match="no spiking layer"):
        to_loihi(sequential(keras.layers.Dense(3), shape=(4,)))
    inputs = keras.Input((STEPS, 4))
    x = ks.SpikingDense(4)(inputs)
    with pytest.raises(ValueError, match="Subtract has no counterpart"):
        to_loihi(keras.Model(inputs, ks.SpikingDense(2)(x - inputs)))
