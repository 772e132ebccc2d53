"""Profiles against NeuroBench, which measures the same network built in snnTorch."""

import keras
import numpy as np
import pytest

import keras_slayer as ks

SAMPLES, STEPS = 6, 20
BETA, THRESHOLD = 0.75, 1.0
NEURON = ks.CUBA(threshold=THRESHOLD, current_decay=1.0, voltage_decay=1 - BETA)
LIVELY = keras.initializers.RandomNormal(0.1, 0.5, seed=2)
ROUNDED = 5e-5
"""NeuroBench gives shares of weights with four decimals."""


def dense(units):
    return ks.SpikingDense(units, NEURON, kernel_initializer=LIVELY)


def mlp():
    return (STEPS, 30), [dense(20), dense(16), dense(5)]


def cnn():
    return (STEPS, 8, 7, 2), [
        ks.SpikingConv2D(4, 3, padding="same", neuron=NEURON, kernel_initializer=LIVELY),
        ks.SpikingConv2D(3, (2, 3), padding="same", neuron=NEURON, kernel_initializer=LIVELY),
        ks.Flatten(),
        dense(5),
    ]


@pytest.fixture(scope="module", params=[(mlp, False), (cnn, False), (cnn, True)],
                ids=["mlp-spikes", "cnn-spikes", "cnn-numbers"])  # fmt: skip
def both(request, run_peer, tmp_path_factory):
    """Our profile, NeuroBench's figures, and whether the input is numbers."""
    make, numbers = request.param
    shape, layers = make()
    model = keras.Sequential([keras.Input(shape), *layers])
    random = np.random.default_rng(0)
    weighted = [layer for layer in layers if layer.weights]
    for layer in weighted:
        layer.kernel.assign(layer.kernel * (random.random(layer.kernel.shape) < 0.8))
    x = (random.random((SAMPLES, *shape)) < 0.2).astype("float32")
    if numbers:
        x *= random.random(x.shape, "float32")
    path = tmp_path_factory.mktemp("neurobench") / "network.npz"
    np.savez(
        path,
        x=x,
        beta=BETA,
        threshold=THRESHOLD,
        layers=["dense" if isinstance(la, ks.SpikingDense) else "conv" for la in weighted],
        **{f"kernel{i}": layer.kernel.numpy() for i, layer in enumerate(weighted)},
    )
    return ks.profile(model, x, batch_size=4), run_peer("nir", "run_neurobench.py", path), numbers


def test_the_same_network(both):
    ours, theirs, _ = both
    spikes = [layer.spikes * SAMPLES for layer in ours if layer.spikes is not None]
    assert spikes == pytest.approx(theirs["spikes"]) and min(spikes) > 50


def test_static_figures(both):
    ours, theirs, _ = both
    assert ours.total.parameters == theirs["ParameterCount"]
    assert ours.total.connection_sparsity == pytest.approx(
        theirs["ConnectionSparsity"], abs=ROUNDED
    )
    # snnTorch keeps threshold, decay and state of its neurons in buffers, which count there.
    assert 0 < theirs["Footprint"] - ours.total.footprint < 100 * len(ours.layers)


def test_synaptic_operations(both):
    ours, theirs, numbers = both
    figures = theirs["SynapticOperations"]
    assert ours.total.dense == pytest.approx(figures["Dense"])
    assert ours.total.macs == pytest.approx(figures["Effective_MACs"])
    assert ours.total.acs == pytest.approx(figures["Effective_ACs"])
    assert (ours.total.macs > 0) == numbers and ours.total.acs > 0


def test_activations(both):
    ours, theirs, _ = both
    assert ours.total.activation_sparsity == pytest.approx(theirs["ActivationSparsity"])
    layers = [layer.activation_sparsity for layer in ours if layer.active]
    assert layers == pytest.approx(list(theirs["ActivationSparsityByLayer"].values()))
    # NeuroBench leaves out what stays as it was, such as neurons that nothing reaches.
    assert 0 < theirs["MembraneUpdates"] <= ours.total.neuron_updates
