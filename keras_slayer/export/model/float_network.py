"""A model as a chain of float layers: what it computes, without Keras' layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keras_slayer.neurons import Neuron


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
        delay: steps by which each input of a dense layer is late, int (inputs,), or None.
        shift: what a normalisation adds to each output, or None.
    """

    name: str
    source: str
    kernel: np.ndarray
    used: np.ndarray
    output_shape: tuple[int, ...]
    window: Window | None = None
    delay: np.ndarray | None = None
    shift: np.ndarray | None = None

    def scaled(self, scale: np.ndarray, shift: np.ndarray) -> Synapses:
        """Followed by y = scale z + shift, per output channel."""
        before = 0.0 if self.shift is None else self.shift
        return replace(
            self,
            kernel=self.kernel * scale,
            used=self.used * scale,
            shift=before * scale + shift,
        )


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """Synapses and the neurons they end in.

    Attributes:
        weight_bits: bits (without sign) of the grid on which the forward pass holds its weights;
            None: it computes with float weights.
        early: steps by which each of its neurons spikes earlier on the chip than in the model: the
            chip applies a delay before this layer only in the next dense layer. An array of
            output_shape, or None.
    """

    synapses: Synapses
    neuron: Neuron
    weight_bits: int | None
    early: np.ndarray | None = None

    @property
    def name(self) -> str:
        return self.synapses.name


@dataclass(frozen=True)
class Flatten:
    """(height, width, channels) read as a vector in C order."""

    name: str
    output_shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """``input_shape`` is (inputs,) or (height, width, channels)."""

    input_shape: tuple[int, ...]
    layers: tuple[FloatLayer | Flatten, ...]
