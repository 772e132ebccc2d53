"""The weighted sum of spikes that neurons are given, and the one place that decides how to get it.

A layer writes ``z = synapse(spikes, kernel) + bias`` and hands ``z`` to its neurons. ``z`` is not
computed yet, so that ``fire`` can let one op do it all, and the sums never be in memory.
"""

from __future__ import annotations

import abc
import dataclasses

import tensorflow as tf

from keras_slayer.neurons import Neuron
from keras_slayer.ops import explanation, handoff, neurons, selection


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SynapticInput(abc.ABC):
    """What a synapse makes of spikes: computed by ``value``, or by ``fire`` with the neurons.

    Attributes:
        op: name in the lists of ``selection``.
        spikes: checked tensor (batch, time, ...); may be bytes.
        weights: checked tensor; None where a synapse has none.
        bias: one number for each unit, or None.
        layer: the layer whose synapse it is, where that is known.
    """

    op: str
    spikes: tf.Tensor
    weights: tf.Tensor | None = None
    bias: tf.Tensor | None = None
    layer: str = dataclasses.field(default_factory=explanation.current_layer)

    def __add__(self, bias) -> SynapticInput:
        """With ``bias`` added to each unit; None adds nothing."""
        if bias is None:
            return self
        if self.bias is not None:
            raise ValueError("Synaptic input has one bias already.")
        return dataclasses.replace(self, bias=tf.convert_to_tensor(bias))

    @property
    def dtype(self) -> tf.DType:
        return self.weights.dtype

    @property
    @abc.abstractmethod
    def shape(self) -> list:
        """Static shape of the sums."""

    @abc.abstractmethod
    def product(self):
        """The sums without bias."""

    @abc.abstractmethod
    def in_one_pass(self, neuron: Neuron, choice: selection.Choice):
        """(spikes as bytes, membrane) of neurons, with their gradients, as ``choice`` has it."""

    def value(self):
        """The sums, as a tensor."""
        z = self.product()
        return z if self.bias is None else z + self.bias

    def choose(self, op: str) -> selection.Choice:
        """The kernel of ``op`` for these tensors."""
        weights = None if self.weights is None else self.weights.shape
        return selection.choose(op, self.spikes.shape, weights, self.layer)


def value_of(z):
    """Synaptic input as a tensor."""
    return z.value() if isinstance(z, SynapticInput) else z


@tf.autograph.experimental.do_not_convert
def fire(z, neuron: Neuron):
    """(spikes, membrane) of neurons with the synaptic input ``z``; no gradient through the second.

    As the synapse and the neuron in turn: to the bit where the input is sparse, but for the
    16-bit types, in which the sums between them are not rounded; the sums are not kept in memory.

    Args:
        z: ``SynapticInput``, or a tensor (batch, time, ...).
        neuron: theirs.
    """
    if not isinstance(z, SynapticInput) or neuron.kernels is not None:
        return neurons.fire(value_of(z), neuron)
    choice = z.choose(f"{z.op} and neuron")
    if choice.kernel == selection.IN_TURN.kernel:
        return neurons.fire(z.value(), neuron)
    fired, membrane = z.in_one_pass(neuron, choice)
    for y in (fired, membrane):
        y.set_shape(z.shape)
    return handoff.to_floats(fired, membrane, z.dtype), tf.stop_gradient(membrane)
