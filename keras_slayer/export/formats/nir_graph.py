"""A NIR graph as nodes and edges, checked: types, parameters, connections, cycles."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np

from keras_slayer.export.formats.nir_order import in_order
from keras_slayer.export.problems import Problem

NEURONS = ("IF", "LIF", "CubaLIF", "Threshold")
INTEGRATORS = ("I", "LI", "CubaLI")
SYNAPSES = ("Affine", "Linear", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")

PARAMETERS = {
    "Input": ("shape",),
    "Output": (),
    "Identity": (),
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "Scale": ("scale",),
    "Conv1d": ("weight", "stride", "padding", "dilation", "groups", "bias"),
    "Conv2d": ("weight", "stride", "padding", "dilation", "groups", "bias"),
    "SumPool2d": ("kernel_size", "stride", "padding"),
    "AvgPool2d": ("kernel_size", "stride", "padding"),
    "Flatten": ("start_dim", "end_dim"),
    "Delay": ("delay",),
    "Threshold": ("threshold",),
    "I": ("r",),
    "IF": ("r", "v_threshold"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"),
}
"""Types of nodes that are read, and the parameters that they must have."""

OPTIONAL = {"v_reset": 0.0, "w_in": 1.0}
"""Parameters that a file may leave out, with their values, as ``nir`` has them."""

MAX_NODES = 5_000
MAX_NESTED = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A node: its name, with those of the graphs that it lies in, its type and its parameters.

    It is complete if its type is known, and its parameters are there and are numbers.
    """

    name: str
    type: str
    values: dict
    complete: bool = True

    @property
    def label(self) -> str:
        return f"{self.name} ({self.type})"

    def problem(self, what: str, limit: str, remedy: str) -> Problem:
        return Problem(self.label, what, limit, remedy)


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """Nodes by name, in an order in which each comes after what feeds it; cycles are left out.

    ``inputs`` and ``outputs`` are in the order of the file. ``loops`` are the weights with which
    neurons feed themselves, by the name of these.
    """

    nodes: dict[str, Node]
    sources: dict[str, list[str]]
    targets: dict[str, list[str]]
    metadata: dict
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    loops: dict[str, Node] = dataclasses.field(default_factory=dict)


def read_graph(tree: dict) -> tuple[Graph, list[Problem]]:
    """The graph of ``nir_file.read_tree``, and what is wrong with it.

    Graphs within the graph become nodes of it. Nodes with a problem, and what they feed, are not
    in the result.
    """
    nodes, edges, problems = _flatten(tree, "", 0)
    if len(nodes) > MAX_NODES:
        problems.append(
            Problem("graph", f"it has {len(nodes)} nodes", f"at most {MAX_NODES}", "split it")
        )
        return Graph({}, {}, {}, {}), problems
    sources, targets = defaultdict(list), defaultdict(list)
    for a, b in edges:
        sources[b].append(a)
        targets[a].append(b)
    loops = _take_loops(nodes, sources, targets)
    problems += _loose_ends(nodes, sources, targets)
    order, cycles = in_order(nodes, sources, targets)
    metadata = tree.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    for cycle in cycles:
        names = ", ".join(nodes[name].label for name in cycle)
        *what, remedy = CYCLE
        remedy = "read the chip's integers: integers=True" if "integers" in metadata else remedy
        problems.append(Problem(names, *what, remedy))
    ordered = {name: nodes[name] for name in order}
    ends = [tuple(n for n, node in nodes.items() if node.type == side) for side in SIDES]
    return Graph(ordered, dict(sources), dict(targets), metadata, *ends, loops), problems


CYCLE = (
    "these nodes form a cycle",
    "neurons that feed themselves through one Affine or Linear",
    "leave the other weights out of the graph",
)


def _take_loops(nodes, sources, targets) -> dict[str, Node]:
    """Takes out the weights with which neurons feed themselves: z[t] = x[t] + W s[t-1].

    Where weights get an input as well, z[t] = W (x[t] + s[t-1]) + b, they stay there for that.
    """
    loops: dict[str, Node] = {}
    for name, node in list(nodes.items()):
        if node.type not in ("Affine", "Linear") or len(targets[name]) != 1:
            continue
        (neurons,) = targets[name]
        if nodes[neurons].type not in NEURONS or neurons in loops or neurons not in sources[name]:
            continue
        targets[neurons].remove(name)
        sources[name].remove(neurons)
        loops[neurons] = node
        if sources[name]:
            without_bias = {k: v for k, v in node.values.items() if k != "bias"}
            loops[neurons] = dataclasses.replace(node, values=without_bias)
        else:
            del nodes[name]
            sources[neurons].remove(name)
    return loops


def _flatten(tree: dict, prefix: str, depth: int):
    """(nodes, edges, problems) of a graph, with those of the graphs in it."""
    where = prefix.rstrip(".") or "graph"
    nodes: dict[str, Node] = {}
    problems: list[Problem] = []
    ends: dict[str, tuple[list[str], list[str]]] = {}  # of graphs in it: their inputs and outputs
    edges: list[tuple[str, str]] = []
    members = tree.get("nodes")
    if not isinstance(members, dict) or not members:
        problem = Problem(where, "it has no nodes", "a NIRGraph", "write it with nir.write")
        return nodes, edges, [problem]
    for key, member in members.items():
        name = f"{prefix}{key}"
        kind = member.get("type") if isinstance(member, dict) else None
        kind = kind if isinstance(kind, str) else None
        if kind == "NIRGraph" and depth < MAX_NESTED:
            inner, inner_edges, more = _flatten(member, f"{name}.", depth + 1)
            ends[name] = tuple(
                [n for n, node in inner.items() if node.type == side] for side in SIDES
            )
            twice = inner.keys() & nodes.keys()
            nodes |= {n: _within(node) for n, node in inner.items()}
            edges += inner_edges
            problems += [*more, *(nodes[n].problem(*TWICE) for n in twice)]
            continue
        node, more = _node(name, kind, member)
        problems += [*more, *([node.problem(*TWICE)] if name in nodes else [])]
        nodes[name] = dataclasses.replace(node, complete=not more)
    given, more = _edges(tree.get("edges"), where)
    problems += more
    seen = set()
    for a, b in given:
        a, b = f"{prefix}{a}", f"{prefix}{b}"
        if (a, b) in seen:
            problems.append(_edge_problem(a, b, "it is there twice", "each edge once"))
            continue
        seen.add((a, b))
        ways = []
        for name, side in ((a, 1), (b, 0)):
            found = ends[name][side] if name in ends else [name] if name in nodes else []
            if len(found) != 1:
                what = f"{len(found)} {SIDES[side]} nodes in {name!r}" if name in ends else name
                what = what if name in ends else f"there is no node {name!r}"
                problems.append(_edge_problem(a, b, what, "edges between two nodes"))
            ways += found[:1]
        if len(ways) == 2:
            edges.append(tuple(ways))
    return nodes, edges, problems


SIDES = ("Input", "Output")
TWICE = ("a graph in the graph has a node of this name as well", "one node of a name", "rename it")


def _within(node: Node) -> Node:
    """Inputs and outputs of a graph within a graph hand on what they get."""
    return dataclasses.replace(node, type="Identity") if node.type in SIDES else node


def _edge_problem(a: str, b: str, what: str, limit: str) -> Problem:
    return Problem(f"edge {a} -> {b}", what, limit, "mend the edges of the graph")


def _edges(value, where: str):
    if isinstance(value, np.ndarray) and value.size == 0:
        return [], []
    pairs = value if isinstance(value, list) else None
    if pairs is None or any(len(pair) != 2 for pair in pairs):
        return [], [Problem(where, "it has no edges", "pairs of names", "write it with nir.write")]
    return pairs, []


def _node(name: str, kind, member) -> tuple[Node, list[Problem]]:
    """A node with its parameters as finite numbers, and what is wrong with them."""
    node = Node(name, kind or "no type", {})
    if kind not in PARAMETERS:
        supported = ", ".join(kind for kind in PARAMETERS if kind not in ("Identity", *SIDES))
        return node, [
            node.problem("nodes of this type are not read", supported, "replace the node")
        ]
    problems = []
    for key in (*PARAMETERS[kind], *OPTIONAL):
        value = member.get(key, OPTIONAL.get(key) if kind in ("IF", "LIF", "CubaLIF") else None)
        if key == "w_in" and value is None and kind == "CubaLI":
            value = OPTIONAL[key]
        if value is None:
            if key in PARAMETERS[kind]:
                problems.append(node.problem(f"{key!r} is missing", "nodes as nir has them", "add"))
            continue
        if isinstance(value, str) and key == "padding":
            node.values[key] = value
            continue
        value = np.asarray(value)
        if value.dtype.kind not in "iuf":
            what, limit = f"{key!r} holds no numbers", "numbers"
            problems.append(node.problem(what, limit, "mend the file"))
            continue
        if not value.size:
            problems.append(node.problem(f"{key!r} is empty", "numbers", "mend the file"))
            continue
        endless = np.isposinf(value) if key in ("tau", "tau_mem", "tau_syn", "r") else False
        if not np.all(np.isfinite(value) | endless):
            bad = int(np.sum(~(np.isfinite(value) | endless)))
            what = f"{key!r} holds {bad} numbers that are not finite"
            problems.append(node.problem(what, "finite numbers", "mend the file"))
        node.values[key] = value
    return node, problems


def _loose_ends(nodes, sources, targets) -> list[Problem]:
    problems = []
    for side in SIDES:
        if not any(node.type == side for node in nodes.values()):
            what = f"it has no {side} node"
            problems.append(Problem("graph", what, "at least one", f"add nir.{side} nodes"))
    for name, node in nodes.items():
        if node.type != "Input" and not sources[name]:
            problems.append(node.problem("nothing feeds it", "connected nodes", "add an edge"))
        if node.type != "Output" and not targets[name]:
            problems.append(node.problem("it feeds nothing", "connected nodes", "add an edge"))
        if node.type == "Input" and sources[name]:
            problems.append(node.problem("edges lead to it", "edges from it", "remove these edges"))
    return problems
