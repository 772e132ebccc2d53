"""The way through the layers of a model, from which its float network is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import keras
import numpy as np

from keras_slayer.export.model.float_network import Flatten, FloatLayer, Synapses
from keras_slayer.export.problems import Notes
from keras_slayer.export.target import Target
from keras_slayer.neurons import CUBA, SRM, Neuron

Handler = Callable[[keras.Layer, "Walk"], None]
"""Tells the walk what one layer does."""
CONVERTED = (SRM, CUBA)
"""Neurons whose linear response one of the chip's has (``conversion``)."""


class Walk:
    """Goes through the layers of a chain, and keeps what later layers need.

    That is: synapses until their neurons come, and delays until a dense layer takes them.

    Attributes:
        name: of the current layer.
        shape, output_shape: of the data that goes into the current layer and comes out of it,
            without batch and time.
        keeps_time: whether the current layer leaves the time axis as it is.
        notes: what is wrong with the current layer.
        target: the chip.

    Args:
        input_shape: of the model, with batch and time.
        handlers: what to do with each class of layers.
    """

    def __init__(
        self, input_shape: tuple[int | None, ...], target: Target, handlers: Mapping[type, Handler]
    ):
        self.target = target
        self.layers: list[FloatLayer | Flatten] = []
        self.shape = self.output_shape = tuple(input_shape[2:])
        self.keeps_time = True
        self._handlers = handlers
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
        self._handlers.get(type(layer), self._unknown)(layer, self)
        self.shape, self._steps = self.output_shape, spec.shape[1]
        return self.notes

    def _unknown(self, layer: keras.Layer, walk: Walk) -> None:
        self.notes.add(
            f"{type(layer).__name__} has no counterpart on the chip",
            ", ".join(sorted(known.__name__ for known in self._handlers)),
            "replace the layer, or move it after the last spiking layer, where the host runs it",
        )

    def finish(self, layer: keras.Layer) -> Notes:
        """After the last layer, which is ``layer``."""
        self.notes = Notes(layer)
        if self._late is not None:
            self.notes.add(
                "a delay comes before it, and no dense layer follows",
                "delays that a dense layer takes up",
                "move the DelayLayer after the last spiking layer, where the host runs it",
            )
        return self.notes

    def flatten(self) -> None:
        size = int(np.prod(self.shape))
        if self._late is not None:
            self._late = self._late.reshape(size)
        # A vector is flat already, and lava's loader fails on a flatten after one.
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
        if late.max() > self.target.max_delay:
            self.notes.add(
                f"the delays before it add up to {late.max()} steps",
                f"at most {self.target.max_delay}",
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
                "move the DelayLayer after the convolution",
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
        if not isinstance(neuron, self.target.neuron):
            self.notes.add(
                f"its neuron is {type(neuron).__name__}",
                f"{self.target.neuron.__name__}: no other runs on the chip as trained",
                "convert the model with keras_slayer.export.to_loihi(model) and fine-tune it, or "
                "let export_loihi convert it (convert=True)"
                if isinstance(neuron, CONVERTED)
                else "build it with this neuron, or with one that can be converted: "
                + ", ".join(kind.__name__ for kind in CONVERTED),
            )
        elif self._synapses is None:
            self.notes.add(
                "there are no synapses before its neurons",
                "neurons after a Dense, or a PerStep Dense or Conv2D",
                "use SpikingDense or SpikingConv2D, or put such a layer before it",
            )
        else:
            self.layers.append(FloatLayer(self._synapses, neuron, weight_bits, self._late))
        self._synapses = None
