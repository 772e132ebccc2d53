"""What leads where in a network, and how many steps it takes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Shape,
)

RELAY = "relay"
"""Last part of the name of a population that only repeats another one, a step later."""


@dataclass(frozen=True)
class Node:
    """An input or a population.

    Attributes:
        name, shape: of the input or population.
        role: "input", "neurons", "relay" (repeats another population a step later, so that paths
            keep the timing of the model) or "constant" (driven by a bias alone).
        is_output: whether its spikes are read out.
        earliest: steps after an input spike until one can arrive here, on the shortest path; 0 for
            an input, None where no path leads from an input.
        latest: the same on the longest path; what feeds itself goes on for longer.
    """

    name: str
    shape: Shape
    role: str
    is_output: bool = False
    earliest: int | None = None
    latest: int | None = None

    @property
    def neurons(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Link:
    """A connection.

    Attributes:
        source, target: names; equal where a population feeds itself.
        type: "dense" or "conv".
        weights: how many are stored.
        shortest_delay, longest_delay: steps beyond the one of every connection.
        earliest, latest: steps after an input spike until one can arrive on this path.
    """

    source: str
    target: str
    type: str
    weights: int
    shortest_delay: int = 0
    longest_delay: int = 0
    earliest: int | None = None
    latest: int | None = None

    @property
    def is_loop(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True)
class Wiring:
    """A network as nodes and links.

    Attributes:
        nodes: inputs, then populations, each after what it reads.
        links: all connections, by their targets.
        is_chain: whether every node reads the one before it, and nothing else.
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    is_chain: bool

    def into(self, name: str) -> tuple[Link, ...]:
        """The links that lead to ``name`` from others."""
        return tuple(link for link in self.links if link.target == name and not link.is_loop)

    def loops(self, name: str) -> tuple[Link, ...]:
        """The links of ``name`` to itself."""
        return tuple(link for link in self.links if link.target == name and link.is_loop)


def wiring_of(graph: IntegerGraph) -> Wiring:
    """The wiring of ``graph``.

    A connection takes 1 + d steps, d the delays of its synapses (those of weight 0 do not count).
    """
    nodes = [Node(name, shape, "input", False, 0, 0) for name, shape in graph.inputs.items()]
    known = {node.name: node for node in nodes}
    links: list[Link] = []
    for name, population in graph.populations.items():
        own = [_link(name, connection, known) for connection in population.connections]
        links += own
        reached = [link for link in own if link.earliest is not None]
        known[name] = Node(
            name,
            population.shape,
            _role(name, population.connections),
            name in graph.outputs,
            min((link.earliest for link in reached), default=None),
            max((link.latest for link in reached), default=None),
        )
        nodes.append(known[name])
    names = [node.name for node in nodes]
    is_chain = [(link.source, link.target) for link in links] == list(itertools.pairwise(names))
    return Wiring(tuple(nodes), tuple(links), is_chain)


def _role(name: str, connections: tuple[Connection, ...]) -> str:
    if not connections:
        return "constant"
    return "relay" if name.rpartition("/")[2] == RELAY else "neurons"


def _link(target: str, connection: Connection, known: dict[str, Node]) -> Link:
    synapses, source = connection.synapses, known.get(connection.source)
    shortest = longest = 0
    if isinstance(synapses, ConvSynapses):
        shortest = longest = synapses.delay
    elif synapses.delay is not None:
        delays = synapses.delay[synapses.weight != 0]
        if delays.size:
            shortest, longest = int(delays.min()), int(delays.max())
    earliest = latest = None
    if source is not None and source.earliest is not None:
        earliest, latest = source.earliest + 1 + shortest, source.latest + 1 + longest
    return Link(
        connection.source,
        target,
        "dense" if isinstance(synapses, DenseSynapses) else "conv",
        synapses.weight.size,
        shortest,
        longest,
        earliest,
        latest,
    )


def steps(earliest: int | None, latest: int | None) -> str:
    """Such as "step 3", "steps 3-5" or "no path"."""
    if earliest is None:
        return "no path"
    return f"step {earliest:,}" if earliest == latest else f"steps {earliest:,}-{latest:,}"


def reads(wiring: Wiring, name: str) -> str:
    """What a node reads, each with when spikes arrive on that path where there are several."""
    links = wiring.into(name)
    parts = [_source(link, len(links) > 1) for link in links]
    parts += [_source(link, False, "itself") for link in wiring.loops(name)]
    return ", ".join(parts)


def _source(link: Link, several: bool, name: str | None = None) -> str:
    facts = []
    if several and link.earliest is not None:
        facts.append(steps(link.earliest, link.latest))
    if link.longest_delay:
        facts.append(delay(link))
    name = name or link.source
    return f"{name} ({', '.join(facts)})" if facts else name


def delay(link: Link) -> str:
    """Such as "delay 2-5": steps beyond the one of every connection."""
    low, high = link.shortest_delay, link.longest_delay
    return f"delay {low}" if low == high else f"delay {low}-{high}"


def when(node: Node) -> str:
    """What a node is, and when spikes reach it."""
    words = {"input": ["input"], "relay": ["relay"], "constant": ["constant"]}.get(node.role, [])
    if node.role not in ("input", "constant"):
        words.append(steps(node.earliest, node.latest))
    return ", ".join([*words, *["output"] * node.is_output])
