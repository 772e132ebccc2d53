"""Exported ``.nir`` files in snnTorch, Norse and spikingjelly, in float32 as they come: every
output spike is that of the float CUBA network."""

import nir_cases
import numpy as np
import pytest

from keras_slayer.export.formats import nir

FUZZ = range(60)
READERS = {
    "snntorch": "run_snntorch.py",
    "norse": "run_norse.py",
    "spikingjelly": "run_spikingjelly.py",
}


def cases():
    for name, network in nir_cases.NETWORKS.items():
        yield name, network, nir_cases.spikes(network)
    for name, network in nir_cases.TIES.items():
        yield name, network, nir_cases.tie_spikes()
    for seed in FUZZ:
        draw = nir_cases.Draw(seed)
        network = draw.network()
        yield f"fuzz_{seed}", network, draw.spikes(network)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nir")
    for name, network, spikes in cases():
        nir.write(network, folder / f"{name}.nir")
        expected = nir_cases.expected(network, spikes)
        np.savez(folder / f"{name}.npz", spikes=spikes, expected=expected)
    return folder


@pytest.fixture(scope="module", params=READERS)
def results(request, folder, run_peer):
    return run_peer("nir", READERS[request.param], folder)


def assert_equal(result):
    assert "error" not in result, result["error"]
    assert result["differing"] == 0, f"the first at [sample, step, ...] {result['first']}"


@pytest.mark.parametrize("name", nir_cases.NETWORKS)
def test_networks(name, results):
    assert_equal(results[name])
    assert results[name]["spikes"] > 10


@pytest.mark.parametrize("name", nir_cases.TIES)
def test_a_voltage_at_the_threshold_is_no_spike(name, results, folder):
    assert_equal(results[name])
    first = np.load(folder / f"{name}.npz")["expected"][0, 0]
    assert first.tolist() == [0, 1, 0]


def test_random_networks(results):
    found = [results[f"fuzz_{seed}"] for seed in FUZZ]
    for result in found:
        assert_equal(result)
    spikes, of = (sum(result[key] for result in found) for key in ("spikes", "of"))
    assert 0.1 < spikes / of < 0.7
