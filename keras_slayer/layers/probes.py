"""What spiking layers show of a call beside their output: for ``record``, monitors and pictures."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator

import keras
import tensorflow as tf

from keras_slayer.neurons import Neuron
from keras_slayer.ops.synapses.synaptic_input import SynapticInput, value_of

_current: contextvars.ContextVar[list[Firing] | None] = contextvars.ContextVar(
    "probes", default=None
)


@dataclasses.dataclass(frozen=True)
class Firing:
    """One run of the neurons of a layer.

    Attributes:
        layer: the layer.
        neuron: its neurons, with the parameters that they had.
        synaptic_input: what they were given: a tensor, the result of a synapse, or a function
            without arguments that computes the tensor.
        membrane: their membrane potential before reset, (batch, time, ...).
    """

    layer: keras.layers.Layer
    neuron: Neuron
    synaptic_input: object
    membrane: tf.Tensor

    @property
    def current(self) -> tf.Tensor:
        """The synaptic input. A fused op leaves none, so it is computed here."""
        given = self.synaptic_input
        return given() if callable(given) else value_of(given)


def note(layer: keras.layers.Layer, neuron: Neuron, synaptic_input, membrane, state=None) -> None:
    """To be called by a layer with neurons each time they have fired.

    Args:
        layer: the layer.
        neuron: its neurons.
        synaptic_input: what they were given, as ``Firing`` has it.
        membrane: their membrane potential before reset.
        state: their state, if they have one: sums of a chunk are rounded as in every chunk.
    """
    noted = _current.get()
    if noted is None:
        return
    if state is not None and isinstance(synaptic_input, SynapticInput):
        synaptic_input = dataclasses.replace(synaptic_input, in_chunks=True)
    noted.append(Firing(layer, neuron, synaptic_input, membrane))


@contextlib.contextmanager
def noting() -> Iterator[list[Firing]]:
    """Collects what layers called within the block note."""
    noted: list[Firing] = []
    token = _current.set(noted)
    try:
        yield noted
    finally:
        _current.reset(token)
