"""Neurons of users: what is wrong with a class or a step, and what says so."""

import dataclasses

import numpy as np
import pytest
from own_neuron_cases import STEPS, WRONG_RESULTS, HardReset, Least, OfEach, Wrong, network, noise

import keras_slayer as ks


@pytest.mark.parametrize(("result", "message"), WRONG_RESULTS.values(), ids=WRONG_RESULTS)
def test_a_step_that_returns_something_else(result, message):
    with pytest.raises(ValueError, match=message):
        Wrong(result=result).fire(noise(2, STEPS, 3))


def test_spikes_may_be_changed_for_exodus():
    result = WRONG_RESULTS["changed"][0]
    fired, _ = Wrong(result=result, gradient="exodus").fire(noise(2, STEPS, 3))
    assert np.mean(fired) > 0


def neuron_class(decorate=True, **members):
    members = {"__annotations__": {}, "states": 1, "step": lambda self, state, z: None, **members}
    made = type("Made", (ks.neurons.Neuron,), members)
    return dataclasses.dataclass(frozen=True)(made) if decorate else made


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({}, TypeError, "Made must have a field `threshold`"),
        ({"threshold": 1.0, "states": None}, ValueError, "Made.states must be .* states=None"),
        ({"threshold": 1.0, "states": 0}, ValueError, "from 1. Received: states=0"),
        ({"threshold": -50.0}, ValueError, "above 0: .* from there. .*firing_threshold=-50.0"),
        ({"threshold": "high"}, TypeError, "a number. Received: firing_threshold='high'"),
        (
            {"threshold": 1.0, "tau": 2.0, "decorate": False, "__annotations__": {"tau": float}},
            TypeError,
            r"decorated with @dataclasses.dataclass\(frozen=True\). Received: tau",
        ),
    ],
)
def test_a_class_that_lacks_something(members, error, message):
    with pytest.raises(error, match=message):
        neuron_class(**members)()


def test_a_class_is_no_neuron_and_needs_a_step():
    with pytest.raises(TypeError, match=r"abstract.*step"):
        type("Empty", (ks.neurons.Neuron,), {"threshold": 1.0, "states": 1})()
    with pytest.raises(ValueError, match=r"ALIF, .*or another Neuron. Received: neuron=<class"):
        ks.SpikingDense(3, Least)


def test_the_step_of_a_native_neuron_stays():
    """It would run as the native op, and be exported as the neuron of its base."""
    with pytest.raises(TypeError, match=r"Mine changes the step of CUBA, .*: class Mine"):
        type("Mine", (ks.CUBA,), {"step": Least.step})
    longer = type("Longer", (ks.CUBA,), {"__doc__": "A subclass that computes the same."})
    assert longer().native == "cuba"


def test_what_cannot_be_known():
    @dataclasses.dataclass(frozen=True)
    class Explosive(HardReset):
        keep: float = 1e30

    with pytest.raises(ValueError, match=r"response of Explosive .* define `filters`"):
        Explosive(1.0).response_kernel()

    class OwnInit(HardReset):
        def __init__(self, half_life):
            super().__init__(1.0, keep=0.5 ** (1 / half_life))

    with pytest.raises(NotImplementedError, match="OwnInit has an __init__ of its own"):
        OwnInit(3.0).get_config()


def test_export_names_the_neuron_and_what_is_allowed(tmp_path):
    model = network(Least())
    with pytest.raises(ValueError, match="own: its neuron is Least; allowed: LoihiCUBA"):
        model.export_loihi(tmp_path / "net.net")
    with pytest.raises(ValueError, match="own: its neuron is Least; allowed: SRM and CUBA"):
        ks.export.to_loihi(model)


def test_a_response_that_differs_from_neuron_to_neuron():
    with pytest.raises(ValueError, match=r"measured on one neuron: .* define response_kernel\("):
        ks.SpikingDense(3, OfEach()).build((None, 10, 5))
