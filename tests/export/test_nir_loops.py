"""Neurons that feed themselves, from NIR and to NIR."""

import keras
import nir
import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.export import from_nir, to_nir

DT = 1e-4
SIZE = 4


def lif(tau=4.0, threshold=1.0, reset=0.0, size=SIZE):
    """A LIF node of ``tau`` steps, with a gain of 1."""
    rows = (tau * DT, tau, 0.0, threshold, reset)
    return nir.LIF(*(np.broadcast_to(np.array(row, float), (size,)).copy() for row in rows))


def weights(outputs=SIZE, inputs=SIZE, seed=0, scale=0.8):
    drawn = np.random.default_rng(seed).normal(0.2, scale, (outputs, inputs))
    return np.round(drawn * 64) / 64


def looped(node, loop, into=None):
    """in -> into -> node <-> loop, node -> out."""
    nodes = {"in": nir.Input(np.array([3])), "node": node, "loop": loop}
    nodes |= {"into": into or nir.Linear(weights(inputs=3, seed=1, scale=2.0))}
    nodes |= {"out": nir.Output(np.array([SIZE]))}
    edges = [("in", "into"), ("into", "node"), ("node", "loop"), ("loop", "node"), ("node", "out")]
    return nir.NIRGraph(nodes, edges, type_check=False)


def spikes(inputs=3, steps=40, seed=3):
    return (np.random.default_rng(seed).random((2, steps, inputs)) < 0.4).astype(np.float32)


def by_hand(x, into, loop, threshold, bias=0.0, tau=4.0, subtract=False):
    """v[t] = (1 - 1 / tau) v[t-1] + W x[t] + R s[t-1] + b, a spike above the threshold."""
    out = np.zeros((*x.shape[:2], SIZE))
    for sample, train in zip(out, x, strict=True):
        v, s = np.zeros(SIZE), np.zeros(SIZE)
        for t, now in enumerate(train):
            v = (1 - 1 / tau) * v + into @ now + loop @ s + bias
            v = v - threshold * s if subtract else v
            s = (v > threshold).astype(float)
            v = v if subtract else np.where(s > 0, 0.0, v)
            sample[t] = s
    return out


@pytest.mark.parametrize(
    ("threshold", "subtract"),
    [(1.0, False), (1.0, True), (np.array([0.5, 1.0, 1.5, 2.0]), False)],
)
def test_loops_are_recurrent_layers(threshold, subtract):
    into, loop = nir.Linear(weights(inputs=3, seed=1, scale=2.0)), weights()
    bias = np.array([0.1, -0.1, 0.0, 0.2])
    graph = looped(lif(threshold=threshold), nir.Affine(loop, bias), into)
    model = from_nir(graph, tool="nir", reset="subtract" if subtract else "zero")
    assert [type(layer) for layer in model.layers[1:]] == [ks.SpikingRecurrentDense]
    x = spikes()
    expected = by_hand(x, into.weight, loop, threshold, bias, subtract=subtract)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_a_graph_in_the_graph_as_tools_write_loops():
    """snnTorch and Norse put neurons and their weights into a graph of its own."""
    size = np.array([SIZE])
    inner = nir.NIRGraph(
        {
            "input": nir.Input(size),
            "lif": lif(),
            "w_rec": nir.Linear(weights()),
            "output": nir.Output(size),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
        type_check=False,
    )
    into = weights(inputs=3, seed=1, scale=2.0)
    nodes = {"in": nir.Input(np.array([3])), "fc": nir.Linear(into), "rec": inner}
    nodes |= {"out": nir.Output(size)}
    edges = [("in", "fc"), ("fc", "rec"), ("rec", "out")]
    model = from_nir(nir.NIRGraph(nodes, edges, type_check=False), tool="nir")
    x = spikes()
    expected = by_hand(x, into, weights(), 1.0)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_a_model_with_loops_comes_back(tmp_path):
    x = keras.Input((30, 6))
    first = ks.SpikingRecurrentDense(8, ks.CUBA(1.25, 0.25, 0.125), use_bias=True)
    second = ks.SpikingRecurrentDense(5, ks.CUBA(1.0, current_decay=1.0, voltage_decay=0.25))
    model = keras.Model(x, ks.SpikingDense(3, ks.CUBA(1.0, 0.5, 0.5))(second(first(x))))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(np.round(rng.normal(0.2, 0.6, weight.shape) * 64) / 64)
    graph = to_nir(model, tmp_path / "a.nir")
    assert f"{first.name}.recurrent" in graph.nodes
    data = spikes(6, 30)
    expected = model.predict(data, verbose=0)
    assert 0.05 < expected.mean() < 0.9
    read = from_nir(tmp_path / "a.nir")
    np.testing.assert_array_equal(read.predict(data, verbose=0), expected)
    kinds = [type(layer) for layer in read.layers]
    assert kinds.count(ks.SpikingRecurrentDense) == 2


def test_a_loop_of_the_chip_is_two_steps_long(tmp_path):
    """On the chip an input acts a step after it arrives: no layer of CUBA neurons does that."""
    model = keras.Sequential([keras.Input((30, 6)), ks.SpikingRecurrentDense(8, "loihi")])
    model.export_loihi(tmp_path / "chip.nir")
    message = r"\(CubaLIF\), delay \(Delay\), .* form a cycle.* integers=True"
    with pytest.raises(ValueError, match=message):
        from_nir(tmp_path / "chip.nir", integers=False)


def convolved():
    """Neurons of an image that feed themselves through a Conv2d."""
    image = np.array([1, 4, 5])
    kernel = nir.Conv2d((4, 5), np.ones((1, 1, 3, 3)), 1, 1, 1, 1, np.zeros(1))
    rows = [np.full((1, 4, 5), row) for row in (4 * DT, 4.0, 0.0, 1.0, 0.0)]
    nodes = {"in": nir.Input(image), "node": nir.LIF(*rows), "loop": kernel}
    nodes |= {"out": nir.Output(image)}
    edges = [("in", "node"), ("node", "loop"), ("loop", "node"), ("node", "out")]
    return nir.NIRGraph(nodes, edges, type_check=False)


@pytest.mark.parametrize(
    ("graph", "options", "what"),
    [
        (
            lambda: looped(lif(), nir.Linear(weights(5))),
            {},
            r"loop makes \(5,\) of its \(4,\)",
        ),
        (
            lambda: looped(lif(), nir.Linear(weights(4, 5))),
            {},
            r"its weight has shape \(4, 5\), and its input \(4,\)",
        ),
        (
            convolved,
            {},
            r"loop \(Conv2d\), node \(LIF\): these nodes form a cycle; allowed: neurons that feed "
            "themselves through one Affine or Linear",
        ),
    ],
)
def test_loops_that_are_refused(graph, options, what):
    with pytest.raises(ValueError, match=what):
        from_nir(graph(), tool="nir", **options)
