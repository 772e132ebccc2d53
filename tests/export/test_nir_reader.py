"""from_nir: what becomes of each node, compared with a run of the graph in NumPy."""

import itertools

import keras
import nir
import nir_cases
import nir_oracle
import numpy as np
import pytest
from nir_graph_cases import (
    DENSE,
    DT,
    IMAGE,
    RNG,
    assert_equal,
    chain,
    conv1d,
    conv2d,
    cuba,
    full,
    kinds,
    lif,
    linear,
    spikes,
    weights,
)

import keras_slayer as ks
from keras_slayer.export import from_nir
from keras_slayer.export.formats import nir as writer


@pytest.mark.parametrize("name", DENSE)
def test_neurons_with_their_weights_are_one_layer(name):
    model = assert_equal(chain((12,), linear(6, 12), DENSE[name]), (12,))
    assert kinds(model) == ["SpikingDense"]


@pytest.mark.parametrize("name", DENSE)
def test_neurons_without_weights(name):
    model = assert_equal(chain((6,), nir.Scale(full(6, 0.75)), DENSE[name]), (6,))
    assert kinds(model)[-1] == "SpikingActivation"


@pytest.mark.parametrize(
    "node",
    [
        nir.LI(full(6, 8 * DT), full(6, 3.0), full(6, 0.0)),
        nir.CubaLI(full(6, 4 * DT), full(6, 8 * DT), np.linspace(1, 2, 6), full(6, 0.0)),
        nir.I(full(6, 20.0)),
    ],
)
def test_integrators(node):
    for first in (linear(6, 12), nir.Scale(full(12, 0.5))):
        size = 6 if isinstance(first, nir.Linear) else 12
        if size == 12:
            node = type(node)(**{k: np.resize(v, 12) for k, v in vars(node).items() if k in KEYS})
        model = assert_equal(chain((12,), first, node), (12,), exact=False, lively=False)
        assert kinds(model)[-1] == "TemporalFilter"


KEYS = ("tau", "tau_syn", "tau_mem", "r", "v_leak", "w_in")

CONVOLUTIONS = {
    "plain": conv2d(4, 2, (3, 3), (7, 9)),
    "window": conv2d(4, 2, (2, 5), (7, 9), bias=0.125),
    "same": conv2d(4, 2, (3, 3), (7, 9), padding=1),
    "same_by_name": conv2d(4, 2, (4, 3), (7, 9), padding="same"),
    "valid_by_name": conv2d(4, 2, (4, 3), (7, 9), padding="valid"),
    "padding": conv2d(4, 2, (3, 2), (7, 9), padding=(2, 1)),
    "strides": conv2d(4, 2, (3, 3), (7, 9), stride=(2, 3), padding=(1, 0)),
    "dilation": conv2d(4, 2, (3, 2), (7, 9), dilation=(2, 3), padding=(2, 1)),
    "strides_and_dilation": conv2d(4, 2, (3, 2), (7, 9), stride=2, dilation=(2, 3), padding=1),
    "groups": conv2d(4, 2, (3, 3), (7, 9), groups=2, bias=0.25),
    "sum_pool": nir.SumPool2d(np.array([2, 3]), np.array([2, 2]), np.array([0, 0])),
    "sum_pool_padded": nir.SumPool2d(np.array(3), np.array(2), np.array([1, 1])),
    "average_pool": nir.AvgPool2d(np.array([2, 2]), np.array(2), np.array(0)),
    "average_pool_padded": nir.AvgPool2d(np.array(2), np.array(2), np.array(1)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_and_pools(name):
    node = CONVOLUTIONS[name]
    scalar = nir.IF(np.float32(1 / DT), np.float32(1.5))
    model = assert_equal(chain(IMAGE, node, scalar), IMAGE)
    pool = "pool" in name
    if name != "strides_and_dilation":
        assert kinds(model)[-1] == ("SpikingSumPooling2D" if pool else "SpikingConv2D")
    # Without neurons behind it.
    assert_equal(chain(IMAGE, node), IMAGE, exact=False, lively=False)


@pytest.mark.parametrize(
    "node",
    [
        conv1d(4, 2, 3, 9),
        conv1d(4, 2, 3, 9, stride=2, padding=1),
        conv1d(4, 2, 2, 9, dilation=3, padding=2, stride=2),
        conv1d(4, 2, 3, 9, groups=2, padding="same"),
    ],
)
def test_convolutions_of_one_axis(node):
    assert_equal(chain((2, 9), node, nir.IF(np.float32(1 / DT), np.float32(1.5))), (2, 9))


@pytest.mark.parametrize(
    ("per_channel", "last"), [(True, "SpikingConv2D"), (False, "SpikingActivation")]
)
def test_thresholds_of_images_go_into_weights_per_channel(per_channel, last):
    # None that a sum of weights, multiples of 1/64, can meet: rescaled, it may fall to either side.
    thresholds = np.linspace(0.53, 1.97, 4 * 5 * 7).reshape(4, 5, 7)
    if per_channel:
        thresholds = np.broadcast_to(thresholds[:, :1, :1], thresholds.shape)
    node = lif(4, 5, 7, threshold=thresholds)
    model = assert_equal(chain(IMAGE, CONVOLUTIONS["plain"], node), IMAGE)
    assert kinds(model)[-1] == last


@pytest.mark.parametrize(("start", "end"), [(0, -1), (0, 2), (-3, -1)])
def test_the_order_of_a_flatten_goes_into_the_weights(start, end):
    flatten = nir.Flatten(np.array(IMAGE), start, end)
    model = assert_equal(chain(IMAGE, flatten, linear(6, 126), lif(6)), IMAGE)
    assert kinds(model) == ["Flatten", "SpikingDense"]


@pytest.mark.parametrize(
    "nodes",
    [
        (nir.Flatten(np.array(IMAGE), 0, -1),),
        (nir.Flatten(np.array(IMAGE), 1, -1), conv1d(4, 2, 3, 63)),
        (nir.Flatten(np.array(IMAGE), 0, -1), nir.Scale(np.linspace(0, 1, 126))),
        (nir.Flatten(np.array(IMAGE), 1, 2), nir.Flatten(np.array((2, 63)), 0, 1), linear(6, 126)),
        (nir.Flatten(np.array(IMAGE), 1, 1),),
    ],
)
def test_where_nothing_takes_the_order_up_it_is_that_of_nir(nodes):
    assert_equal(chain(IMAGE, *nodes), IMAGE, exact=False, lively=False)


@pytest.mark.parametrize(
    "steps", [3, np.arange(6), np.array([0, 0, 0, 90, 1, 2])], ids=["one", "each", "long"]
)
@pytest.mark.parametrize("dt", [1e-4, 1e-3, 3e-4])
def test_delays(steps, dt):
    graph = chain((6,), nir.Delay(np.broadcast_to(steps * dt, 6).astype(np.float64)))
    found = np.asarray(from_nir(graph, dt=dt)(spikes((6,))))
    expected = nir_oracle.run(graph, spikes((6,)), dt=dt)
    assert expected.any()
    np.testing.assert_array_equal(found, expected)


def test_delays_of_images():
    steps = RNG(0).integers(0, 5, IMAGE)
    assert_equal(chain(IMAGE, nir.Delay(steps * DT)), IMAGE)
    assert_equal(chain(IMAGE, nir.Delay(np.broadcast_to(steps[:, :1, :1], IMAGE) * DT)), IMAGE)


def branches():
    nodes = {
        "a": nir.Input(np.array([8])),
        "b": nir.Input(np.array([5])),
        "wa": linear(6, 8),
        "wb": nir.Affine(weights(6, 5, seed=1), full(6, 0.25)),
        "sum": lif(6),
        "skip": linear(4, 8, seed=2),
        "deep": linear(4, 6, seed=3),
        "last": cuba(4, threshold=16),
        "out": nir.Output(np.array([4])),
        "hidden": nir.Output(np.array([6])),
    }
    edges = [("a", "wa"), ("b", "wb"), ("wa", "sum"), ("wb", "sum"), ("sum", "deep")]
    edges += [("a", "skip"), ("skip", "last"), ("deep", "last"), ("last", "out"), ("sum", "hidden")]
    return nir.NIRGraph(nodes, edges)


def test_several_edges_into_a_node_are_summed():
    graph = branches()
    model = from_nir(graph)
    x = {"a": spikes((8,)), "b": spikes((5,), seed=9)}
    expected = nir_oracle.run(graph, x)
    found = dict(zip(("out", "hidden"), model(list(x.values())), strict=True))
    for name, values in expected.items():
        assert 0.05 < values.mean() < 0.95
        np.testing.assert_array_equal(found[name], values)


def test_graphs_within_graphs_are_parts_of_the_graph():
    inner = chain((12,), linear(6, 12), lif(6))
    nodes = {"in": nir.Input(np.array([12])), "net": inner, "end": linear(3, 6, seed=1)}
    nodes |= {"lif": lif(3), "out": nir.Output(np.array([3]))}
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(names)), type_check=False)
    flat = chain((12,), linear(6, 12), lif(6), linear(3, 6, seed=1), lif(3))
    np.testing.assert_array_equal(
        from_nir(graph)(spikes((12,))), nir_oracle.run(flat, spikes((12,)))
    )
    assert [layer.name for layer in from_nir(graph).layers[1:]] == ["net.n1", "end"]


def test_files_are_read_as_objects_are(tmp_path):
    graph = branches()
    graph.metadata = {"dt": 1e-4}
    nir.write(tmp_path / "a.nir", graph)
    x = [spikes((8,)), spikes((5,), seed=9)]
    read = from_nir(tmp_path / "a.nir")(x)  # members of HDF5 come by name
    given = dict(zip(("out", "hidden"), from_nir(graph)(x), strict=True))
    np.testing.assert_array_equal(read[0], given["hidden"])
    np.testing.assert_array_equal(read[1], given["out"])


class Tensor:
    """As PyTorch's: no array before it is detached."""

    def __init__(self, value):
        self.value = value

    def detach(self):
        return self.value


def test_parameters_may_be_tensors_and_shapes_may_have_samples():
    """Norse and sinabs keep tensors in the graph; Norse and Rockpool write (1, neurons)."""
    plain = chain((12,), linear(6, 12), lif(6))
    other = chain((1, 12), linear(6, 12), lif(6))
    other.nodes["n1"].weight = Tensor(other.nodes["n1"].weight)
    x = spikes((12,))
    np.testing.assert_array_equal(from_nir(other)(x), from_nir(plain)(x))


def test_names_that_keras_refuses():
    nodes = {"_0/x": nir.Input(np.array([3])), "_1": lif(3), "1": nir.Output(np.array([3]))}
    model = from_nir(nir.NIRGraph(nodes, [("_0/x", "_1"), ("_1", "1")]))
    assert model.predict(spikes((3,)), verbose=0).shape == (2, 25, 3)


def test_the_model_trains_and_is_saved(tmp_path):
    flatten = nir.Flatten(np.array([4, 5, 7]), 0, -1)
    nodes = (CONVOLUTIONS["plain"], lif(4, 5, 7), flatten, linear(6, 140), cuba(6))
    model = from_nir(chain(IMAGE, *nodes), reset="subtract")
    x, y = spikes(IMAGE), np.eye(6, dtype=np.float32)[[1, 3]]
    before = [np.array(w) for w in model.trainable_weights]
    model.compile("sgd", ks.losses.SpikeCountLoss(10, 2))
    model.fit(x, y, verbose=0)
    assert all(
        (np.array(w) != b).any() for w, b in zip(model.trainable_weights, before, strict=True)
    )
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ["dense", "image", "strides", "groups", "pool", "pool_padded"])
def test_what_export_loihi_writes(name, tmp_path):
    network = nir_cases.NETWORKS[name]
    writer.write(network, tmp_path / "a.nir")
    x = nir_cases.spikes(network)
    found = np.asarray(from_nir(tmp_path / "a.nir", integers=False)(x))
    expected = nir_cases.expected(network, x)
    assert expected.sum() > 10
    np.testing.assert_array_equal(found, expected)
