"""A network in the chip's integers, of any wiring, as a Keras model that computes the same.

Every layer of ``LoihiCUBA`` neurons takes the chip's step, so that step t of the model is step t of
the chip. Synapses from several sources are those of one layer, whose input they join:

- dense synapses read a Concatenate of their sources, each behind a DelayLayer where it has delays;
- convolutions of one window as well; those of other windows are added up before the neurons.
"""

from __future__ import annotations

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export import keras_layers as chain
from keras_slayer.export.formats.nir_layers import Names
from keras_slayer.export.formats.nir_timing import branches
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    as_layer,
)
from keras_slayer.export.network import IntegerDense
from keras_slayer.export.problems import Problem
from keras_slayer.export.target import Target

SIMULATE = "run the file in LoihiSimulator"


def keras_model(graph: IntegerGraph, target: Target) -> tuple[keras.Model | None, list[Problem]]:
    """A built functional model, or None and everything about ``graph`` that no layer computes.

    Its inputs and outputs are those of the graph, in their order. Layers have the names of the
    populations.
    """
    builder = _Builder(graph, target)
    for name in graph.populations:
        builder.add(name)
    if builder.problems:
        return None, builder.problems
    ends = [[builder.tensors[name] for name in names] for names in (graph.inputs, graph.outputs)]
    return keras.Model(*(each[0] if len(each) == 1 else each for each in ends)), []


class _Builder:
    def __init__(self, graph: IntegerGraph, target: Target):
        self.graph, self.target = graph, target
        self.names = Names()
        self.problems: list[Problem] = []
        self.tensors = {
            name: keras.Input((None, *shape), name=self.names(name))
            for name, shape in graph.inputs.items()
        }

    def refuse(self, name: str, what: str, limit: str, remedy: str = SIMULATE) -> None:
        self.problems.append(Problem(name, what, limit, remedy))

    def add(self, name: str) -> None:
        """The neurons of a population; a tensor of zeros in its place if there is a problem."""
        population, known = self.graph.populations[name], len(self.problems)
        own = [c for c in population.connections if c.source == name]
        others = [c for c in population.connections if c.source != name]
        self._check_loops(name, own)
        kinds = {isinstance(connection.synapses, ConvSynapses) for connection in (*others, *own)}
        if len(kinds) > 1:
            self.refuse(
                name, "dense synapses and convolutions lead to its neurons", "one kind of the two"
            )
        if kinds == {True} and not others:
            self.refuse(name, "nothing leads to its neurons but what they send", "an input")
        result = None
        if len(self.problems) == known:
            make = self._windows if True in kinds else self._dense
            result = make(name, population, others, own)
        if result is None:
            result = keras.Input((None, *population.shape))
        self.tensors[name] = result

    def _check_loops(self, name: str, own: list[Connection]) -> None:
        if len(own) > 1:
            self.refuse(
                name, "its neurons feed each other in several ways", "one matrix or convolution"
            )
            return
        for synapses in (connection.synapses for connection in own):
            if isinstance(synapses, ConvSynapses) and not _is_same(synapses):
                self.refuse(
                    name,
                    "its neurons feed each other by a convolution with groups, dilation or uneven "
                    "padding",
                    "one of odd sides with as many zeros around, as of SpikingRecurrentConv2D",
                )
            weight, delay = synapses.weight, synapses.delay
            delays = np.broadcast_to(0 if delay is None else delay, weight.shape)
            found = np.unique(delays[weight != 0]) + 1
            if found.size and found.tolist() != [2]:
                steps = "step" if found.tolist() == [1] else "steps"
                self.refuse(
                    name,
                    f"its neurons feed each other {', '.join(map(str, found))} {steps} later",
                    "two steps, as those of SpikingRecurrentDense do",
                )

    def _dense(
        self, name: str, population: Population, others: list[Connection], own: list[Connection]
    ):
        inputs, weights = [], []
        if not others:  # a bias alone drives them
            source = next(iter(self.graph.inputs))
            size = int(np.prod(self.graph.shape(source)))
            zeros = DenseSynapses(np.zeros((size, population.size), np.int16))
            others = [Connection(source, zeros)]
        for connection in others:
            x = self.tensors[connection.source]
            x = spiking.Flatten()(x) if len(self.graph.shape(connection.source)) > 1 else x
            for steps, weight in branches(connection.synapses, 0):
                late = x
                for layer in chain.delay_layer(steps, self.target):
                    late = layer(late)
                inputs.append(late)
                weights.append(weight)
        x = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
        bias = population.bias
        if bias is not None:  # of each place of the last axis
            bias = np.tile(bias, population.size // len(bias))
        layer = IntegerDense(np.concatenate(weights), population.neuron, bias)
        integers = [layer, *(as_layer(c.synapses, population.neuron) for c in own)]
        for each in integers:
            each = IntegerDense(each.weight, each.neuron)
            self.problems += chain.problems_of(each, name, self.target)
        if any(problem.layer == name for problem in self.problems):
            return None
        options = {"neuron": self.target.to_neuron(population.neuron), "name": self.names(name)}
        options |= {"kernel_initializer": "zeros", "use_bias": bias is not None}
        if own:
            made = spiking.SpikingRecurrentDense(
                population.size, recurrent_initializer="zeros", **options
            )
        else:
            made = spiking.SpikingDense(population.size, **options)
        x = made(x)
        scale = self.target.grid.scale
        made.kernel.assign(layer.weight / scale)
        if bias is not None:
            made.bias.assign(bias / scale)
        if own:
            made.recurrent_kernel.assign(own[0].synapses.weight / scale)
        if len(population.shape) > 1:
            x = spiking.PerStep(keras.layers.Reshape(population.shape))(x)
        return x

    def _windows(
        self, name: str, population: Population, others: list[Connection], own: list[Connection]
    ):
        joined = self._joined(others)
        has = ["a bias"] * (population.bias is not None) + ["a loop"] * bool(own)
        if joined is None and has:
            self.refuse(
                name,
                "convolutions of several windows lead to its neurons, which have "
                + " and ".join(has),
                "one window, or neither",
            )
            return None
        groups = [joined] if joined else [([_late(c)], c.synapses) for c in others]
        summands = []
        for sources, synapses in groups:
            layer = as_layer(synapses, population.neuron, population.bias)
            integers = [layer, *(as_layer(c.synapses, population.neuron) for c in own)]
            problems = [p for each in integers for p in chain.problems_of(each, name, self.target)]
            self.problems += problems
            if problems:
                return None
            x = [self._sent(*source) for source in sources]
            x = keras.layers.Concatenate()(x) if len(x) > 1 else x[0]
            shape = tuple(x.shape[2:])
            if joined:
                loop = own[0].synapses.weight if own else None
                steps = chain.conv_layers(layer, shape, self.target, self.names(name), loop)
            else:
                steps = self._plain(synapses, shape)
            for step in steps:
                x = step(x)
            summands.append(x)
        if joined:
            return summands[0]
        neuron = self.target.to_neuron(population.neuron)
        total = keras.layers.Add()(summands)
        return spiking.SpikingActivation(neuron, name=self.names(name))(total)

    def _sent(self, source: str, delay: int) -> keras.KerasTensor:
        """What a source sends, ``delay`` steps later."""
        x = self.tensors[source]
        if not delay:
            return x
        constant = keras.initializers.Constant(float(delay))
        return spiking.DelayLayer(float(self.target.max_delay), delay_initializer=constant)(x)

    def _joined(
        self, others: list[Connection]
    ) -> tuple[list[tuple[str, int]], ConvSynapses] | None:
        """All convolutions as one of their sources side by side, if they have one window."""
        synapses = [connection.synapses for connection in others]
        if len(synapses) == 1:
            return [_late(others[0])], synapses[0]
        windows = {
            (each.weight.shape[:2], each.strides, each.padding, each.dilation, each.groups)
            for each in synapses
        }
        images = {self.graph.shape(connection.source)[:2] for connection in others}
        if len(windows) > 1 or len(images) > 1 or synapses[0].groups > 1:
            return None
        weight = np.concatenate([each.weight for each in synapses], axis=2)
        first = synapses[0]
        one = ConvSynapses(weight, first.strides, first.padding, first.dilation)
        return [_late(connection) for connection in others], one

    def _plain(self, synapses: ConvSynapses, shape: tuple[int, ...]) -> list[keras.Layer]:
        """Without neurons."""
        weight, dilation = synapses.weight, synapses.dilation
        if max(synapses.strides) > 1 and max(dilation) > 1:
            weight, dilation = chain.undilated(weight, dilation), (1, 1)
        before = []
        if any(synapses.padding):
            before = [spiking.PerStep(keras.layers.ZeroPadding2D(synapses.padding))]
            rows, columns = (n + 2 * p for n, p in zip(shape, synapses.padding, strict=False))
            shape = (rows, columns, shape[2])
        conv = keras.layers.Conv2D(
            weight.shape[3],
            weight.shape[:2],
            strides=synapses.strides,
            dilation_rate=dilation,
            groups=synapses.groups,
            use_bias=False,
        )
        layer = spiking.PerStep(conv)
        layer.build((None, None, *shape))
        conv.kernel.assign(weight / self.target.grid.scale)
        return [*before, layer]


def _late(connection: Connection) -> tuple[str, int]:
    """The source of a convolution, and the delay."""
    return connection.source, connection.synapses.delay


def _is_same(synapses: ConvSynapses) -> bool:
    """Whether it is what padding "same" and strides of 1 make of a kernel with odd sides."""
    sides = synapses.weight.shape[:2]
    plain = synapses.strides == synapses.dilation == (1, 1) and synapses.groups == 1
    return plain and all(2 * p + 1 == side for p, side in zip(synapses.padding, sides, strict=True))
