"""Where the nodes of a wiring are drawn: in levels from the inputs to the outputs.

Nodes lie one level behind the last that they read. Links over several levels get a *bend* in each
level that they pass, so that they lead around the nodes there. Within a level the order follows the
neighbours (the barycentre method of Sugiyama et al., "Methods for Visual Understanding of
Hierarchical System Structures", IEEE Trans. SMC 11(2), 1981).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from keras_slayer.export.report.wiring import Wiring

SWEEPS = 8
"""Times that orders and positions are drawn to those of the neighbours, forth and back."""

Item = str | tuple[int, int]
"""A node, by name, or the bend of a link: its number, and its level."""


@dataclass(frozen=True)
class Layout:
    """Levels and positions across.

    Attributes:
        level: of every node and bend, from 0.
        across: the middle of every node and bend, at right angles to the levels, from 0.
        ways: for each link that is no loop, by number, the nodes and bends that it passes.
        extent: of everything across.
    """

    level: dict[Item, int]
    across: dict[Item, float]
    ways: dict[int, tuple[Item, ...]]
    extent: float

    @property
    def levels(self) -> int:
        return max(self.level.values()) + 1


def layout(wiring: Wiring, node_size: float, bend_size: float) -> Layout:
    """Lays ``wiring`` out.

    Args:
        node_size, bend_size: room across of a node, and of a link that passes a level.
    """
    level = _levels(wiring)
    ways = {}
    for number, link in enumerate(wiring.links):
        if not link.is_loop:
            passed = range(level[link.source] + 1, level[link.target])
            ways[number] = (link.source, *((number, i) for i in passed), link.target)
    for item in itertools.chain(*ways.values()):
        if isinstance(item, tuple):
            level[item] = item[1]
    rows: list[list[Item]] = [[] for _ in range(max(level.values()) + 1)]
    for item, i in level.items():
        rows[i].append(item)
    above, below = _neighbours(level, ways)
    across = {item: float(place) for row in rows for place, item in enumerate(row)}
    for row in _swept(rows):
        for neighbours in (above, below):
            row.sort(key=lambda item, n=neighbours: _mean(item, n, across))
        across.update((item, float(place)) for place, item in enumerate(row))
    sizes = {item: bend_size if isinstance(item, tuple) else node_size for item in level}
    for row in _swept(rows):
        wanted = [(_mean(i, above, across) + _mean(i, below, across)) / 2 for i in row]
        across.update(zip(row, _apart(wanted, [sizes[i] for i in row]), strict=True))
    start = min(across[i] - sizes[i] / 2 for i in level)
    end = max(across[i] + sizes[i] / 2 for i in level)
    return Layout(level, {i: x - start for i, x in across.items()}, ways, end - start)


def _levels(wiring: Wiring) -> dict[Item, int]:
    level: dict[Item, int] = {}
    for node in wiring.nodes:
        sources = [level[link.source] for link in wiring.into(node.name)]
        level[node.name] = 1 + max(sources, default=-1)
    for node in reversed(wiring.nodes):  # what reads nothing lies beside those that read it
        targets = [level[n.target] for n in wiring.links if n.source == node.name]
        if node.role == "constant" and targets:
            level[node.name] = min(targets) - 1
    lowest = min(level.values())
    return {name: i - lowest for name, i in level.items()}


def _neighbours(level: dict[Item, int], ways: dict[int, tuple[Item, ...]]):
    above: dict[Item, list[Item]] = {item: [] for item in level}
    below: dict[Item, list[Item]] = {item: [] for item in level}
    for way in ways.values():
        for before, after in itertools.pairwise(way):
            above[after].append(before)
            below[before].append(after)
    return above, below


def _swept(rows: list[list[Item]]):
    """The rows, forth and back, again and again."""
    for _ in range(SWEEPS):
        yield from rows
        yield from reversed(rows)


def _mean(item: Item, neighbours: dict[Item, list[Item]], across: dict[Item, float]) -> float:
    """Of the neighbours' places; the own one without any."""
    places = [across[other] for other in neighbours[item]]
    return sum(places) / len(places) if places else across[item]


def _apart(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Places closest to ``wanted``, in this order, that leave room for ``sizes``.

    Least squares by pooling adjacent violators.
    """
    offsets = [0.0]
    for a, b in itertools.pairwise(sizes):
        offsets.append(offsets[-1] + (a + b) / 2)
    pools: list[tuple[float, int]] = []  # mean and number
    for place, offset in zip(wanted, offsets, strict=True):
        mean, number = place - offset, 1
        while pools and pools[-1][0] > mean:
            other, count = pools.pop()
            mean, number = (mean * number + other * count) / (number + count), number + count
        pools.append((mean, number))
    means = [mean for mean, number in pools for _ in range(number)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
