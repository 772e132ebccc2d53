"""The neurons as parameter objects: what they check, describe and compute."""

import dataclasses
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer import neurons

sys.path.insert(0, str(Path(__file__).parent / "layers"))
import plain_neurons
from layer_cases import NEURONS

each = pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS.keys())


@each
def test_fire(neuron):
    """Spikes of the plain NumPy neuron; the membrane crosses the threshold where it fires."""
    z = np.random.default_rng(0).normal(0.1, 0.6, (2, 40, 3)).astype("float32")
    fired, membrane = (tensor.numpy() for tensor in neuron.fire(tf.constant(z)))
    np.testing.assert_array_equal(fired, plain_neurons.fire(neuron, z))
    assert 0.02 < fired.mean() < 0.9
    if isinstance(neuron, ks.LoihiCUBA):  # strictly above on the chip
        np.testing.assert_array_equal(fired, membrane > neuron.firing_threshold)
    else:
        np.testing.assert_array_equal(fired, membrane >= neuron.firing_threshold)


@each
@pytest.mark.parametrize("steps", [1, 25])
def test_response_and_its_kernel(neuron, steps):
    """The kernel is the response to a unit impulse, and both are the plain one."""
    impulse = np.zeros((1, steps, 1), "float64")
    impulse[0, 0] = 1
    kernel = neuron.response_kernel(steps)
    assert kernel.shape == (steps,) and kernel.dtype == "float64"
    np.testing.assert_allclose(neuron.response(tf.constant(impulse))[0, :, 0], kernel, atol=1e-9)
    np.testing.assert_allclose(plain_neurons.response(neuron, impulse)[0, :, 0], kernel, atol=1e-9)


@each
def test_below_threshold_the_membrane_is_the_response(neuron):
    z = np.full((1, 10, 1), 1 / 16, "float32")
    z[:, 3:] = 0
    fired, membrane = neuron.fire(tf.constant(z))
    assert not np.any(fired)
    np.testing.assert_allclose(membrane, neuron.response(tf.constant(z)), atol=4e-3)


def test_kernels_by_hand():
    """SRM at dt = 2: samples of (t / 4) exp(1 - t / 4) at t = 0, 2, 4, 6 ms."""
    kernel = ks.SRM(tau_response=4.0, dt=2.0).response_kernel(4)
    expected = [0.0, 0.5 * np.exp(0.5), 1.0, 1.5 * np.exp(-0.5)]
    np.testing.assert_allclose(kernel, expected, rtol=1e-12)
    cuba = ks.CUBA(current_decay=0.5, voltage_decay=0.25)
    assert cuba.response_kernel(3).tolist() == [1.0, 1.25, 1.1875]
    loihi = ks.LoihiCUBA(current_decay=2048, voltage_decay=1024)
    assert loihi.response_kernel(4).tolist() == [0.0, 1.0, 1.25, 1.1875]


def test_srm_times_are_ms():
    """Halving dt while doubling both counts of steps samples the same membrane."""
    coarse = ks.SRM(threshold=1e9, tau_response=5.0, dt=1.0)
    fine = dataclasses.replace(coarse, dt=0.5)
    np.testing.assert_allclose(
        fine.response_kernel(40)[::2], coarse.response_kernel(20), rtol=1e-12
    )
    z = np.zeros((1, 40, 1), "float32")
    z[0, 0] = 1
    _, membrane = fine.fire(tf.constant(z))
    np.testing.assert_allclose(membrane[0, ::2, 0], coarse.response_kernel(20), atol=1e-6)


def test_refractory_response_of_srm():
    """After a spike u falls by 2 thresholds at tau_refractory, in ms."""
    neuron = ks.SRM(threshold=4.0, tau_response=2.0, tau_refractory=3.0, dt=1.5)
    z = np.zeros((1, 6, 1), "float32")
    z[0, 0] = 6.0  # psp at 1.5 ms: 6 * 0.75 exp(0.25) = 5.78
    fired, membrane = neuron.fire(tf.constant(z))
    assert fired[0, :, 0].numpy().tolist() == [0, 1, 0, 0, 0, 0]
    t = 1.5 * np.arange(6)
    psp = 6.0 * t / 2 * np.exp(1 - t / 2)
    since = np.maximum(t - 1.5, 0)
    nu = -2 * 4.0 * since / 3 * np.exp(1 - since / 3)
    np.testing.assert_allclose(membrane[0, :, 0], psp + nu, atol=1e-5)


def test_firing_thresholds():
    assert ks.SRM(threshold=3.0).firing_threshold == 3.0
    assert ks.CUBA(threshold=0.7).firing_threshold == 0.7
    assert ks.LoihiCUBA(threshold_mantissa=80).firing_threshold == 1.25


@pytest.mark.parametrize(
    "tau, dt, decay", [(10.0, 1.0, 390), (1.0, 1.0, 2589), (3.0, 3.0, 2589), (1e-3, 1.0, 4096)]
)
def test_decay_from_tau(tau, dt, decay):
    """4096 (1 - exp(-dt / tau)); tau 10 ms at 1 ms is 390."""
    assert neurons.decay_from_tau(tau, dt) == decay


@each
def test_config_round_trip(neuron):
    config = neuron.get_config()
    assert set(config) == {field.name for field in dataclasses.fields(neuron)}
    assert type(neuron).from_config(config) == neuron
    serialised = keras.saving.serialize_keras_object(neuron)
    assert serialised["registered_name"] == f"keras_slayer>{type(neuron).__name__}"
    assert keras.saving.deserialize_keras_object(serialised) == neuron
    assert neurons.get(serialised) == neuron
    assert neurons.get(neuron) is neuron


@each
def test_frozen_and_comparable(neuron):
    with pytest.raises(dataclasses.FrozenInstanceError):
        neuron.surrogate_tau = 1.0
    other = dataclasses.replace(neuron, surrogate_scale=3.0)
    assert other != neuron and len({neuron, other, dataclasses.replace(neuron)}) == 2


def test_by_name():
    assert neurons.get("srm") == ks.SRM()
    assert neurons.get("cuba") == ks.CUBA()
    assert neurons.get("loihi") == ks.LoihiCUBA()
    assert neurons.get("alif") == ks.ALIF()
    assert neurons.get("rf") == ks.ResonateAndFire()


@pytest.mark.parametrize("identifier", ["SRM", "", None, 3, ks.SRM, {}, {"class_name": "SRM"}])
def test_bad_identifier(identifier):
    with pytest.raises(ValueError) as caught:
        neurons.get(identifier)
    message = str(caught.value)
    assert "neuron must be one of 'srm', 'cuba', 'loihi'" in message
    assert message.endswith(f"Received: neuron={identifier!r}")


def test_a_serialised_layer_is_no_neuron():
    layer = keras.saving.serialize_keras_object(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="neuron must be one of"):
        neurons.get(layer)


SURROGATE = [
    ({"surrogate_tau": 0}, "surrogate_tau must be a number in (0, inf)"),
    ({"surrogate_tau": -1.0}, "surrogate_tau must be a number in (0, inf)"),
    ({"surrogate_scale": -0.1}, "surrogate_scale must be a number in [0, inf)"),
    ({"gradient": "relu"}, "gradient must be one of 'slayer', 'exodus'"),
]
BAD = [
    *((cls, *case) for cls in neurons.BY_NAME.values() for case in SURROGATE),
    (ks.SRM, {"threshold": 0.0}, "threshold must be a number in (0, inf)"),
    (ks.SRM, {"threshold": float("nan")}, "threshold must be a number"),
    (ks.SRM, {"threshold": "10"}, "threshold must be a number"),
    (ks.SRM, {"tau_response": 0}, "tau_response must be a number in (0, inf)"),
    (ks.SRM, {"tau_refractory": -1}, "tau_refractory must be a number in (0, inf)"),
    (ks.SRM, {"refractory_scale": -1}, "refractory_scale must be a number in [0, inf)"),
    (ks.SRM, {"dt": float("inf")}, "dt must be a number in (0, inf)"),
    (ks.SRM, {"kernel_cutoff": 0}, "kernel_cutoff must be a number in (0, 1]"),
    (ks.SRM, {"kernel_cutoff": 1.5}, "kernel_cutoff must be a number in (0, 1]"),
    (ks.ALIF, {"threshold": 0}, "threshold must be a number in (0, inf)"),
    (ks.ALIF, {"tau_membrane": 0}, "tau_membrane must be a number in (0, inf)"),
    (ks.ALIF, {"tau_adaptation": -1}, "tau_adaptation must be a number in (0, inf)"),
    (ks.ALIF, {"beta": -0.1}, "beta must be a number in [0, inf)"),
    (ks.ALIF, {"dt": 0}, "dt must be a number in (0, inf)"),
    (ks.ResonateAndFire, {"threshold": 0}, "threshold must be a number in (0, inf)"),
    (ks.ResonateAndFire, {"frequency": 0}, "frequency must be a number in (0, inf)"),
    (ks.ResonateAndFire, {"tau": -1}, "tau must be a number in (0, inf)"),
    (
        ks.ResonateAndFire,
        {"frequency": 500},
        "frequency must be less than half a period per step, 500 Hz at dt=1 ms.",
    ),
    (ks.CUBA, {"threshold": -1}, "threshold must be a number in (0, inf)"),
    (ks.CUBA, {"current_decay": 1.1}, "current_decay must be a number in [0, 1]"),
    (ks.CUBA, {"voltage_decay": -0.1}, "voltage_decay must be a number in [0, 1]"),
    (
        ks.LoihiCUBA,
        {"threshold_mantissa": 0},
        "threshold_mantissa must be an integer in [1, 131071]",
    ),
    (ks.LoihiCUBA, {"threshold_mantissa": 131072}, "threshold_mantissa must be an integer"),
    (ks.LoihiCUBA, {"threshold_mantissa": 80.0}, "threshold_mantissa must be an integer"),
    (ks.LoihiCUBA, {"current_decay": 4097}, "current_decay must be an integer in [0, 4096]"),
    (ks.LoihiCUBA, {"voltage_decay": 0.03}, "voltage_decay must be an integer in [0, 4096]"),
    (ks.LoihiCUBA, {"weight_bits": 9}, "weight_bits must be an integer in [1, 8]"),
    (ks.LoihiCUBA, {"weight_bits": 0}, "weight_bits must be an integer in [1, 8]"),
]


@pytest.mark.parametrize("cls, options, allowed", BAD, ids=lambda v: str(getattr(v, "__name__", v)))
def test_bad_parameter(cls, options, allowed):
    with pytest.raises(ValueError, match=re.escape(allowed)) as caught:
        cls(**options)
    ((name, value),) = options.items()
    assert str(caught.value).endswith(f"Received: {name}={value!r}")


@pytest.mark.parametrize(
    "tau, dt, name", [(0, 1.0, "tau"), (-1, 1.0, "tau"), (10.0, 0, "dt"), (10.0, -1.0, "dt")]
)
def test_bad_decay_from_tau(tau, dt, name):
    with pytest.raises(ValueError, match=rf"{name} must be a number in \(0, inf\)"):
        neurons.decay_from_tau(tau, dt)
