"""from_nir: graphs that it refuses, and what it says."""

import itertools

import nir
import numpy as np
import pytest

from keras_slayer.export import from_nir

DT = 1e-4


def full(shape, value):
    return np.full(shape, value, np.float64)


def lif(size=3, **values):
    values = {"tau": 8 * DT, "r": 8, "v_leak": 0, "v_threshold": 1, "v_reset": 0, **values}
    return nir.LIF(**{k: np.broadcast_to(np.float64(v), size) for k, v in values.items()})


def graph_of(nodes, edges=None):
    edges = list(itertools.pairwise(nodes)) if edges is None else edges
    return nir.NIRGraph(nodes, edges, type_check=False)


def between(node, shape=(3,), out=(3,)):
    ends = nir.Input(np.array(shape)), nir.Output(np.array(out))
    return graph_of({"in": ends[0], "node": node, "out": ends[1]})


def conv(**values):
    given = {"weight": np.ones((2, 2, 3, 3)), "stride": 1, "padding": 0, "dilation": 1}
    given |= {"groups": 1, "bias": np.zeros(2), **values}
    return nir.Conv2d(None, **given)


def pool(window, stride=1, padding=0):
    return nir.SumPool2d(np.array(window), np.array(stride), np.array(padding))


IMAGE = (2, 8, 8)
REFUSED = {
    "spread of tau": (lif(tau=[8 * DT, 9 * DT, 10 * DT]), "'tau' differs.*3 values from 0.0008 to"),
    "short tau": (lif(tau=DT / 2), "'tau' is 5e-05 s, and a step 0.0001 s.*give dt"),
    "tau of nothing": (lif(tau=0), "'tau' is 0 s"),
    "negative tau": (lif(tau=-1), "'tau' is -1 s"),
    "endless tau": (lif(tau=np.inf), "tau is infinite, and 'r' is not"),
    "endless r": (lif(r=np.inf), "'r' is infinite"),
    "no gain": (lif(r=0), "an input counts 0 times"),
    "negative gain": (lif(r=[1, -2, 1]), "an input counts -0.25 times"),
    "no threshold": (lif(v_threshold=0), "its threshold is 0 above v_reset"),
    "threshold below reset": (lif(v_reset=2), "its threshold is -1 above v_reset"),
    "huge threshold": (lif(v_threshold=1e300), "its threshold is 1e\\+300"),
    "NaN": (lif(v_leak=[0, np.nan, 0]), "'v_leak' holds 1 numbers that are not finite"),
    "another shape": (lif(4), "'tau' has shape|'v_threshold' has shape|'r' has shape"),
    "steps of sinabs": (nir.IF(full(3, 1), full(3, 1)), 'to the letter.*tool="sinabs"'),
    "scale": (nir.Scale(full(4, 1)), r"'scale' has shape \(4,\), and its input \(3,\)"),
    "half a delay": (nir.Delay(full(3, 1.5 * DT)), "delays by 1.5 steps of 0.0001 s"),
    "negative delay": (nir.Delay(full(3, -DT)), "delays by -1 steps"),
    "endless delay": (nir.Delay(full(3, 1e9)), r"delays by 1e\+13 steps"),
    "weight of another size": (nir.Linear(np.ones((3, 4))), r"weight has shape \(3, 4\)"),
    "weight of three axes": (nir.Linear(np.ones((2, 3, 3))), "weights of rank 2"),
    "weight of float64": (nir.Linear(full((3, 3), 1e40)), "beyond float32"),
    "bias": (nir.Affine(np.ones((3, 3)), np.ones(2)), r"bias has shape \(2,\)"),
    "flatten": (nir.Flatten(None, 3, -1), "flattens axes 3 to -1"),
    "flatten of NaN": (nir.Flatten(None, np.nan, -1), "'start_dim' holds 1 numbers"),
    "empty": (nir.Scale(np.ones(0)), "'scale' is empty"),
}
REFUSED_IMAGES = {
    "channels": (conv(weight=np.ones((2, 3, 3, 3))), "in 1 groups"),
    "groups": (conv(weight=np.ones((3, 1, 3, 3)), groups=2, bias=np.zeros(3)), "in 2 groups"),
    "no groups": (conv(groups=0), "'groups' is"),
    "strides": (conv(stride=np.array([1, 0])), "'stride' is"),
    "half a stride": (conv(stride=1.5), "'stride' is"),
    "padding": (conv(padding=-1), "'padding' is"),
    "padding by name": (conv(padding="same", stride=2), "padding is 'same' with strides"),
    "window": (conv(dilation=9), r"a window of \(19, 19\) on an image of \(8, 8\)"),
    "pool": (pool([9, 1]), r"a window of \(9, 1\)"),
    "pool without a window": (pool(0), "'kernel_size' is"),
    "huge dilation": (conv(dilation=10**12), "'dilation' is"),
    "pool of a vector": (graph_of({}), None),
    "flatten": (nir.Flatten(None, 0, 1), "flattens axes 0 to 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nodes(name):
    node, what = REFUSED[name]
    with pytest.raises(ValueError, match=rf"node \({type(node).__name__}\): .*({what})"):
        from_nir(between(node))


@pytest.mark.parametrize("name", REFUSED_IMAGES)
def test_windows(name):
    node, what = REFUSED_IMAGES[name]
    shape = IMAGE
    if what is None:
        node, what, shape = pool(1), r"input has shape \(3,\)", (3,)
    with pytest.raises(ValueError, match=rf"node \({type(node).__name__}\): .*{what}"):
        from_nir(between(node, shape))


def test_all_problems_come_at_once():
    nodes = {
        "in": nir.Input(np.array([3])),
        "first": lif(tau=[8 * DT, 9 * DT, 10 * DT]),
        "second": lif(v_threshold=-1),
        "later": nir.Linear(np.ones((2, 5))),
        "unseen": lif(2, v_threshold=-1),
        "out": nir.Output(np.array([2])),
    }
    with pytest.raises(ValueError, match="cannot be read") as caught:
        from_nir(graph_of(nodes))
    message = str(caught.value)
    assert message.startswith("The NIR graph cannot be read (3 problems):\n")
    assert message.endswith("\nReceived: source=NIRGraph")
    for name in ("first (LIF)", "second (LIF)", "later (Linear)"):
        (line,) = [line for line in message.splitlines() if f"- {name}" in line]
        assert "allowed: " in line and "to do: " in line
    assert "unseen" not in message  # what comes to it is not known


class Strange:
    weight = np.ones(3)


def test_nodes_of_other_types_are_named_with_what_is_read():
    with pytest.raises(ValueError, match=r"node \(Strange\): nodes of this type.*CubaLIF"):
        from_nir(between(Strange()))


def recurrent():
    nodes = {"in": nir.Input(np.array([3])), "w": nir.Linear(np.eye(3)), "lif": lif()}
    nodes |= {"w_rec": nir.Linear(np.eye(3)), "out": nir.Output(np.array([3]))}
    edges = [("in", "w"), ("w", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "out")]
    return graph_of(nodes, edges)


def test_cycles():
    graph = recurrent()
    graph.edges += [("lif", "lif")]
    with pytest.raises(ValueError, match=r"lif \(LIF\): these nodes form a cycle") as error:
        from_nir(graph)
    assert "1 problem)" in str(error.value)
    graph = recurrent()  # two ways back
    graph.nodes["more"] = nir.Linear(np.eye(3))
    graph.edges += [("lif", "more"), ("more", "lif")]
    with pytest.raises(ValueError, match=r"lif \(LIF\), more \(Linear\): these nodes form a cycle"):
        from_nir(graph)
    nodes = {name: lif() for name in "abcd"}
    ends = {"in": nir.Input(np.array([3])), "out": nir.Output(np.array([3]))}
    edges = [("in", "a"), *itertools.pairwise("abca"), ("c", "d"), ("d", "out")]
    message = r"a \(LIF\), b \(LIF\), c \(LIF\): these nodes form a cycle"
    with pytest.raises(ValueError, match=message):
        from_nir(graph_of(nodes | ends, edges))


@pytest.mark.parametrize(
    ("edges", "what"),
    [
        ([("in", "node"), ("node", "nowhere")], "edge node -> nowhere: there is no node 'nowhere'"),
        ([("in", "node"), ("node", "out"), ("in", "node")], "edge in -> node: it is there twice"),
        ([("in", "node"), ("node", "out"), ("node", "in")], r"in \(Input\): edges lead to it"),
        ([("in", "out")], r"node \(LIF\): nothing feeds it"),
        ([("in", "node"), ("in", "out")], r"node \(LIF\): it feeds nothing"),
        ([], "nothing feeds it"),
    ],
)
def test_edges(edges, what):
    graph = between(lif())
    graph.edges = edges
    with pytest.raises(ValueError, match=what):
        from_nir(graph)


def test_names_that_a_graph_in_the_graph_has_too():
    inner = graph_of({"in": nir.Input(np.array([3])), "x": lif(), "out": nir.Output(np.array([3]))})
    nodes = {"in": nir.Input(np.array([3])), "a.x": lif(), "a": inner}
    for order in (nodes, dict(reversed(nodes.items()))):
        graph = graph_of(order | {"out": nir.Output(np.array([3]))}, [("in", "a"), ("a", "out")])
        with pytest.raises(ValueError, match=r"a.x \(LIF\): a graph in the graph has a node"):
            from_nir(graph)


def test_sums_of_different_shapes():
    nodes = {"in": nir.Input(np.array([3])), "a": nir.Linear(np.ones((2, 3)))}
    nodes |= {"b": nir.Linear(np.ones((4, 3))), "lif": lif(2), "out": nir.Output(np.array([2]))}
    edges = [("in", "a"), ("in", "b"), ("a", "lif"), ("b", "lif"), ("lif", "out")]
    with pytest.raises(ValueError, match=r"lif \(LIF\): it sums a \(2,\), b \(4,\)"):
        from_nir(graph_of(nodes, edges))


@pytest.mark.parametrize("shape", [[-1], [0], [1.5], [], [2**20, 2**20], [2, 2, 2, 2], [2**40]])
def test_shapes_of_inputs(shape):
    with pytest.raises(ValueError, match=r"in \(Input\)"):
        from_nir(between(nir.IF(np.float64(1 / DT), np.float64(1)), np.array(shape)))


@pytest.mark.parametrize("shape", [(2**13, 2**13), (2**26,)])
def test_what_a_node_makes_larger_than_memory(shape):
    """Scalars fit any shape, and windows make images larger."""
    node = pool(1, padding=2**14 - 1) if len(shape) == 2 else nir.Delay(np.float64(0))
    graph = between(node, (4, *shape) if len(shape) == 2 else (2**27 + 1,))
    with pytest.raises(ValueError, match="at most 134217728 numbers"):
        from_nir(graph)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"tool": "brian"}, "tool must be one of .*'snntorch'.*Received: tool='brian'"),
        ({"reset": "none"}, r"reset must be one of \('zero', 'subtract', 'late'\).*Received"),
        ({"dt": 0}, "dt must be"),
        ({"dt": float("nan")}, "dt must be"),
    ],
)
def test_arguments(options, what):
    with pytest.raises(ValueError, match=what):
        from_nir(between(lif()), **options)


@pytest.mark.parametrize("dt", [0, -1.0, float("nan"), "soon", np.ones(2)])
def test_metadata_that_are_no_step(dt):
    graph = between(lif())
    graph.metadata = {"dt": dt}
    with pytest.raises(ValueError, match="its metadata say dt = "):
        from_nir(graph)
    assert from_nir(graph, dt=DT)


def test_sources_of_other_kinds(tmp_path):
    with pytest.raises(TypeError, match=r"path of a .nir file or a nir.NIRGraph. Received"):
        from_nir(3)
    with pytest.raises(FileNotFoundError, match="no such file"):
        from_nir(tmp_path / "a.nir")
