"""``.nir`` files that six tools write, read with from_nir: every output spike is that of the tool.

Voltages (of leaky integrators) are equal to float32 rounding.
"""

import numpy as np
import pytest

from keras_slayer.export import from_nir

TOOLS = ("snntorch", "norse", "spikingjelly", "sinabs", "rockpool", "nirtorch")
VOLTAGES = ("li_box", "li_box_leak", "exp_syn")
"""Networks that end in a leaky integrator."""
MANY_SPIKES = "many_spikes"
"""The network in which a neuron makes several spikes in one step, which no neuron does here."""


@pytest.fixture(scope="module", params=TOOLS)
def written(request, tmp_path_factory, run_peer):
    folder = tmp_path_factory.mktemp(request.param)
    return folder, run_peer("nir", f"write_nir_{request.param}.py", folder)


def outputs(folder, name, how):
    data = np.load(folder / f"{name}.npz")
    found = np.asarray(from_nir(folder / f"{name}.nir", **how)(data["spikes"]))
    return found, data["expected"]


def test_every_spike_is_that_of_the_tool(written):
    folder, networks = written
    names = [name for name in networks if name not in (*VOLTAGES, MANY_SPIKES)]
    assert len(names) >= 1
    for name in names:
        found, expected = outputs(folder, name, networks[name])
        assert set(np.unique(expected)) == {0, 1}, name
        assert 0.02 < expected.mean() < 0.9, name
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_voltages_are_those_of_the_tool(written):
    folder, networks = written
    for name in set(VOLTAGES) & set(networks):
        found, expected = outputs(folder, name, networks[name])
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_one_spike_a_step_here_and_many_there(written):
    folder, networks = written
    if MANY_SPIKES in networks:
        found, expected = outputs(folder, MANY_SPIKES, networks[MANY_SPIKES])
        assert expected.max() > 1 == found.max()
