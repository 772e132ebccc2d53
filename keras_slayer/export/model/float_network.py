"""What a model computes, without Keras' layers: populations of neurons and their synapses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keras_slayer.neurons import Neuron

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Geometry of a convolution, (vertical, horizontal); padding is (before, after) per axis."""

    strides: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Synapses:
    """Weights on their way to neurons.

    Attributes:
        name, source: the Keras layer's name and class name (within a TimeDistributed the class of
            what it holds).
        kernel: weights as trained, (inputs, outputs) or (height, width, channels / groups,
            filters).
        used: the weights of the forward pass, same shape; other than ``kernel`` where the layer
            quantises.
        output_shape: without batch and time.
        window: geometry of a convolution; None for a dense layer.
    """

    name: str
    source: str
    kernel: np.ndarray
    used: np.ndarray
    output_shape: Shape
    window: Window | None = None

    def scaled(self, scale: np.ndarray | float) -> Synapses:
        """With weights times ``scale``, a number or one per output channel."""
        return replace(self, kernel=self.kernel * scale, used=self.used * scale)


@dataclass(frozen=True, eq=False)
class Term:
    """The spikes of one population or input, as part of what layers hand on.

    Attributes:
        source: its name.
        places: int (size of the source,): where each of its elements is in the flattened data.
        late: int (size of the source,): steps by which each comes late.
        gain: factor on its spikes.
    """

    source: str
    places: np.ndarray
    late: np.ndarray
    gain: float = 1.0


@dataclass(frozen=True, eq=False)
class Spikes:
    """A sum of terms; ``shape`` is without batch and time."""

    shape: Shape
    terms: tuple[Term, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """Synapses and the spikes they act on.

    Attributes:
        first: the first of the neurons' channels (places of the last axis) that they reach.
    """

    synapses: Synapses
    spikes: Spikes
    first: int = 0

    @property
    def channels(self) -> slice:
        return slice(self.first, self.first + self.synapses.output_shape[-1])


@dataclass(frozen=True, eq=False)
class FloatPopulation:
    """Neurons and all that leads to them.

    Attributes:
        name: of the Keras layer.
        shape: of the neurons.
        weight_bits: bits (without sign) of the grid on which the forward pass holds its weights;
            None: it computes with float weights.
        shift: constant synaptic input per channel, or None.
        bias: constant input of the voltage per channel, or None.
        recurrent: synapses of the population with itself: a spike of step t is part of the synaptic
            input of step t + 1.
    """

    name: str
    shape: Shape
    neuron: Neuron
    weight_bits: int | None
    parts: tuple[Part, ...]
    shift: np.ndarray | None = None
    bias: np.ndarray | None = None
    recurrent: Synapses | None = None

    @property
    def source(self) -> str:
        """The class of the layer that its synapses come from."""
        return self.parts[0].synapses.source

    @property
    def synapses(self) -> list[Synapses]:
        """All kernels."""
        own = [] if self.recurrent is None else [self.recurrent]
        return [part.synapses for part in self.parts] + own


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """Inputs (shapes) and populations by name, these in order; ``outputs`` are read out."""

    inputs: dict[str, Shape]
    populations: dict[str, FloatPopulation]
    outputs: tuple[str, ...]

    def shape(self, name: str) -> Shape:
        """Of an input or a population."""
        return self.inputs[name] if name in self.inputs else self.populations[name].shape
