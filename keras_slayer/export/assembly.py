"""Puts the chip's network together: populations, and the connections that their timing needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_slayer.export.formats.netx import block_diagonal
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    Shape,
)
from keras_slayer.export.model.float_network import FloatNetwork, Part, Term, Window
from keras_slayer.export.model.timing import Arrival, Timing, placement_of
from keras_slayer.export.network import IntegerNeuron
from keras_slayer.export.quantize import Quantized
from keras_slayer.export.target import Target

REPEATER = IntegerNeuron(current_decay=4096, voltage_decay=4096, threshold_mantissa=1)
"""Forgets its input within the step: it fires where one arrives, or its bias is above 1."""


def assemble(
    network: FloatNetwork, done: list[Quantized], timing: Timing, target: Target
) -> IntegerGraph:
    """The network in the chip's integers.

    Constant synaptic input comes from the population "constant", neurons that their bias makes fire
    in every step: what they send in step t arrives in step t + 1, as the input z[t] of a neuron
    does in the model. Relays are called after what they repeat, "name/relay".

    Args:
        network: the float network.
        done: its populations in integers.
        timing: when spikes have to arrive.
        target: the chip.
    """
    assembly = _Assembly(network, target)
    assembly.add_constant(done)
    for layer in done:
        assembly.add(layer, timing.arrivals[layer.source.name])
    outputs = (assembly.relayed(name, timing.readout.get(name, 0)) for name in network.outputs)
    return IntegerGraph(network.inputs, assembly.populations, tuple(outputs))


class _Assembly:
    def __init__(self, network: FloatNetwork, target: Target):
        self.populations: dict[str, Population] = {}
        self._network = network
        self._target = target
        self._constant = self._free("constant")

    def _free(self, name: str) -> str:
        """A name that nothing has."""
        taken = {*self._network.inputs, *self._network.populations, *self.populations}
        found, number = name, 1
        while found in taken:
            number += 1
            found = f"{name}/{number}"
        return found

    def add_constant(self, done: list[Quantized]) -> None:
        """The neurons that spike in every step, as many as the largest constant input takes."""
        largest = max((np.abs(d.shift).max() for d in done if d.shift is not None), default=0)
        if largest:
            grid = self._target.grid
            count = int(-(-largest // grid.high(grid.bits)))
            bias = np.full(count, 2, np.int32)
            self.populations[self._constant] = Population((count,), REPEATER, (), bias)

    def add(self, layer: Quantized, arrivals: list[list[Arrival]]) -> None:
        source = layer.source
        weights = {(id(k.synapses), k.gain): k.weight for k in layer.kernels}
        connections = []
        for part, own in zip(source.parts, arrivals, strict=True):
            for term, arrival in zip(part.spikes.terms, own, strict=True):
                weight = weights[id(part.synapses), term.gain]
                connections.append(self._connection(part, term, weight, source.shape, arrival))
        if layer.shift is not None:
            connections.append(self._constant_input(layer.shift, source.shape))
        if source.recurrent is not None:
            # Its input acts a step after it arrives: in the model R s[t-1] is part of z[t].
            weight, window = weights[id(source.recurrent), 1.0], source.recurrent.window
            if window is None:
                loop = DenseSynapses(weight, np.ones(weight.shape, np.uint8))
            else:
                loop = replace(convolution(weight, window), delay=1)
            connections.append(Connection(source.name, loop))
        bias = None if layer.bias is None else layer.bias.astype(np.int32)
        neuron = self._target.to_integers(source.neuron)
        self.populations[source.name] = Population(source.shape, neuron, tuple(connections), bias)

    def _connection(
        self, part: Part, term: Term, weight: np.ndarray, shape: Shape, arrival: Arrival
    ) -> Connection:
        channels = shape[-1]
        window = part.synapses.window
        if window is None:
            weight = _placed(weight[term.places], part, channels)
            delay = arrival.delay
            delay = None if delay is None else delay.astype(np.uint8)
            return Connection(term.source, DenseSynapses(weight, delay))
        seen = placement_of(term, self._network.shape(term.source), part.spikes.shape)
        sides = zip(window.padding, seen.before, seen.after, strict=True)
        padding = tuple((p[0] + before, p[1] + after) for p, before, after in sides)
        window = replace(window, padding=padding)
        whole = np.array_equal(seen.channels, np.arange(part.spikes.shape[-1]))
        if not whole or _joined(part, channels):
            weight = block_diagonal(weight, window.groups)[:, :, seen.channels]
            weight, window = _placed(weight, part, channels), replace(window, groups=1)
        return Connection(self.relayed(term.source, arrival.relays), convolution(weight, window))

    def _constant_input(self, shift: np.ndarray, shape: Shape) -> Connection:
        """Dense synapses from the constant neurons, which share the weight."""
        grid = self._target.grid
        count = self.populations[self._constant].size
        left, rows = shift.copy(), []
        for _ in range(count):
            rows.append(np.clip(left, -grid.high(grid.bits), grid.high(grid.bits)))
            left = left - rows[-1]
        pixels = int(np.prod(shape[:-1]))
        weight = np.tile(np.array(rows, np.int16), (1, pixels))
        return Connection(self._constant, DenseSynapses(weight))

    def relayed(self, source: str, steps: int) -> str:
        """The name of a population that repeats ``source`` ``steps`` steps later."""
        for _ in range(steps):
            name = f"{source}/relay"
            if name not in self.populations:
                self.populations[name] = self._relay(source)
            source = name
        return source

    def _relay(self, source: str) -> Population:
        known = self.populations.get(source)
        shape = known.shape if known else self._network.shape(source)
        grid = self._target.grid
        weight = np.full((1, 1, 1, shape[-1]), grid.high(grid.bits), np.int16)
        synapses = ConvSynapses(weight, groups=shape[-1])
        return Population(shape, REPEATER, (Connection(source, synapses),))


def _joined(part: Part, channels: int) -> bool:
    """Whether the synapses lead to some of the neurons' channels only."""
    return part.synapses.output_shape[-1] != channels


def _placed(weight: np.ndarray, part: Part, channels: int) -> np.ndarray:
    """Weights to all channels of the neurons, zero where the part does not lead."""
    if not _joined(part, channels):
        return weight
    after = channels - part.channels.stop
    return np.pad(weight, [(0, 0)] * (weight.ndim - 1) + [(part.first, after)])


def symmetric(weight: np.ndarray, window: Window) -> tuple[np.ndarray, Window]:
    """The same convolution with as many zeros before the image as after it: the chip has no other.

    Where there is one zero more after the image, as Keras has it, the kernel gets a first tap of
    zeros; where there are more before it, last ones.
    """
    padding, dilation = list(window.padding), list(window.dilation)
    for axis, (before, after) in enumerate(window.padding):
        if before == after:
            continue
        if dilation[axis] > 1:  # as a kernel without dilation, zeros between its taps
            size = (weight.shape[axis] - 1) * dilation[axis] + 1
            wide = np.zeros([*weight.shape[:axis], size, *weight.shape[axis + 1 :]], weight.dtype)
            wide[(slice(None),) * axis + (slice(None, None, dilation[axis]),)] = weight
            weight, dilation[axis] = wide, 1
        more = [(0, 0)] * weight.ndim
        more[axis] = (max(after - before, 0), max(before - after, 0))
        weight = np.pad(weight, more)
        padding[axis] = (max(before, after),) * 2
    return weight, Window(window.strides, tuple(padding), tuple(dilation), window.groups)


def convolution(weight: np.ndarray, window: Window) -> ConvSynapses:
    """A convolution of the chip."""
    weight, window = symmetric(weight, window)
    padding = tuple(before for before, _ in window.padding)
    return ConvSynapses(weight, window.strides, padding, window.dilation, window.groups)
