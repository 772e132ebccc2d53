"""A Keras model as a chain of float layers: what it computes, without Keras.

One handler per layer class (handlers.py) tells a ``Walk`` what the layer does. Where the chip
cannot, the handler notes why and the walk goes on, so that all problems of a model show at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras
import numpy as np

from keras_slayer.export.model.chain import Chain
from keras_slayer.export.network import MAX_DELAY
from keras_slayer.export.problems import Notes, Problem
from keras_slayer.neurons import LoihiCUBA, Neuron


@dataclass(frozen=True)
class Window:
    """Geometry of a convolution, (vertical, horizontal); padding is (before, behind) per axis."""

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
        early: steps by which each of its neurons spikes earlier on the chip than in the model,
            because a delay before it is made up for behind it; an array of output_shape, or None.
    """

    synapses: Synapses
    neuron: LoihiCUBA
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


class Walk:
    """Passes through the layers of a chain with what has been met and not yet been used.

    Attributes:
        name: of the current layer.
        shape, output_shape: of the data that goes into the current layer and comes out of it,
            without batch and time.
        keeps_time: whether the current layer leaves the time axis as it is.
        notes: what is wrong with the current layer.
    """

    def __init__(self, input_shape: tuple[int | None, ...]):
        self.layers: list[FloatLayer | Flatten] = []
        self.shape = self.output_shape = tuple(input_shape[2:])
        self.keeps_time = True
        self._steps = input_shape[1]  # None where the model leaves it open
        self.name: str
        self.notes: Notes
        self._late: np.ndarray | None = None  # delay (steps) of every element of the data
        self._synapses: Synapses | None = None  # waiting for neurons

    def visit(self, layer: keras.Layer) -> Notes:
        self.name, self.notes = layer.name, Notes(layer)
        # Not compute_output_shape: layers of users often lack it.
        spec = layer.compute_output_spec(keras.KerasTensor((None, self._steps, *self.shape)))
        self.output_shape = tuple(spec.shape[2:])
        self.keeps_time = spec.shape[1] == self._steps
        # Of exactly this class: a subclass may compute something else.
        HANDLERS.get(type(layer), _unknown)(layer, self)
        self.shape, self._steps = self.output_shape, spec.shape[1]
        return self.notes

    def finish(self, layer: keras.Layer) -> Notes:
        """After the last layer, which is ``layer``."""
        self.notes = Notes(layer)
        if self._late is not None:
            self.notes.add(
                "a delay comes before it, and no dense layer follows",
                "delays that a dense layer takes up",
                "move the DelayLayer behind the last spiking layer, where the host runs it",
            )
        return self.notes

    def flatten(self) -> None:
        size = int(np.prod(self.shape))
        if self._late is not None:
            self._late = self._late.reshape(size)
        # A vector is flat already, and lava's loader fails on a flatten behind one.
        if len(self.shape) == 3:
            self.layers.append(Flatten(self.name, (size,)))

    def delay(self, steps: np.ndarray) -> None:
        """Delays the data by ``steps``, an array that broadcasts to its shape."""
        total = np.broadcast_to(steps, self.shape) + (0 if self._late is None else self._late)
        self._late = total if total.any() else None

    def connect(self, synapses: Synapses) -> None:
        """Sends the data through ``synapses``."""
        if self._synapses is not None:
            self.notes.add(
                f"it follows {self._synapses.name} with no neurons between",
                "synapses, then neurons",
                "put a SpikingActivation between the two",
            )
        if self._late is not None and synapses.window is None:
            synapses = replace(synapses, delay=self._take_up())
        elif self._late is not None:
            self._late = self._through(synapses)
        self._synapses = synapses

    def _take_up(self) -> np.ndarray:
        late, self._late = self._late, None
        if late.max() > MAX_DELAY:
            self.notes.add(
                f"the delays before it add up to {late.max()} steps",
                f"at most {MAX_DELAY}",
                "build the DelayLayers with a smaller max_delay and train them",
            )
        return late

    def _through(self, synapses: Synapses) -> np.ndarray | None:
        """The delay of a convolution's inputs as one of its outputs.

        That is the same where all inputs of each group of channels are equally late: synapses and
        neurons do not change with time, and start at rest.
        """
        groups = synapses.window.groups
        late = np.moveaxis(self._late, -1, 0).reshape(groups, -1)
        if (late != late[:, :1]).any():
            self.notes.add(
                "a delay comes before it that differs from input to input",
                "such delays before dense layers: the chip's convolutions have none",
                "move the DelayLayer behind the convolution",
            )
            return None
        filters = synapses.output_shape[-1]
        return np.broadcast_to(np.repeat(late[:, 0], filters // groups), synapses.output_shape)

    @property
    def synapses(self) -> Synapses | None:
        """Those that wait for neurons."""
        return self._synapses

    def normalise(self, scale: np.ndarray, shift: np.ndarray) -> None:
        self._synapses = self._synapses.scaled(scale, shift)

    def fire(self, neuron: Neuron, weight_bits: int | None) -> None:
        """Ends the synapses in neurons."""
        if not isinstance(neuron, LoihiCUBA):
            self.notes.add(
                f"its neuron is {type(neuron).__name__}",
                "LoihiCUBA: no other runs on the chip as trained",
                "convert the model with keras_slayer.export.to_loihi(model) and fine-tune it, or "
                "let export_loihi convert it (convert=True)",
            )
        elif self._synapses is None:
            self.notes.add(
                "there are no synapses before its neurons",
                "neurons behind a Dense, Conv2D or their TimeDistributed",
                "use SpikingDense or SpikingConv2D, or put such a layer before it",
            )
        else:
            self.layers.append(FloatLayer(self._synapses, neuron, weight_bits, self._late))
        self._synapses = None


Handler = Callable[[keras.Layer, Walk], None]
HANDLERS: dict[type[keras.Layer], Handler] = {}


def handles(*classes: type[keras.Layer]) -> Callable[[Handler], Handler]:
    """Registers a handler ``(layer, walk)`` for layers of exactly these classes."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(classes, handler))
        return handler

    return register


def _unknown(layer: keras.Layer, walk: Walk) -> None:
    walk.notes.add(
        f"{type(layer).__name__} has no counterpart on the chip",
        ", ".join(sorted(known.__name__ for known in HANDLERS)),
        "replace the layer, or move it behind the last spiking layer, where the host runs it",
    )


def read_network(chain: Chain) -> tuple[FloatNetwork, list[Problem]]:
    """What ``chain`` computes on the chip, and everything about it that the chip cannot do."""
    from keras_slayer.export.model import handlers  # noqa: F401  (registers itself)

    walk = Walk(chain.input_shape)
    problems = [problem for layer in chain.layers for problem in walk.visit(layer)]
    problems += walk.finish(chain.layers[-1])
    return FloatNetwork(tuple(chain.input_shape[2:]), tuple(walk.layers)), problems
