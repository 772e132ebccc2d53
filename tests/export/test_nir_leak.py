"""from_nir: v_leak that is not v_reset, a constant current."""

import keras
import nir
import numpy as np
import pytest
import tensorflow as tf
from nir_graph_cases import IMAGE, assert_equal, chain, cuba, full, kinds, lif, linear, spikes

import keras_slayer as ks
from keras_slayer.export import from_nir

EACH = np.array([-0.5, 0.0, 0.25, 0.5, 0.75, 1.5])
POOL = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))


@pytest.mark.parametrize("leak", [0.5, -0.5, EACH])
@pytest.mark.parametrize("reset", [0.0, -0.25])
@pytest.mark.parametrize("make", [lif, cuba])
def test_of_neurons(make, reset, leak):
    """Behind weights, and behind none."""
    name = "leak" if make is lif else "v_leak"
    node = make(6, **{name: leak, ("reset" if make is lif else "v_reset"): reset})
    model = assert_equal(chain((12,), linear(6, 12), node), (12,))
    if make is lif:  # it is a bias
        assert kinds(model) == ["SpikingDense"]
    else:
        assert type(model.layers[-1].neuron) is ks.CUBA
    assert_equal(chain((6,), nir.Scale(full(6, 0.75)), node), (6,))
    assert_equal(chain((6,), node), (6,))


def test_of_images():
    shape = (2, 3, 4)
    leak = np.round(np.random.default_rng(0).normal(0.3, 0.5, shape) * 16) / 16
    for node in (lif(*shape, leak=leak, threshold=2.0), cuba(*shape, v_leak=leak, threshold=4.0)):
        assert_equal(chain(IMAGE, POOL, node), IMAGE)


@pytest.mark.parametrize("leak", [0.5, EACH])
@pytest.mark.parametrize("first", [linear(6, 12), None])
def test_of_integrators(first, leak):
    size = 12 if first else 6
    values = full(6, leak)
    for node in (
        nir.LI(full(6, 8e-4), full(6, 8.0), values),
        nir.CubaLI(full(6, 4e-4), full(6, 8e-4), full(6, 8.0), values, full(6, 4.0)),
    ):
        graph = chain((size,), *([first] if first else []), node)
        model = assert_equal(graph, (size,), exact=False, lively=False)
        silence = np.zeros((1, 300, size), np.float32)
        settled = np.asarray(model(silence))[0, -1]
        np.testing.assert_allclose(settled, values, atol=1e-5)


def run(node, z, loop, reset, start=0.0, before=False):
    """Spikes of a CubaLIF node, of the input z, one step after the other."""
    size, (batch, steps) = node.v_threshold.size, z.shape[:2]
    out, i, s = np.zeros((batch, steps, size)), 0.0, np.zeros((batch, size))
    v = np.full((batch, size), start)
    theta, leak = node.v_threshold, node.v_leak
    for t in range(steps):
        i = 0.75 * i + z[:, t] + s @ loop.T
        subtracted = s * theta if reset == "subtract" else 0
        v = v - subtracted if before else v
        v = 0.875 * v + i + 0.125 * leak
        v = v - subtracted if not before else v
        v = np.where(s > 0, 0, v) if reset == "late" else v
        s = (v > theta).astype(float)
        v = np.where(s > 0, 0, v) if reset == "zero" else v
        out[:, t] = s
    return out


def looped(node, loop):
    graph = chain((12,), linear(6, 12), node)
    graph.nodes["back"] = nir.Linear(loop)
    graph.edges += [("n2", "back"), ("back", "n2")]
    return graph


@pytest.mark.parametrize("reset", ["zero", "subtract", "late"])
@pytest.mark.parametrize("leak", [0.0, 0.5, EACH])
def test_of_neurons_that_feed_themselves(leak, reset):
    node, loop = cuba(6, v_leak=leak), linear(6, 6, seed=5).weight - 1
    model = from_nir(looped(node, loop), reset=reset)
    x = spikes((12,))
    expected = run(node, x @ linear(6, 12).weight.T, loop, reset)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(np.asarray(model(x)), expected)
    neuron = model.layers[-1].neuron
    assert type(neuron) is (ks.CUBA if reset == "zero" else ks.neurons.ResetCUBA)


@pytest.mark.parametrize("reset", ["zero", "subtract", "late"])
def test_of_neurons_with_each_reset(reset):
    node = cuba(6, v_leak=EACH)
    model = from_nir(chain((12,), linear(6, 12), node), reset=reset)
    x = spikes((12,))
    expected = run(node, x @ linear(6, 12).weight.T, np.zeros((6, 6)), reset)
    np.testing.assert_array_equal(np.asarray(model(x)), expected)


def test_norse_starts_at_v_leak():
    for node in (lif(6, leak=EACH, gain=8.0), lif(6, leak=0.5)):
        model = from_nir(chain((6,), node), tool="norse", dt=1e-4)
        v = np.broadcast_to(node.v_leak, (2, 6)).astype(np.float32)
        x, gain = spikes((6,)), np.float32(node.r[0] / 8)
        found = np.asarray(model(x))
        for t in range(x.shape[1]):
            v = 0.875 * v + np.float32(0.125) * node.v_leak + gain * x[:, t]
            s = v > node.v_threshold
            v = np.where(s, 0, v)
            np.testing.assert_array_equal(found[:, t], s, err_msg=f"step {t}")


def test_without_a_memory_a_spike_still_subtracts_after_the_leak():
    """tau of one step, as snnTorch writes beta=0: v[t] = z[t] - threshold s[t-1]."""
    graph = chain((1,), lif(1, tau=1))
    x = np.full((1, 6, 1), 1.5, np.float32)
    found = from_nir(graph, tool="snntorch", reset="subtract").predict(x, verbose=0)
    assert found.ravel().tolist() == [1, 0, 1, 0, 1, 0]


def test_weights_that_the_input_and_the_loop_share():
    """z[t] = W (x[t] + s[t-1]) + b: the first of the graphs in the tests of nir."""
    weight, bias = linear(6, 6).weight, full(6, 0.125)
    nodes = {"in": nir.Input(np.array([6])), "w": nir.Affine(weight, bias), "lif": lif(6)}
    nodes |= {"out": nir.Output(np.array([6]))}
    edges = [("in", "w"), ("w", "lif"), ("lif", "w"), ("lif", "out")]
    x, v, s = spikes((6,)), 0, 0
    found = np.asarray(from_nir(nir.NIRGraph(nodes, edges, type_check=False))(x))
    for t in range(x.shape[1]):
        v = 0.875 * v + (x[:, t] + s) @ weight.T + bias
        s = v > 1
        v = np.where(s, 0, v)
        np.testing.assert_array_equal(found[:, t], s, err_msg=f"step {t}")
    assert 0.1 < found.mean() < 0.9


def test_models_with_these_neurons_train_and_are_saved(tmp_path):
    model = from_nir(looped(cuba(6, v_leak=EACH), linear(6, 6, seed=5).weight), reset="subtract")
    x = spikes((12,), steps=6)
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(model(x))
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(np.abs(g).max() > 0 for g in gradients)
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    with pytest.raises(ValueError, match=r"reset must be one of .*Received: reset='zero'"):
        ks.neurons.ResetCUBA(reset="zero")
