"""Populations and connections in the chip's integers as NIR nodes. nir.py says what they mean."""

from __future__ import annotations

from collections import Counter

import numpy as np

from keras_slayer.export.formats import nir_integers
from keras_slayer.export.formats.netx import channels_first, flatten_order
from keras_slayer.export.formats.nir_numbers import float32_above, float32_below
from keras_slayer.export.formats.nir_package import nir
from keras_slayer.export.formats.nir_timing import ahead, branches, steps_late
from keras_slayer.export.formats.nir_windows import (
    as_dense,
    is_pool,
    sum_pool,
    weights,
    window_nodes,
)
from keras_slayer.export.graph import (
    Connection,
    DenseSynapses,
    IntegerGraph,
    Population,
    Shape,
)
from keras_slayer.loihi import DECAY_UNIT, WEIGHT_SCALE

NO_DECAY = 2.0**30
"""Time constant, in steps, of what does not decay: far beyond what float32 can tell from infinity,
which silences Norse."""

ROUNDING = 2.0**-24
"""Largest relative error of one operation in float32."""


def vectors(graph: IntegerGraph) -> set[str]:
    """Inputs and populations that are vectors in the file: of one axis, or behind dense weights."""
    found = {name for name, shape in graph.inputs.items() if len(shape) == 1}
    for name, population in graph.populations.items():
        dense = (
            isinstance(connection.synapses, DenseSynapses) or connection.source in found
            for connection in population.connections
        )
        if len(population.shape) == 1 or any(dense) or not _is_fed(name, population):
            found.add(name)
    return found


class Nodes:
    """Collects the nodes of a graph, for steps of ``dt`` seconds.

    Their names are their types in small letters, with a number from the second on. To be added in
    order: inputs, populations, outputs.
    """

    def __init__(self, graph: IntegerGraph, dt: float):
        self.graph, self.dt = graph, dt
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.names: dict[str, str] = {}  # the nodes of inputs and populations
        self.integers: dict[str, dict] = {}  # the chip's, by the names of the nodes
        self.counts: Counter[str] = Counter()
        self.vectors = vectors(graph)
        self.ahead = ahead(graph)

    def add(self, node: nir.NIRNode, *sources: str) -> str:
        """Adds a node that gets the sum of ``sources``. Its name."""
        kind = type(node).__name__.lower()
        name = f"{kind}_{self.counts[kind]}" if self.counts[kind] else kind
        self.counts[kind] += 1
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def input(self, name: str, position: int) -> None:
        shape = np.array(channels_first(self.graph.inputs[name]))
        self.names[name] = self.add(nir.Input(shape))
        self.integers[self.names[name]] = {"name": name, "position": position}

    def population(self, name: str, position: int) -> None:
        """Its neurons, and the connections that lead to them."""
        population = self.graph.populations[name]
        connections = list(enumerate(population.connections))
        ends = [] if _is_fed(name, population) else [self.silence(name)]
        for number, connection in connections:
            if connection.source != name:
                ends += self.connection(name, number, connection)
        mine = self.names[name] = self.add(self.neurons(name), *ends)
        self.integers[mine] = nir_integers.of_population(name, position, population)
        for number, connection in connections:
            if connection.source == name:
                self.edges += [(end, mine) for end in self.connection(name, number, connection)]

    def output(self, name: str, position: int, flat: bool) -> None:
        """What ``name`` sends leaves the network; as a vector if it is to be ``flat``."""
        before, shape = self.names[name], self.graph.shape(name)
        if name in self.vectors:
            shape = (int(np.prod(shape)),)
        elif flat:
            before, shape = self.flatten(before, shape), (int(np.prod(shape)),)
        node = self.add(nir.Output(np.array(channels_first(shape))), before)
        self.integers[node] = {"population": name, "position": position}

    def silence(self, name: str) -> str:
        """Weights of zero from the first input: readers run what an input leads to."""
        source = next(iter(self.graph.inputs))
        sizes = [int(np.prod(self.graph.shape(end))) for end in (name, source)]
        return self.add(nir.Linear(np.zeros(sizes, np.float32)), self.vector(source))

    def connection(self, target: str, number: int, connection: Connection) -> list[str]:
        """Adds a connection. The names of the nodes whose sum goes into the target."""
        source, synapses = connection.source, connection.synapses
        shape = self.graph.shape(source)
        late = steps_late(target, connection, self.ahead)
        known = len(self.nodes)
        if isinstance(synapses, DenseSynapses):
            ends = self.dense(target, source, synapses, late)
        elif source in self.vectors:
            ends = self.dense(target, source, as_dense(synapses, shape), late)
        else:
            steps = np.full(channels_first(shape), late + synapses.delay)
            end = self.delayed(self.names[source], steps)
            pool = self.pool_weight(target)
            for node in [sum_pool(synapses)] if pool else window_nodes(synapses, shape):
                end = self.add(node, end)
            if target in self.vectors:
                end = self.flatten(end, self.graph.shape(target))
            ends = [end]
        first = next(
            name
            for name, node in list(self.nodes.items())[known:]
            if not isinstance(node, nir.Flatten | nir.Delay)
        )
        self.integers[first] = nir_integers.of_connection(target, number, connection)
        return ends

    def dense(self, target: str, source: str, synapses: DenseSynapses, late: int) -> list[str]:
        rows, columns = (_order(self.graph.shape(end)) for end in (source, target))
        before = self.vector(source)
        ends = []
        for steps, weight in branches(synapses, late):
            end = self.delayed(before, steps[rows])
            ends.append(self.add(nir.Linear(weights(weight[rows][:, columns].T)), end))
        return ends

    def delayed(self, before: str, steps: np.ndarray) -> str:
        return self.add(nir.Delay(self.dt * steps), before) if steps.any() else before

    def vector(self, name: str) -> str:
        """What ``name`` sends as a vector, in the order of (channels, height, width)."""
        if name in self.vectors:
            return self.names[name]
        return self.flatten(self.names[name], self.graph.shape(name))

    def flatten(self, before: str, shape: Shape) -> str:
        return self.add(nir.Flatten(np.array(channels_first(shape)), 0, -1), before)

    def pool_weight(self, name: str) -> int | None:
        """The weight of the pool that ``name`` is, which its SumPool2d leaves to the neurons."""
        connections = self.graph.populations[name].connections
        if len(connections) != 1 or connections[0].source in self.vectors:
            return None
        synapses = connections[0].synapses
        if isinstance(synapses, DenseSynapses) or not is_pool(synapses):
            return None
        return int(synapses.weight.flat[0])

    def neurons(self, name: str) -> nir.CubaLIF:
        population = self.graph.populations[name]
        neuron, shape = population.neuron, population.shape
        synapse, membrane = (
            DECAY_UNIT / decay if decay else NO_DECAY
            for decay in (neuron.current_decay, neuron.voltage_decay)
        )
        # A factor on all inputs of neurons is one on their voltages.
        unit = self.pool_weight(name) or WEIGHT_SCALE
        bias = 0 if population.bias is None else population.bias
        bias = np.broadcast_to(bias, shape).ravel()[_order(shape)]
        if name not in self.vectors:
            bias = bias.reshape(channels_first(shape))
        values = {
            "tau_syn": self.dt * synapse,
            "tau_mem": self.dt * membrane,
            "r": _gain(membrane, self.dt),
            "v_leak": membrane * bias / unit,
            "v_threshold": float32_above(neuron.threshold_mantissa / unit),
            "w_in": _gain(synapse, self.dt),
            "v_reset": 0.0,
        }
        return nir.CubaLIF(
            **{key: np.full(bias.shape, value, float) for key, value in values.items()}
        )


def _is_fed(name: str, population: Population) -> bool:
    """Whether anything but itself leads to a population."""
    return any(connection.source != name for connection in population.connections)


def _order(shape: Shape) -> np.ndarray:
    """Index into C-ordered neurons of each element of the vector in the file."""
    return flatten_order(shape) if len(shape) == 3 else np.arange(shape[0])


def _gain(tau: float, dt: float) -> float:
    """``tau``, a time constant in steps, as the factor that undoes a reader's dt / tau.

    Inputs are multiples of 1/64, and their sum meets a threshold exactly now and then. Norse
    computes gain (dt (1 / tau)) in float32: where that rounds up, such a neuron would spike. So the
    gain is smaller than tau, by less than one part in a million, unless the product is exact.
    """
    step = float(np.float32(dt) * (np.float32(1) / np.float32(tau * dt)))
    exact = step * tau == 1 and float32_below(tau) == tau
    return tau if exact else float32_below(1 / (step * (1 + ROUNDING)))
