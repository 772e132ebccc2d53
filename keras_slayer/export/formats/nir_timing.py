"""When what happens in a ``.nir`` file: its readers take no step from node to node.

On the chip every connection takes a step, and its delays. A population p of the file is r(p) steps
ahead of the chip's,

    r(input) = 0
    r(p) = min over the connections of p of r(source) + 1 + smallest delay

(connections of p to itself and those of zeros aside), so that a connection brings its spikes late
by

    1 + delay - (r(p) - r(source)) steps,

which is 0 in a chain without delays, and never less. A Delay node in front of the weights says so
where it is not 0. A population with a bias has r(p) = 0: its bias begins with the first step.
Readers bring what a population sends itself one step later by themselves: that is the chip's step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Synapses,
)


def ahead(graph: IntegerGraph) -> dict[str, int]:
    """r(p): steps by which inputs and populations of the file are ahead of the chip's."""
    steps = dict.fromkeys(graph.inputs, 0)
    for name, population in graph.populations.items():
        has_bias = population.bias is not None and population.bias.any()
        others = [c for c in population.connections if c.source != name]
        others = [c for c in others if c.synapses.weight.any()] or others
        arrivals = (steps[c.source] + 1 + _smallest_delay(c.synapses) for c in others)
        steps[name] = 0 if has_bias else min(arrivals, default=0)
    return steps


def steps_late(name: str, connection: Connection, steps: dict[str, int]) -> int:
    """How late a connection to ``name`` brings its spikes in the file, its delays aside."""
    if connection.source == name or not connection.synapses.weight.any():
        return 0
    return 1 - (steps[name] - steps[connection.source])


def _smallest_delay(synapses: Synapses) -> int:
    """Of the synapses whose weight is not zero."""
    if synapses.delay is None or not synapses.weight.any():
        return 0
    if isinstance(synapses, ConvSynapses):
        return synapses.delay
    return int(synapses.delay[synapses.weight != 0].min())


def branches(synapses: DenseSynapses, late: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(steps for each input, weights) of parts that add up to the synapses.

    A Delay node has one delay for each input. Where the synapses of an input have several, they go
    to as many parts: part k has the k-th smallest delay of each input.

    Args:
        late: steps to add to every delay. Only synapses with weights that are not zero count.
    """
    weight, delay = synapses.weight, synapses.delay
    if delay is None or not np.any(delay[weight != 0]):
        yield np.full(len(weight), late), weight
        return
    values = np.unique(delay[weight != 0]).astype(int)
    there = np.stack([((delay == value) & (weight != 0)).any(axis=1) for value in values])
    rank = there.cumsum(axis=0)  # of each delay among those of its input, from 1 on
    for k in range(1, rank.max() + 1):
        mine = there & (rank == k)
        own = values[mine.argmax(axis=0)]
        has = mine.any(axis=0)
        part = np.where((delay == own[:, None]) & has[:, None], weight, 0)
        yield np.where(has, late + own, 0), part


def count_branches(synapses: DenseSynapses) -> int:
    """How many parts ``branches`` gives."""
    weight, delay = synapses.weight, synapses.delay
    if delay is None or not np.any(delay[weight != 0]):
        return 1
    values = np.unique(delay[weight != 0])
    there = [((delay == value) & (weight != 0)).any(axis=1) for value in values]
    return int(np.sum(there, axis=0).max())
