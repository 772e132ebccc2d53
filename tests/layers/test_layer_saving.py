"""Models survive saving: in a fresh process that only imports keras and keras_slayer."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from layer_cases import (
    CASES,
    LIVELY,
    NEURONS,
    arguments,
    every_case,
    model_of,
    subprocess_environment,
)
from network_cases import NETWORKS, PORTABLE, Subclassed, compiled, each

import keras_slayer as ks

LOAD_EVERYTHING = """
import pathlib, sys
import keras
import keras_slayer
import numpy as np
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.saving.load_model(file)
    x = np.load(file.with_suffix(".input.npy"))
    np.save(file.with_suffix(".output.npy"), model(x))
"""


def test_load_model_in_a_fresh_process(tmp_path):
    """Identical outputs, for every kind of network and for every layer with every argument."""
    expected = {}
    for name, network in PORTABLE.items():
        model = compiled(network.make(), learning_rate=0.001)
        x, labels = network.data()
        model.fit(x, labels, verbose=0)
        expected[f"network {name}"] = (model, x)
    for name, case in CASES.items():
        expected[f"layer {name}"] = (model_of(case), case.spikes())
    for name, (model, x) in expected.items():
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.input.npy", x)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_EVERYTHING, str(tmp_path)],
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, (model, x) in expected.items():
        loaded = np.load(tmp_path / f"{name}.output.npy")
        np.testing.assert_array_equal(loaded, model(x), err_msg=name)
        assert np.any(loaded != 0), name


def test_a_subclassed_model_loads_where_its_class_is_known(tmp_path):
    network = NETWORKS["subclassed"]
    model = network.make()
    x, _ = network.data()
    expected = model(x).numpy()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is Subclassed
    np.testing.assert_array_equal(loaded(x), expected)


def test_training_goes_on_where_it_stopped(tmp_path):
    """Optimizer state is saved: two epochs, or one, save, load, and another."""
    network = PORTABLE["cnn-srm"]
    model = compiled(network.make())
    x, labels = network.data()
    model.fit(x, labels, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    model.fit(x, labels, shuffle=False, verbose=0)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.loss, ks.SpikeMaxLoss)
    loaded.fit(x, labels, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@each(NETWORKS)
def test_weights(network, tmp_path):
    """get_weights / set_weights and a weights-only file carry a network over."""
    x, _ = network.data()
    one, two, three = network.make(), network.make(), network.make()
    expected = one(x).numpy()
    assert np.any(two(x) != expected) and np.any(three(x) != expected)
    two.set_weights(one.get_weights())
    np.testing.assert_array_equal(two(x), expected)
    one.save_weights(tmp_path / "model.weights.h5")
    three.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(three(x), expected)


@each(PORTABLE)
def test_clone_and_summary(network):
    x, _ = network.data()
    model = network.make()
    clone = keras.models.clone_model(model)
    assert clone.count_params() == model.count_params()
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(x), model(x))
    assert not set(map(id, clone.variables)) & set(map(id, model.variables))
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    summary = "\n".join(lines)
    assert all(type(layer).__name__ in summary for layer in model.layers)
    assert f"{model.count_params():,}" in summary


@pytest.mark.parametrize(
    "name, count",
    [
        ("dense-srm", 6 * 4),
        ("conv-srm", 3 * 2 * 1 * 4),
        ("pool-srm", 0),
        ("activation-srm", 0),
        ("delay", 6),
        ("delay-neuron", 6 * 5 * 2),
        ("filter-srm", 0),
        ("filter-taps", 0),
        ("filter-learned", 3),
        ("flatten", 0),
    ],
)
def test_number_of_parameters(name, count):
    assert model_of(CASES[name]).count_params() == count


# Each argument away from its default, together in one layer where they go together.
EVERYTHING = {
    ks.SpikingDense: {
        "units": 4,
        "neuron": NEURONS["cuba"],
        "learn": {"threshold": ks.Learned(LIVELY, keras.regularizers.L2(0.75), trainable=False)},
        "per": "channel",
        "return_state": True,
        "use_bias": True,
        "kernel_initializer": LIVELY,
        "bias_initializer": keras.initializers.Ones(),
        "kernel_regularizer": keras.regularizers.L2(0.25),
        "bias_regularizer": keras.regularizers.L1(0.5),
        "kernel_constraint": keras.constraints.MaxNorm(3),
        "bias_constraint": keras.constraints.NonNeg(),
    },
    ks.SpikingSumPooling2D: {
        "pool_size": (3, 2),
        "strides": (2, 1),
        "padding": "same",
        "neuron": NEURONS["cuba"],
        "weight": 0.7,
        "learn": {"current_decay": ks.Learned(constraint=keras.constraints.NonNeg())},
        "per": "channel",
        "return_state": True,
    },
    ks.SpikingActivation: {
        "neuron": NEURONS["alif"],
        "learn": {"threshold": ks.Learned(), "beta": ks.Learned("ones")},
        "per": "channel",
        "return_state": True,
    },
    ks.DelayLayer: {
        "max_delay": 9.0,
        "per": "neuron",
        "dt": 0.5,
        "delay_initializer": keras.initializers.Constant(2.0),
        "delay_regularizer": keras.regularizers.L1(0.125),
        "return_state": True,
    },
    ks.TemporalFilter: {"kernel": [0.5, -1.0], "learnable": True, "return_state": True},
    ks.Flatten: {},
}
EVERYTHING[ks.SpikingRecurrentDense] = {
    **EVERYTHING[ks.SpikingDense],
    "recurrent_initializer": LIVELY,
    "recurrent_regularizer": keras.regularizers.L1(0.125),
    "recurrent_constraint": keras.constraints.MaxNorm(2),
}
EVERYTHING[ks.SpikingConv2D] = {
    **{k: v for k, v in EVERYTHING[ks.SpikingDense].items() if k != "units"},
    "filters": 4,
    "kernel_size": (3, 2),
    "strides": (2, 1),
    "padding": "same",
    "dilation_rate": (1, 1),
    "groups": 2,
}
EVERYTHING[ks.SpikingRecurrentConv2D] = {
    **EVERYTHING[ks.SpikingRecurrentDense],
    **EVERYTHING[ks.SpikingConv2D],
    "recurrent_kernel_size": (2, 3),
}
del EVERYTHING[ks.SpikingRecurrentConv2D]["units"]


@pytest.mark.parametrize("layer", EVERYTHING, ids=lambda layer: layer.__name__)
def test_no_argument_is_lost(layer):
    options = EVERYTHING[layer]
    assert set(options) == arguments(layer)
    config = layer(name="mine", trainable=False, dtype="bfloat16", **options).get_config()
    for name, value in options.items():
        # Each under its own name: a constraint of the kernel is none of the bias.
        assert config[name] == keras.saving.serialize_keras_object(value), name
    text = json.dumps(config)
    again = layer.from_config(json.loads(text))
    assert json.dumps(again.get_config()) == text
    assert (again.name, again.trainable, again.compute_dtype) == ("mine", False, "bfloat16")
    default = layer(**{k: options[k] for k in ("units", "filters", "kernel_size") if k in options})
    for name in set(options) - {"units", "filters", "kernel_size", "dilation_rate"}:
        assert default.get_config()[name] != config[name], f"{name} has its default"


def test_dilation_is_not_lost():
    layer = ks.SpikingConv2D(3, 2, dilation_rate=(2, 3))
    assert ks.SpikingConv2D.from_config(layer.get_config()).dilation_rate == (2, 3)


@every_case
def test_config_round_trip(case):
    """Through Keras' serialisation to JSON and back: the same layer, on the same weights."""
    layer, x = case.make(), case.spikes()
    y = layer(x)
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(layer)
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), y)


@pytest.mark.parametrize("name", NEURONS)
def test_neuron_is_serialised_in_the_config(name):
    neuron = NEURONS[name]
    config = ks.SpikingActivation(neuron).get_config()["neuron"]
    assert config["registered_name"] == f"keras_slayer>{type(neuron).__name__}"
    assert config["config"] == neuron.get_config()
    assert ks.SpikingActivation.from_config({"neuron": config}).neuron == neuron


@pytest.mark.parametrize(
    "name, neuron", [("srm", ks.SRM()), ("cuba", ks.CUBA()), ("loihi", ks.LoihiCUBA())]
)
def test_neuron_by_name(name, neuron):
    for layer in (
        ks.SpikingDense(3, name),
        ks.SpikingConv2D(3, 2, neuron=name),
        ks.SpikingSumPooling2D(neuron=name),
        ks.SpikingActivation(name),
        ks.TemporalFilter(name),
    ):
        assert layer.neuron == neuron


def test_delays_and_taps_are_saved(tmp_path):
    """The learnt numbers themselves, not only what comes out."""
    model = keras.Sequential(
        [
            keras.Input((8, 3)),
            ks.DelayLayer(delay_initializer=keras.initializers.Constant(4.25)),
            ks.TemporalFilter([1.0, 2.0], learnable=True),
        ]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    delays, taps = loaded.get_weights()
    assert delays.tolist() == [4.25] * 3 and taps.tolist() == [1.0, 2.0]
    x = np.eye(8, dtype="float32")[np.newaxis, :, :3]
    np.testing.assert_array_equal(loaded(x), model(x))


def test_mixed_precision_is_saved(tmp_path):
    case = CASES["dense-loihi"]
    model = model_of(case, dtype="mixed_float16")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].compute_dtype == "float16"
    np.testing.assert_array_equal(loaded(case.spikes()), model(case.spikes()))
