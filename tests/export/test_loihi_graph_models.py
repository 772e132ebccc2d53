"""Models with branches, shortcuts, loops, constants and relays: every spike is the model's."""

import keras
import numpy as np
import pytest
from graph_cases import CASES, model_of, spikes_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_models import RandomModels

from keras_slayer.export import LoihiSimulator, export_loihi

RELAYS = {
    **{"late_images": 2, "late_output": 2, "late_with_constants": 2, "biased": 1},
    "recurrent_images": 2,
}
CONSTANTS = ("constant_currents", "late_with_constants")


def as_list(value):
    return list(value) if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize("name", CASES)
def test_every_spike_is_the_models(name, tmp_path):
    model = model_of(name)
    spikes = spikes_for(model)
    given = spikes if len(spikes) > 1 else spikes[0]
    expected = [keras.ops.convert_to_numpy(out) for out in as_list(model(given))]
    for out in expected:
        assert 0.02 < out.mean() < 0.9
    report = export_loihi(model, tmp_path / "a.nir")
    assert report.exact
    for engine in ("native", "numpy"):
        simulator = LoihiSimulator(tmp_path / "a.nir", engine=engine)
        found = as_list(simulator.run(given))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    populations = simulator.network.populations
    assert sum(name.endswith("/relay") for name in populations) == RELAYS.get(name, 0)
    assert ("constant" in populations) == (name in CONSTANTS)


@pytest.mark.parametrize("name", ["biased", "recurrent_images"])
def test_calibration_of_rounded_loops(name, tmp_path):
    """What the chip's layers do is compared with Keras' ops on the same rounded weights."""
    model = model_of(name)
    (spikes,) = spikes_for(model)
    report = export_loihi(model, tmp_path / "a.nir", weight_bits=4, calibration=spikes)
    assert not report.exact
    assert all(layer.spikes for layer in report.calibration.layers)
    assert [layer.differing for layer in report.calibration.layers] == [0] * 4


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
def test_every_spike_of_random_models(seed, tmp_path_factory):
    model = RandomModels(seed).model()
    path = tmp_path_factory.mktemp("random") / "a.nir"
    (spikes,) = spikes_for(model)
    expected = [keras.ops.convert_to_numpy(out) for out in as_list(model(spikes))]
    assert export_loihi(model, path).exact
    for ours, theirs in zip(as_list(LoihiSimulator(path).run(spikes)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
