"""Exported ``.net`` files in lava: every output spike is the simulator's and the model's."""

import lava_cases
import numpy as np
import pytest

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.formats import netx
from keras_slayer.export.network import IntegerDense, IntegerFlatten

FUZZ = range(60)


def save(folder, name, spikes, expected):
    np.savez_compressed(folder / f"{name}.npz", spikes=spikes.astype(np.uint8), expected=expected)


def save_network(folder, name, network, spikes):
    """The network's file, and the simulator's answer."""
    path = folder / f"{name}.net"
    netx.write(network, path)
    save(folder, name, spikes, LoihiSimulator(path).run(spikes))


def assert_equal(result):
    assert "error" not in result, result["error"]
    assert result["differing"] == [0] * len(result["differing"]), (
        f"the first at [sample, step, ...] {result['first']}"
    )


@pytest.fixture(scope="module")
def models(run_peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in lava_cases.MODELS:
        model = lava_cases.build(name)
        spikes = lava_cases.model_spikes(model)
        expected = np.asarray(model(spikes))
        model.export_loihi(folder / f"{name}.net")
        save(folder, name, spikes, expected)
    return folder, run_peer("lava", "run_lava.py", folder)


@pytest.mark.parametrize("name", lava_cases.MODELS)
def test_models(name, models):
    folder, results = models
    assert_equal(results[name])
    assert 0.02 < results[name]["spikes"] / results[name]["of"] < 0.9
    data = np.load(folder / f"{name}.npz")
    simulated = LoihiSimulator(folder / f"{name}.net").run(data["spikes"])
    np.testing.assert_array_equal(simulated, data["expected"])


@pytest.fixture(scope="module")
def handmade(run_peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("handmade")
    rng = np.random.default_rng(2)
    for name, network in lava_cases.handmade().items():
        spikes = rng.random((3, 60, *network.input_shape)) < 0.2
        save_network(folder, name, network, spikes)
    return run_peer("lava", "run_lava.py", folder)


@pytest.mark.parametrize("name", lava_cases.handmade())
def test_networks_beyond_the_models(name, handmade):
    assert_equal(handmade[name])
    assert 0 < handmade[name]["spikes"] < handmade[name]["of"]


@pytest.fixture(scope="module")
def fuzz(run_peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    for seed in FUZZ:
        source = lava_cases.FuzzNetworks(seed)
        network = source.network()
        save_network(folder, str(seed), network, source.spikes(network, batch=3, steps=40))
    return folder, run_peer("lava", "run_lava.py", folder)


@pytest.mark.parametrize("seed", FUZZ)
def test_random_networks(seed, fuzz):
    assert_equal(fuzz[1][str(seed)])


def test_random_networks_are_worth_it(fuzz):
    results = fuzz[1].values()
    assert np.mean([0 < result["spikes"] < result["of"] for result in results]) > 0.7
    layers = [
        layer
        for seed in FUZZ
        for layer in lava_cases.FuzzNetworks(seed).network().layers
        if not isinstance(layer, IntegerFlatten)
    ]
    assert {"dense", "conv"} == {layer.type for layer in layers}
    assert any(isinstance(layer, IntegerDense) and layer.delay is not None for layer in layers)
    for name, limits in (("current_decay", (0, 4096)), ("threshold_mantissa", (131071,))):
        assert set(limits) <= {getattr(layer.neuron, name) for layer in layers}
    assert {(w.min() < 0, bool((w % 2).any())) for w in (layer.weight for layer in layers)} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


def test_setting_a_network_back_equals_building_it_anew(fuzz, run_peer, tmp_path):
    folder, results = fuzz
    for seed in FUZZ[:8]:
        for suffix in ("net", "npz"):
            (tmp_path / f"{seed}.{suffix}").symlink_to(folder / f"{seed}.{suffix}")
    for name, result in run_peer("lava", "run_lava.py", tmp_path, "--fresh").items():
        assert_equal(result)
        assert result["spikes"] == results[name]["spikes"]


def test_a_wrong_spike_is_found(run_peer, tmp_path):
    network = lava_cases.handmade()["biases"]
    spikes = np.random.default_rng(0).random((3, 30, 9)) < 0.3
    save_network(tmp_path, "wrong", network, spikes)
    expected = np.load(tmp_path / "wrong.npz")["expected"]
    expected[1, 17, 4] = 1 - expected[1, 17, 4]
    save(tmp_path, "wrong", spikes, expected)
    (result,) = run_peer("lava", "run_lava.py", tmp_path).values()
    assert result["differing"] == [0, 1, 0]
    assert result["first"] == [[1, 17, 4]]


def test_hazards_of_the_loader_are_real(run_peer, tmp_path, monkeypatch):
    """What the next tests are for: these files, written as they are, do not run as they should."""
    monkeypatch.setattr(netx, "MAX_SMALL", 1000)  # the limit behind which groups are written apart
    hazards = lava_cases.hazards()
    for name, network in hazards.items():
        spikes = np.random.default_rng(0).random((2, 40, *network.input_shape)) < 0.3
        expected = LoihiSimulator.from_network(network, engine="numpy").run(spikes)
        assert 0.02 < expected.mean() < 0.98, name
        netx.write(network, tmp_path / f"{name}.net")
        save(tmp_path, name, spikes, expected)
    results = run_peer("lava", "run_lava.py", tmp_path)
    exact = {name for name, result in results.items() if not any(result.get("differing", [1]))}
    assert not exact
    assert results.keys() == hazards.keys()


REFUSED = {
    "only_zeros": 0.0,
    "one_power_of_two": -1.0,
    "lowest_and_all_negative": [[-4.0], [-3.0]],
    "a_power_of_two_at_most_zero": [[0.0], [-2.0]],
}
"""Weights (inputs, outputs) of which lava's loader would make something else."""


@pytest.mark.parametrize("name", REFUSED)
def test_weights_that_the_loader_would_misread_are_refused(name, tmp_path):
    layer = lava_cases.dense(3)
    model = lava_cases.sequential((2,), [layer])
    layer.kernel.assign(np.broadcast_to(REFUSED[name], (2, 3)))
    with pytest.raises(ValueError, match="no weight is positive"):
        model.export_loihi(tmp_path / "a.net")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [{"kernel_size": (128, 1)}, {"kernel_size": 1, "strides": 128}, {"dilation_rate": (128, 1)}],
    ids=["kernel", "strides", "dilation"],
)
def test_windows_beyond_the_loader_are_refused(options, tmp_path):
    layer = lava_cases.conv(2, **{"kernel_size": 2, **options})
    model = lava_cases.sequential((140, 3, 1), [layer])
    with pytest.raises(ValueError, match="at most 127"):
        model.export_loihi(tmp_path / "a.net")
    assert not list(tmp_path.iterdir())
