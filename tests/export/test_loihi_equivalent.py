"""The mathematics of a conversion: same linear response, weights and thresholds on the chip."""

import dataclasses
import math

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export.conversion.convert import to_loihi
from keras_slayer.export.conversion.equivalent import (
    GRID,
    NoEquivalentError,
    choose_pool_scale,
    choose_scale,
    equivalent_neuron,
    threshold_mantissa,
)
from keras_slayer.export.quantize import largest_synaptic_sum
from keras_slayer.export.targets.loihi1 import to_float

NEURONS = {
    "srm": ks.SRM(threshold=3.0),
    "srm, short": ks.SRM(tau_response=1.0, threshold=0.7),
    "srm, coarse steps": ks.SRM(tau_response=6.0, dt=3.0),
    "srm, long": ks.SRM(tau_response=80.0),
    "cuba": ks.CUBA(),
    "cuba, slow": ks.CUBA(current_decay=0.05, voltage_decay=0.01),
    "cuba, no leak": ks.CUBA(current_decay=1.0, voltage_decay=0.0),
}


def random_spikes(shape, density=0.1, seed=5):
    return (np.random.default_rng(seed).random(shape) < density).astype(np.float32)


@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
def test_membranes_are_the_same_in_thresholds(neuron):
    """Below threshold; Loihi's in its integers, with rounded weights and decays."""
    kernel = np.random.default_rng(1).normal(0, 1, (6, 5)).astype(np.float32)
    spikes = random_spikes((2, 100, 6))
    expected = np.asarray(neuron.response(spikes @ kernel))
    silent = dataclasses.replace(neuron, threshold=1.5 * float(expected.max()))
    model = keras.Sequential([keras.Input((100, 6)), ks.SpikingDense(5, neuron=silent)])
    model.layers[0].kernel.assign(kernel)
    found = to_loihi(model).layers[0]
    _, membrane = found.neuron.fire(spikes @ found.quantized_kernel())
    membrane = np.asarray(membrane) / found.neuron.firing_threshold
    expected = expected / silent.threshold
    if isinstance(neuron, ks.CUBA):  # the chip's step from layer to layer
        expected = np.pad(expected, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    np.testing.assert_allclose(membrane, expected, atol=0.02 * np.abs(expected).max())


def test_decays_and_gain_by_hand():
    neuron = ks.SRM(tau_response=10.0, surrogate_tau=0.7, surrogate_scale=0.2, gradient="exodus")
    found, gain = equivalent_neuron(neuron, weight_bits=5)
    assert (found.current_decay, found.voltage_decay, found.weight_bits) == (390, 390, 5)
    assert (found.surrogate_tau, found.surrogate_scale, found.gradient) == (0.7, 0.2, "exodus")
    assert gain == pytest.approx(math.e * 0.1 * math.exp(-0.1), rel=2e-3)
    found, gain = equivalent_neuron(ks.CUBA(current_decay=0.25, voltage_decay=0.03), 8)
    assert (found.current_decay, found.voltage_decay) == (1024, 123)
    assert gain == pytest.approx(1.0, rel=2e-3)


OTHER_GRADIENT = {
    "surrogate": "triangle",
    "surrogate_tau": 0.4,
    "surrogate_scale": 0.2,
    "gradient": "exodus",
}


def test_every_field_of_the_gradient_is_tried():
    fields = {field.name: field.default for field in dataclasses.fields(ks.LoihiCUBA)}
    of_gradient = {n for n in fields if n.startswith("surrogate") or n == "gradient"}
    assert of_gradient == OTHER_GRADIENT.keys()
    assert all(fields[name] != value for name, value in OTHER_GRADIENT.items())


@pytest.mark.parametrize("field", OTHER_GRADIENT)
@pytest.mark.parametrize("kind", [ks.SRM, ks.CUBA])
def test_a_conversion_keeps_the_gradient(kind, field):
    """In a layer as well: what is fine-tuned trains with the surrogate of the given model."""
    neuron = kind(**{field: OTHER_GRADIENT[field]})
    model = keras.Sequential([keras.Input((5, 6)), ks.SpikingDense(5, neuron=neuron)])
    for found in (equivalent_neuron(neuron, 8)[0], to_loihi(model).layers[0].neuron):
        assert isinstance(found, ks.LoihiCUBA)
        for name in OTHER_GRADIENT:
            assert getattr(found, name) == getattr(neuron, name)


@pytest.mark.parametrize(
    "neuron", [ks.SRM(dt=3.0), ks.CUBA(dt=3.0), ks.CUBA(1.0, 0.25, 0.03)], ids=str
)
def test_a_conversion_keeps_the_step(neuron):
    model = keras.Sequential([keras.Input((5, 6)), ks.SpikingDense(5, neuron=neuron)])
    found = to_loihi(model).layers[0].neuron
    assert found.dt == neuron.dt
    assert to_float(found).dt == neuron.dt


def test_an_srm_network_that_fires_once_per_spike_keeps_every_spike():
    """Where neurons do not fire again before they are at rest, refractoriness does not matter."""
    neuron = ks.SRM(threshold=1.0, tau_response=2.0)
    model = keras.Sequential(
        [
            keras.Input((120, 1)),
            ks.SpikingDense(3, neuron=neuron),
            ks.SpikingDense(2, neuron=neuron),
        ]
    )
    model.set_weights([np.array([[1.1, 0.5, -1.0]]), np.array([[1.1, 0.9], [3, 3], [3, 3]])])
    spikes = np.zeros((1, 120, 1), np.float32)
    spikes[0, [3, 41, 90]] = 1
    expected = model.predict(spikes, verbose=0)
    assert expected[..., 0].sum() == expected.sum() == 3
    np.testing.assert_array_equal(to_loihi(model).predict(spikes, verbose=0), expected)


def test_cuba_keeps_every_spike_one_step_later():
    """A hard reset is what both do; only the state is rounded, here where a unit is 1 / 8192."""
    neuron = ks.CUBA(threshold=167.01 / 128, current_decay=0.25, voltage_decay=0.125)
    model = keras.Sequential([keras.Input((200, 9)), ks.SpikingDense(20, neuron=neuron)])
    kernel = np.random.default_rng(3).integers(-12, 16, (9, 20)) / 16
    kernel[0] = 1.0
    model.layers[0].kernel.assign(kernel)
    spikes = random_spikes((4, 200, 9))
    expected = model.predict(spikes, verbose=0)
    assert 0.05 < expected.mean() < 0.5
    found = to_loihi(model).predict(spikes, verbose=0)
    assert (found[:, 1:] != expected[:, :-1]).mean() < 0.002
    assert (found[:, :-1] != expected[:, :-1]).mean() > 0.1
    assert not found[:, 0].any()


def test_time_constants_off_the_chips_range():
    for neuron in (ks.SRM(tau_response=9000.0), ks.CUBA(voltage_decay=1e-4)):
        with pytest.raises(NoEquivalentError, match="rounds to a decay of 0"):
            equivalent_neuron(neuron, 8)
    with pytest.raises(NoEquivalentError, match="is over before its first step"):
        equivalent_neuron(ks.SRM(1.0, tau_response=0.001), 8)
    assert equivalent_neuron(ks.SRM(tau_response=8000.0), 8)[0].voltage_decay == 1


def test_threshold_within_the_chips_range():
    assert [threshold_mantissa(t) for t in (1.25, 1.26, 1e-9, 1e9)] == [80, 81, 1, 131071]


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_scale_of_least_rounding_error(bits):
    kernel = np.random.default_rng(0).normal(0, 0.1, (60, 40))

    def error(scale):
        return np.linalg.norm(GRID.nearest(kernel * scale, bits) / 64 / scale - kernel)

    scale = choose_scale(kernel, 1.0, bits)
    largest = np.abs(kernel).max()
    assert error(scale) <= min(error(f * 4 / largest) for f in (0.5, 1.0, 2.0, 4.0))
    assert scale * largest > 2
    # The float scale of the model does not matter, nor does a threshold that fits.
    assert choose_scale(kernel * 50, 3.0, bits) == pytest.approx(scale / 50)


def test_scale_leaves_room_for_the_synaptic_sum():
    kernel = np.abs(np.random.default_rng(0).normal(0, 1, (2000, 3)))
    eight, two = (GRID.nearest(kernel * choose_scale(kernel, 1.0, bits), bits) for bits in (8, 2))
    assert 20_000 < largest_synaptic_sum(eight) <= 32768
    # With two bits such small weights would all be zero.
    assert largest_synaptic_sum(two) > 32768
    assert (two != 0).mean() > 0.3


def test_scale_keeps_the_threshold_on_the_chip():
    kernel = np.full((4, 4), 0.1)
    assert choose_scale(kernel, 500.0, 8) * 500 * 64 <= 131071
    assert choose_scale(kernel, 1e5, 8) == pytest.approx(131071 / 64 / 1e5)
    assert choose_scale(np.zeros((4, 4)), 1.0, 8) == 1.0
    assert choose_scale(np.zeros((4, 4)), 131071.0, 8) == 1 / 64


@pytest.mark.parametrize(
    ("arguments", "tap"),
    [
        ((0.8, 4, 2.0, 8), 254),
        ((0.8, 4, 2.0, 4), 224),
        ((0.8, 400, 2.0, 8), 80),  # 400 taps of 82 would exceed 32768
        ((0.1, 4, 100.0, 8), 130),  # the threshold ends at 131071
    ],
)
def test_pools_take_the_largest_tap(arguments, tap):
    assert choose_pool_scale(*arguments) * arguments[0] * 64 == pytest.approx(tap)


def test_pools_out_of_reach():
    with pytest.raises(NoEquivalentError, match="its taps are 1e-05 of its neuron's threshold"):
        choose_pool_scale(0.1, 4, 1e4, 8)
