"""from_nir: thresholds, resets, gains and steps, as the tools mean them."""

import nir
import numpy as np
import pytest
from nir_graph_cases import DENSE, DT, chain, cuba, full, lif, linear, spikes

from keras_slayer.export import from_nir


@pytest.mark.parametrize("tool", [None, "nir", "snntorch", "spikingjelly"])
def test_a_voltage_at_the_threshold(tool):
    """NIR spikes above it, spikingjelly at it as well."""
    graph = chain((1,), nir.Linear(full((1, 1), 0.75)), cuba(1, syn=1, threshold=0.75))
    one = np.ones((1, 1, 1), np.float32)
    assert np.asarray(from_nir(graph, tool=tool)(one)).item() == (tool == "spikingjelly")


@pytest.mark.parametrize("node", [lif(6), cuba(6), DENSE["if"], DENSE["spread"]])
def test_reset_by_subtraction_after_the_leak(node):
    """As snnTorch: v[t] = keep v[t-1] + z[t] - threshold s[t-1]."""
    graph = chain((12,), linear(6, 12), node)
    found = np.asarray(from_nir(graph, reset="subtract")(spikes((12,))))
    z = spikes((12,)) @ graph.nodes["n1"].weight.T
    keep = np.float32(1 if isinstance(node, nir.IF) else 1 - DT / (8 * DT))
    theta, current, v, s = np.float32(node.v_threshold), np.float32(0), np.float32(0), 0
    for t in range(z.shape[1]):
        current = (0.75 * current if isinstance(node, nir.CubaLIF) else 0) + z[:, t]
        v = (keep * v + current) - theta * s
        s = (v > theta).astype(np.float32)
        np.testing.assert_array_equal(found[:, t], s, err_msg=f"step {t}")
    assert 0.1 < found.mean() < 0.95


@pytest.mark.parametrize("tau", [3.0, 20.0])
def test_reset_by_subtraction_before_the_leak(tau):
    """As sinabs: v = alpha v + (1 - alpha) z, a spike at the threshold and v - threshold."""
    node = nir.LIF(full(6, tau), full(6, 1.0), full(6, 0.0), full(6, 0.2))
    graph = chain((12,), linear(6, 12), node)
    found = np.asarray(from_nir(graph, tool="sinabs")(spikes((12,))))
    z = spikes((12,)) @ graph.nodes["n1"].weight.T
    alpha, v = np.exp(-1 / tau), 0
    for t in range(z.shape[1]):
        v = alpha * v + (1 - alpha) * z[:, t]
        s = v >= np.float32(0.2)
        v = v - np.float32(0.2) * s
        np.testing.assert_array_equal(found[:, t], s, err_msg=f"step {t}")
    assert 0.1 < found.mean() < 0.95


def neuron_of(node, **how):
    return from_nir(chain((6,), linear(6, 6), node), **how).layers[-1].neuron


def test_a_gain_that_all_neurons_have_is_in_the_threshold():
    neuron = neuron_of(lif(6, gain=0.5))
    assert (neuron.threshold, neuron.current_decay) == (pytest.approx(2), 1)
    assert neuron.voltage_decay == pytest.approx(1 / 8)


def test_steps_are_those_of_argument_metadata_and_tool():
    graph = chain((6,), linear(6, 6), lif(6))
    assert neuron_of(lif(6)).dt == pytest.approx(0.1)
    assert neuron_of(lif(6), tool="norse", dt=5e-5).voltage_decay == pytest.approx(1 / 16)
    graph.metadata = {"dt": 2e-4}
    assert from_nir(graph).layers[-1].neuron.voltage_decay == pytest.approx(1 / 4)
    assert from_nir(graph, dt=1e-4).layers[-1].neuron.voltage_decay == pytest.approx(1 / 8)


def test_rockpool_has_exponential_decays_and_its_own_gains():
    decay = -np.expm1(-0.1)
    written = cuba(6, syn=100, mem=200, r=20 * np.exp(-0.05), w_in=1.0)
    neuron = neuron_of(written, tool="rockpool", reset="zero")
    assert neuron.current_decay == pytest.approx(decay)
    assert neuron.voltage_decay == pytest.approx(-np.expm1(-0.05))
    assert neuron.threshold == pytest.approx(1.5 / np.exp(-0.1))
    with pytest.raises(ValueError, match="give dt"):
        neuron_of(written, tool="rockpool", dt=5e-4)


def test_a_neuron_that_snntorch_writes_without_a_leak():
    node = nir.LIF(full(6, np.inf), full(6, np.inf), full(6, 0), full(6, 1))
    neuron = neuron_of(node, tool="snntorch")
    assert (neuron.voltage_decay, neuron.current_decay) == (0, 1)
