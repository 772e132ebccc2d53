"""Synaptic input: the weighted sum of spikes, and the one place that decides about fusion.

A layer writes ``z = synapse(spikes, kernel) + bias`` and passes ``z`` to ``fire``. ``z`` is not
computed yet. So ``fire`` can run one fused op for synapse and neuron, which never writes the sums
to memory.
"""

from __future__ import annotations

import abc
import dataclasses

import tensorflow as tf

from keras_slayer.neurons import Neuron
from keras_slayer.ops import explanation, handoff, neurons, selection


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SynapticInput(abc.ABC):
    """The output of a synapse, not computed yet: ``value`` or ``fire`` computes it.

    Attributes:
        op: key of ``selection.CANDIDATES``.
        spikes: checked tensor (batch, time, ...); may be bytes.
        weights: checked tensor; None if the synapse has no weights.
        bias: one number per unit, or None.
        layer: name of the layer; may be empty.
    """

    op: str
    spikes: tf.Tensor
    weights: tf.Tensor | None = None
    bias: tf.Tensor | None = None
    layer: str = dataclasses.field(default_factory=explanation.current_layer)

    def __add__(self, bias) -> SynapticInput:
        """The same with a bias per unit; None adds nothing."""
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
        """(spikes as bytes, membrane) by the fused kernel of ``choice``, differentiable."""

    def value(self) -> tf.Tensor:
        """The sums, as a tensor."""
        z = self.product()
        return z if self.bias is None else z + self.bias

    def choose(self, op: str) -> selection.Choice:
        """The kernel of ``op`` for these tensors."""
        weights = None if self.weights is None else self.weights.shape
        return selection.choose(op, self.spikes.shape, weights, self.layer)


def value_of(z) -> tf.Tensor:
    """Synaptic input as a tensor."""
    return z.value() if isinstance(z, SynapticInput) else z


@tf.autograph.experimental.do_not_convert
def fire(z, neuron: Neuron) -> tuple[tf.Tensor, tf.Tensor]:
    """Spikes of neurons of one kind, by one op for synapse and neurons if there is one.

    For sparse input the result is equal to the bit to that of synapse and neuron one after the
    other. Only the 16-bit types differ, because the fused op does not round the sums.

    Args:
        z: weighted input spikes: a tensor (batch, time, ...), or the ``SynapticInput`` that a
            synapse returns.
        neuron: an ``SRM``, ``CUBA``, ``LoihiCUBA``, ...: its docstring has the equations, forward
            and backward. Its times are divided by its ``dt``.

    Returns:
        (spikes, membrane potential before reset), both like ``z``; spikes are 0 or 1. No gradient
        flows through the membrane potential.

    Raises:
        ValueError: wrong rank or dtype.
        tf.errors.InvalidArgumentError: with ``LoihiCUBA``, an input that is not finite.
    """
    if not isinstance(z, SynapticInput) or neuron.kernels is not None:
        return neurons.fire_tensor(value_of(z), neuron)
    choice = z.choose(f"{z.op} and neuron")
    if choice.kernel != selection.IN_TURN.kernel:
        fired, membrane = z.in_one_pass(neuron, choice)
    elif choice.facts.gpu:  # what is read from memory limits its speed: bytes
        fired, membrane = neurons.fire_bytes(z.value(), neuron)
    else:
        return neurons.fire_tensor(z.value(), neuron)
    for y in (fired, membrane):
        y.set_shape(z.shape)
    return handoff.to_floats(fired, membrane, z.dtype), tf.stop_gradient(membrane)
