"""The chip's network in integers: the quantiser makes it, writers write it, the simulator runs it.

Arrays stay in Keras' order (channels last). Each writer brings them into the order of its format.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class IntegerNeuron:
    """CUBA neuron of the chip: decays in 1/4096 per step, threshold mantissa in units of 64."""

    current_decay: int
    voltage_decay: int
    threshold_mantissa: int


@dataclass(frozen=True, eq=False)
class IntegerDense:
    """Dense synapses and their neurons.

    Args:
        weight: int16 (inputs, outputs).
        neuron: one set of parameters for the layer.
        bias: int32 (outputs,), added to the voltage (shifted by 6) in every step; None: no bias.
        delay: uint8 (inputs, outputs) steps beyond the one of the hop; None: no delays.
    """

    weight: np.ndarray
    neuron: IntegerNeuron
    bias: np.ndarray | None = None
    delay: np.ndarray | None = None
    type: str = "dense"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.weight.shape[1],)


@dataclass(frozen=True, eq=False)
class IntegerConv:
    """Cross-correlation over (height, width, channels) and its neurons.

    Args:
        weight: int16 (kernel height, kernel width, channels / groups, filters).
        neuron: one set of parameters for the layer.
        strides, padding, dilation: (vertical, horizontal); padding is the same on both sides.
        groups: channels and filters are split into this many independent parts.
        bias: int32 (filters,) or None.
    """

    weight: np.ndarray
    neuron: IntegerNeuron
    strides: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: np.ndarray | None = None
    type: str = "conv"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        room = (
            size + 2 * p - d * (k - 1) - 1
            for size, p, d, k in zip(
                input_shape, self.padding, self.dilation, self.weight.shape, strict=False
            )
        )
        sizes = (max(r // s + 1, 0) for r, s in zip(room, self.strides, strict=True))
        return (*sizes, self.weight.shape[3])


@dataclass(frozen=True)
class IntegerFlatten:
    """(height, width, channels) read as one vector in C order; takes no time."""

    type: str = "flatten"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (int(np.prod(input_shape)),)


IntegerLayer = IntegerDense | IntegerConv | IntegerFlatten


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """A chain of integer layers; ``input_shape`` is (inputs,) or (height, width, channels)."""

    input_shape: tuple[int, ...]
    layers: tuple[IntegerLayer, ...]

    def shapes(self) -> Iterator[tuple[int, ...]]:
        """The shape that goes into each layer, and last the one that comes out of the network."""
        shape = self.input_shape
        yield shape
        for layer in self.layers:
            shape = layer.output_shape(shape)
            yield shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        return tuple(self.shapes())[-1]
