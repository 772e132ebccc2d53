"""Time constants in ms of CUBA and LoihiCUBA, and the decays that follow from them."""

import dataclasses
import math

import keras
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer import neurons
from keras_slayer.neurons import time_constants

HALF = 1 / math.log(2)
"""ms; half is lost in 1 ms, three quarters in 2 ms."""


def decays(neuron):
    return neuron.current_decay, neuron.voltage_decay


def test_decays_of_time_constants():
    """1 - exp(-dt / tau)."""
    neuron = ks.CUBA(tau_current=HALF, tau_voltage=20.0)
    assert decays(neuron) == pytest.approx((0.5, 0.048770575499285984), rel=1e-14)
    assert neuron.dt == 1.0
    neuron = ks.CUBA(tau_current=HALF, tau_voltage=2 * HALF, dt=2.0)
    assert decays(neuron) == pytest.approx((0.75, 0.5), rel=1e-14)
    assert neuron.dt == 2.0


def test_a_short_tau_loses_all_and_an_infinite_one_nothing():
    neuron = ks.CUBA(tau_current=1e-3, tau_voltage=math.inf)
    assert decays(neuron) == (1.0, 0.0)
    assert neuron.time_constants == (0.0, math.inf)


def test_the_response_decays_by_e_in_one_tau():
    """Without a lasting current: exp(-t / tau_voltage), t in ms, whatever the step."""
    for dt in (0.5, 1.0, 5.0):
        neuron = ks.CUBA(current_decay=1.0, tau_voltage=20.0, dt=dt)
        kernel = neuron.response_kernel(50)
        np.testing.assert_allclose(kernel, np.exp(-np.arange(50) * dt / 20.0), rtol=1e-10)
        assert neuron.dt == dt


def test_defaults_are_time_constants():
    assert decays(ks.CUBA()) == pytest.approx((1 - math.exp(-1 / 5.0),) * 2, rel=1e-12)
    coarse, usual, fine = (ks.CUBA(dt=dt) for dt in (5.0, 1.0, 0.1))
    assert usual == ks.CUBA() and usual.dt == ks.CUBA().dt == 1.0
    assert coarse.time_constants == pytest.approx(usual.time_constants, rel=1e-12)
    assert fine.time_constants == pytest.approx(usual.time_constants, rel=1e-12)
    assert coarse.voltage_decay == pytest.approx(1 - math.exp(-1.0), rel=1e-12)


def test_defaults_of_the_chip_are_time_constants():
    for dt, decay in ((1.0, 742), (3.0, 1848)):
        assert decays(ks.LoihiCUBA(dt=dt)) == (decay, decay)
    assert ks.LoihiCUBA() == ks.LoihiCUBA(dt=1.0)


@pytest.mark.parametrize(
    "neuron, dt",
    [
        (ks.CUBA(10.0, 0.1, 0.2), None),
        (ks.CUBA(current_decay=0.1, voltage_decay=0.2, dt=3.0), 3.0),
        (ks.CUBA(current_decay=0.1), 1.0),
        (ks.CUBA(voltage_decay=0.1), 1.0),
        (ks.CUBA(current_decay=0.1, tau_voltage=20.0), 1.0),
        (ks.CUBA(tau_current=20.0, voltage_decay=0.1, dt=4.0), 4.0),
        (ks.LoihiCUBA(80, 1024, 128), None),
        (ks.LoihiCUBA(80, 1024, 128, dt=3.0), 3.0),
        (ks.LoihiCUBA(80, 1024), 1.0),
        (ks.LoihiCUBA.from_tau(5.0, 20.0), 1.0),
        (ks.LoihiCUBA.from_tau(5.0, 20.0, dt=2.0), 2.0),
        (ks.LoihiCUBA.from_tau(5.0, 20.0, 2.0), 2.0),
    ],
    ids=str,
)
def test_the_step_is_known_where_one_is_given_or_ms_are_used(neuron, dt):
    assert neuron.dt == dt
    assert (neuron.time_constants is None) == (dt is None)


def test_positions_stay_as_they_are():
    neuron = ks.CUBA(10.0, 0.1, 0.2)
    assert (neuron.threshold, *decays(neuron)) == (10.0, 0.1, 0.2)
    chip = ks.LoihiCUBA(80, 1024, 128, 4)
    assert (chip.threshold_mantissa, *decays(chip), chip.weight_bits) == (80, 1024, 128, 4)
    for cls in (ks.CUBA, ks.LoihiCUBA):
        with pytest.raises(TypeError, match="positional"):
            cls(10, 1, 1, 8, 1.0)


def test_from_tau():
    """4096 (1 - exp(-dt / tau)); 390 for 10 ms at 1 ms."""
    chip = ks.LoihiCUBA.from_tau(HALF, 10.0, weight_bits=4, surrogate_tau=0.7)
    assert decays(chip) == (2048, 390)
    assert (chip.weight_bits, chip.surrogate_tau) == (4, 0.7)
    assert decays(ks.LoihiCUBA.from_tau(HALF, 30.0, dt=3.0)) == (3584, 390)
    assert decays(ks.LoihiCUBA.from_tau(1e-3, 8191.0)) == (4096, 1)


def test_the_chip_reads_back_what_it_holds():
    assert ks.LoihiCUBA(80, 2048, 1024, dt=3.0).time_constants == pytest.approx(
        (3 / math.log(2), 3 / math.log(4 / 3)), rel=1e-12
    )
    assert ks.LoihiCUBA(80, 4096, 0, dt=3.0).time_constants == (0.0, math.inf)
    assert ks.LoihiCUBA.from_tau(HALF, 10.0).time_constants == pytest.approx(
        (HALF, 9.994), abs=1e-3
    )


def test_equality_goes_by_decays_and_dt():
    by_tau = ks.CUBA(tau_current=5.0, tau_voltage=20.0)
    lost = [time_constants.fraction_lost(tau) for tau in (5.0, 20.0)]
    by_decay = ks.CUBA(current_decay=lost[0], voltage_decay=lost[1], dt=1.0)
    assert by_tau == by_decay and hash(by_tau) == hash(by_decay)
    per_step = ks.CUBA(current_decay=lost[0], voltage_decay=lost[1])
    assert per_step != by_decay
    assert set(by_tau.get_config()) == {field.name for field in dataclasses.fields(by_tau)}
    assert not {"tau_current", "tau_voltage"} & set(by_tau.get_config())


def test_replace_keeps_what_is_stored():
    neuron = ks.CUBA(tau_current=5.0, tau_voltage=20.0, dt=2.0)
    other = dataclasses.replace(neuron, threshold=3.0)
    assert (decays(other), other.dt, other.threshold) == (decays(neuron), 2.0, 3.0)
    other = dataclasses.replace(neuron, current_decay=None, tau_current=HALF)
    assert decays(other) == pytest.approx((0.75, neuron.voltage_decay), rel=1e-14)
    with pytest.raises(ValueError, match="tau_current and current_decay"):
        dataclasses.replace(neuron, tau_current=3.0)
    chip = ks.LoihiCUBA.from_tau(5.0, 20.0, dt=2.0)
    other = dataclasses.replace(chip, threshold_mantissa=100)
    assert (decays(other), other.dt) == (decays(chip), 2.0)


STORED = [
    ks.CUBA(tau_current=5.0, tau_voltage=20.0, dt=2.0),
    ks.CUBA(3.0, 0.1, 0.2),
    ks.LoihiCUBA.from_tau(5.0, 20.0, dt=2.0),
    ks.LoihiCUBA(80, 1024, 128),
]


@pytest.mark.parametrize("neuron", STORED, ids=str)
def test_models_keep_decays_and_dt(neuron, tmp_path):
    model = keras.Sequential([keras.Input((4, 3)), ks.SpikingDense(2, neuron=neuron)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[0].neuron
    assert loaded == neuron and loaded.dt == neuron.dt
    assert neurons.get(keras.saving.serialize_keras_object(neuron)) == neuron


@pytest.mark.parametrize(
    "name, own",
    [
        ("CUBA", {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.03}),
        (
            "LoihiCUBA",
            {
                "threshold_mantissa": 80,
                "current_decay": 1024,
                "voltage_decay": 128,
                "weight_bits": 8,
            },
        ),
    ],
)
def test_configs_without_dt_load(name, own):
    """As they were written before neurons of decays had one."""
    config = {
        "surrogate_tau": 0.3,
        "surrogate_scale": 1.0,
        "surrogate": "exponential",
        "gradient": "slayer",
        **own,
    }
    neuron = neurons.get(
        {
            "module": "keras_slayer.neurons",
            "class_name": name,
            "config": config,
            "registered_name": f"keras_slayer>{name}",
        }
    )
    assert type(neuron).__name__ == name
    assert neuron.get_config() == {**config, "dt": None}


@pytest.mark.parametrize("name", ["current", "voltage"])
def test_a_tau_and_its_decay_are_too_much(name):
    with pytest.raises(ValueError) as caught:
        ks.CUBA(**{f"tau_{name}": 5.0, f"{name}_decay": 0.1})
    assert str(caught.value) == (
        f"tau_{name} and {name}_decay stand for the same leak: give one of them. "
        f"Received: tau_{name}=5.0, {name}_decay=0.1"
    )


@pytest.mark.parametrize("value", [0, -1.0, math.nan, -math.inf, "5"])
@pytest.mark.parametrize("name", ["tau_current", "tau_voltage"])
def test_bad_tau(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be a number in \(0, inf\)") as caught:
        ks.CUBA(**{name: value})
    assert str(caught.value).endswith(f"Received: {name}={value!r}")
    with pytest.raises(ValueError, match=rf"^{name} must be a number in \(0, inf\)"):
        ks.LoihiCUBA.from_tau(**{"tau_current": 5.0, "tau_voltage": 5.0, name: value})


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, "1"])
def test_bad_dt(value):
    makers = (
        lambda: ks.CUBA(dt=value),
        lambda: ks.CUBA(1.0, 0.1, 0.1, dt=value),
        lambda: ks.LoihiCUBA(dt=value),
        lambda: ks.LoihiCUBA(80, 1024, 128, dt=value),
        lambda: ks.LoihiCUBA.from_tau(5.0, 5.0, dt=value),
    )
    for make in makers:
        with pytest.raises(ValueError, match=r"^dt must be a number in \(0, inf\)") as caught:
            make()
        assert str(caught.value).endswith(f"Received: dt={value!r}")


def test_a_tau_that_the_chip_cannot_hold():
    with pytest.raises(ValueError) as caught:
        ks.LoihiCUBA.from_tau(5.0, 20000.0, dt=2.0)
    message = str(caught.value)
    assert message.startswith("tau_voltage must be at most 8191 steps of dt, 16382 ms")
    assert message.endswith("give voltage_decay=0. Received: tau_voltage=20000.0, dt=2.0")
    with pytest.raises(ValueError, match="tau_current must be at most 8191 steps of dt, 8191 ms"):
        ks.LoihiCUBA.from_tau(8192.0, 5.0)
    with pytest.raises(ValueError, match=r"tau_voltage must be at most 8191 .*, 0\.8191 ms"):
        ks.LoihiCUBA(current_decay=1024, dt=1e-4)
