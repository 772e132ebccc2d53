"""Our simulator of Xylo, and files that export_xylo writes, against SynSense's xylosim."""

import dataclasses

import keras
import numpy as np
import pytest
from xylo_cases import deep_model, random_counts, random_network

from keras_slayer.export.xylo import XyloSimulator, export_xylo


@pytest.fixture
def xylosim(run_peer, tmp_path):
    """xylosim(path, spikes) -> arrays by name, see peers/run_xylosim.py."""

    def run(path, spikes):
        np.savez(tmp_path / "spikes.npz", spikes=spikes)
        results = tmp_path / "results.npz"
        said = run_peer("xylo", "run_xylosim.py", path, tmp_path / "spikes.npz", results)
        assert said["version"] == "0.1.3"
        return dict(np.load(results))

    return run


def compare(record, theirs):
    for field in dataclasses.fields(record):
        np.testing.assert_array_equal(getattr(record, field.name), theirs[field.name], field.name)
    np.testing.assert_array_equal(record.spikes, theirs["rockpool"])


@pytest.mark.parametrize("loud", [False, True], ids=["quiet", "loud"])
@pytest.mark.parametrize("seed", range(4))
def test_every_state_and_spike_of_random_networks(seed, loud, xylosim, tmp_path):
    network = random_network(seed, loud)
    path = tmp_path / "network.npz"
    path.write_bytes(network.to_bytes())
    spikes = random_counts(seed, 4, 60, network.weights_in.shape[0])
    record = XyloSimulator(path).record(spikes)
    compare(record, xylosim(path, spikes))
    assert record.hidden_spikes.any()
    reached = np.abs(record.hidden_membrane).max()
    assert reached > 32_000 if loud else record.hidden_spikes.max() > 1


def test_a_model_as_exported(xylosim, tmp_path):
    keras.utils.set_random_seed(0)
    model, path = deep_model(), tmp_path / "network.npz"
    report = export_xylo(model, path)
    spikes = random_counts(0, 8, 40, 16, most=6)
    theirs = xylosim(path, spikes)
    compare(XyloSimulator(path).record(spikes), theirs)
    ours = model.predict(spikes.reshape(8, 40, 4, 2, 2), verbose=0)
    late = report.latency_steps
    np.testing.assert_array_equal(ours[:, :-late], theirs["spikes"][:, late:])
    assert ours.sum() > 50
