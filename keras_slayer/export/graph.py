"""The chip's network in integers, of any wiring: populations of neurons and what connects them.

The exporter makes it, the formats write what they can of it, mapping and simulator take it. A chain
(network.py), which is all that a ``.net`` file can hold, is one of these.

Every connection takes one step, its source and its delays aside: what a population sends in step t
arrives in step t + 1. Arrays are in Keras' order, channels last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerLayer,
    IntegerNetwork,
    IntegerNeuron,
)

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class DenseSynapses:
    """From every element of the source, in C order, to every neuron, in C order.

    Args:
        weight: int16 (inputs, outputs).
        delay: uint8 (inputs, outputs), steps beyond the one of every connection; None: none.
    """

    weight: np.ndarray
    delay: np.ndarray | None = None

    @property
    def longest_delay(self) -> int:
        return 0 if self.delay is None else int(self.delay.max(initial=0))


@dataclass(frozen=True, eq=False)
class ConvSynapses:
    """Cross-correlation over (height, width, channels); fields as those of ``IntegerConv``.

    Args:
        delay: steps beyond the one of every connection, the same for all synapses.
    """

    weight: np.ndarray
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    delay: int = 0

    @property
    def longest_delay(self) -> int:
        return self.delay

    def output_shape(self, input_shape: Shape) -> Shape:
        return as_layer(self, None).output_shape(input_shape)


Synapses = DenseSynapses | ConvSynapses


@dataclass(frozen=True, eq=False)
class Connection:
    """Synapses from ``source``, the name of an input or of a population (also the own one)."""

    source: str
    synapses: Synapses


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons with one set of parameters; a neuron adds up what all connections bring.

    Args:
        shape: (neurons,) or (height, width, channels).
        connections: where their input comes from; may be empty where ``bias`` drives them.
        bias: int32, one for each place of the last axis, added to the voltage (shifted by 6) in
            every step; None: no bias.
    """

    shape: Shape
    neuron: IntegerNeuron
    connections: tuple[Connection, ...]
    bias: np.ndarray | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class IntegerGraph:
    """A network of any wiring without loops, except for connections of a population to itself.

    Args:
        inputs: shapes by name.
        populations: by name; each comes after those that it has connections from.
        outputs: the populations whose spikes are the result, by name.

    Raises:
        ValueError: wiring or shapes that do not fit.
    """

    inputs: dict[str, Shape]
    populations: dict[str, Population]
    outputs: tuple[str, ...]

    def __post_init__(self):
        known = dict(self.inputs)
        for name, population in self.populations.items():
            if name in known:
                raise ValueError(f"{name!r} is there twice")
            known[name] = population.shape
            for connection in population.connections:
                if connection.source not in known:
                    raise ValueError(f"{name!r}: {connection.source!r} does not come before it")
                _check(name, connection, known[connection.source], population.shape)
            if population.bias is not None and population.bias.shape != population.shape[-1:]:
                raise ValueError(
                    f"{name!r}: bias has shape {population.bias.shape}, not {population.shape[-1:]}"
                )
        missing = [name for name in self.outputs if name not in self.populations]
        if missing or not self.outputs:
            raise ValueError(f"outputs {missing or self.outputs} are no populations")

    def shape(self, name: str) -> Shape:
        """Of an input or a population."""
        return self.inputs[name] if name in self.inputs else self.populations[name].shape


def _check(name: str, connection: Connection, source: Shape, shape: Shape) -> None:
    synapses = connection.synapses
    if isinstance(synapses, DenseSynapses):
        wanted = (int(np.prod(source)), int(np.prod(shape)))
        fits = synapses.weight.shape == wanted and (
            synapses.delay is None or synapses.delay.shape == wanted
        )
    else:
        groups, channels = synapses.groups, source[-1]
        wanted = shape
        fits = (
            len(source) == 3
            and synapses.weight.ndim == 4
            and synapses.weight.shape[2] * groups == channels
            and synapses.weight.shape[3] % groups == 0
            and synapses.output_shape(source) == shape
        )
    if not fits:
        raise ValueError(
            f"{name!r}: weights of shape {synapses.weight.shape} do not lead from "
            f"{connection.source!r} of shape {source} to {shape}"
        )


def as_layer(
    synapses: Synapses, neuron: IntegerNeuron | None, bias: np.ndarray | None = None
) -> IntegerDense | IntegerConv:
    """Synapses and the neurons that they end in, as a layer; windows lose their delay."""
    if isinstance(synapses, DenseSynapses):
        return IntegerDense(synapses.weight, neuron, bias, synapses.delay)
    return IntegerConv(
        synapses.weight,
        neuron,
        synapses.strides,
        synapses.padding,
        synapses.dilation,
        synapses.groups,
        bias,
    )


def as_synapses(layer: IntegerDense | IntegerConv) -> Synapses:
    """The synapses of a layer of a chain."""
    if isinstance(layer, IntegerDense):
        return DenseSynapses(layer.weight, layer.delay)
    return ConvSynapses(layer.weight, layer.strides, layer.padding, layer.dilation, layer.groups)


def graph_of(network: IntegerNetwork, names: tuple[str, ...] | None = None) -> IntegerGraph:
    """A chain as a graph. A flatten leaves no trace: dense synapses read images in C order.

    Args:
        names: of the layers; default "layer 0", "layer 1", ..., flattens counted.
    """
    source, shape = "input", tuple(network.input_shape)
    populations = {}
    for i, (layer, after) in enumerate(
        zip(network.layers, tuple(network.shapes())[1:], strict=True)
    ):
        if isinstance(layer, IntegerFlatten):
            continue
        name = names[i] if names else f"layer {i}"
        connection = Connection(source, as_synapses(layer))
        populations[name] = Population(after, layer.neuron, (connection,), layer.bias)
        source = name
    return IntegerGraph({"input": shape}, populations, (source,))


def chain_of(graph: IntegerGraph) -> tuple[IntegerNetwork | None, dict[str, str]]:
    """A graph as a chain, or None, and by name what keeps a population out of one."""
    reasons = {}
    before = next(iter(graph.inputs))
    if len(graph.inputs) > 1:
        reasons[tuple(graph.inputs)[1]] = f"the network has {len(graph.inputs)} inputs"
    layers: list[IntegerLayer] = []
    for name, population in graph.populations.items():
        sources = [connection.source for connection in population.connections]
        if name in sources:
            reasons[name] = "its neurons feed each other"
        elif len(sources) != 1:
            reasons[name] = f"{len(sources)} connections lead to it"
        elif sources[0] != before:
            reasons[name] = f"it reads {sources[0]!r}, not {before!r} before it"
        elif _is_late(population.connections[0].synapses):
            reasons[name] = "its convolution has a delay"
        else:
            layer = as_layer(population.connections[0].synapses, population.neuron, population.bias)
            if isinstance(layer, IntegerDense) and len(graph.shape(before)) == 3:
                layers.append(IntegerFlatten())
            if len(population.shape) == 3 and isinstance(layer, IntegerDense):
                reasons[name] = "dense synapses lead to an image"
            layers.append(layer)
        before = name
    if graph.outputs != (before,):
        reasons[graph.outputs[0]] = f"{', '.join(map(repr, graph.outputs))} are read out"
    if reasons:
        return None, reasons
    return IntegerNetwork(next(iter(graph.inputs.values())), tuple(layers)), {}


def _is_late(synapses: Synapses) -> bool:
    return isinstance(synapses, ConvSynapses) and synapses.delay > 0


def sums_by_sign(weight: np.ndarray) -> np.ndarray:
    """Sums of the positive and of the negative weights, as amounts, int64 (2, outputs).

    Args:
        weight: integers, the last axis counts neurons or filters.
    """
    weight = weight.reshape(-1, weight.shape[-1]).astype(np.int64)
    return np.stack([np.maximum(weight, 0).sum(axis=0), np.maximum(-weight, 0).sum(axis=0)])


def most_synaptic_input(population: Population) -> int:
    """Worst case over neurons of |sum of weights|, all inputs of one sign spiking at once."""
    sums = np.zeros((2, *population.shape), np.int64)
    for connection in population.connections:
        own = sums_by_sign(connection.synapses.weight)
        # A filter's sums hold for all its neurons.
        dense = isinstance(connection.synapses, DenseSynapses)
        sums += own.reshape(sums.shape) if dense else own[:, None, None]
    return int(sums.max(initial=0))


def shortest_path(graph: IntegerGraph) -> int:
    """Steps from an input spike to the first output spike that it can cause, without delays."""
    steps = dict.fromkeys(graph.inputs, 0.0)
    for name, population in graph.populations.items():
        sources = [connection.source for connection in population.connections]
        before = [steps[source] for source in sources if source != name]
        steps[name] = 1 + min(before, default=np.inf)
    return int(min(steps[name] for name in graph.outputs))
