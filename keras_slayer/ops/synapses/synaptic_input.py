"""Synaptic input: the weighted sum of spikes, and the one place that decides about fusion.

A layer writes ``z = synapse(spikes, kernel) + bias`` and passes ``z`` to ``fire``. ``z`` is not
computed yet. So ``fire`` can run one fused op for synapse and neuron, which never writes the sums
to memory.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import Neuron
from keras_slayer.ops import explanation, handoff, neurons, selection, state
from keras_slayer.ops.link import Link


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SynapticInput(abc.ABC):
    """The output of a synapse, not computed yet: ``value`` or ``fire`` computes it.

    Attributes:
        op: key of ``selection.CANDIDATES``.
        spikes: checked tensor (batch, time, ...); may be bytes.
        weights: checked tensor; None if the synapse has no weights.
        bias: one number per unit, or None.
        layer: name of the layer; may be empty.
        in_chunks: whether the input is a chunk of a longer one. Its sums are then the same in
            every chunk: by events however dense it is, or step by step. The rounding of a dense
            product depends on its size.
    """

    op: str
    spikes: tf.Tensor
    weights: tf.Tensor | None = None
    bias: tf.Tensor | None = None
    layer: str = dataclasses.field(default_factory=explanation.current_layer)
    in_chunks: bool = False
    # Whether `in_one_pass` has the gradients of the neuron's parameters, too.
    learns_in_one_pass: ClassVar[bool] = False

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
    def in_one_pass(self, neuron: Neuron, choice: selection.Choice, start=None):
        """(spikes as bytes, membrane, state) by the fused kernel of ``choice``, differentiable.

        The neurons start at rest and return no state (None), or start from the state ``start``.
        """

    def value(self) -> tf.Tensor:
        """The sums, as a tensor."""
        z = self.product()
        return z if self.bias is None else z + self.bias

    def step_by_step(self, product):
        """The sums of each step by itself: ``product`` of spikes (batch, 1, ...)."""
        steps = tf.transpose(self.spikes, [1, 0, *range(2, self.spikes.shape.rank)])
        more = tf.zeros(tf.concat([[1], tf.shape(steps)[1:]], axis=0), steps.dtype)

        def step(spikes):
            return tf.reshape(product(spikes[:, tf.newaxis]), [tf.shape(spikes)[0], -1])

        # One step more than there are, because no steps at all have no shape.
        sums = tf.map_fn(step, tf.concat([steps, more], 0), fn_output_signature=self.dtype)
        return tf.transpose(sums[:-1], [1, 0, 2])

    def choose(self, op: str) -> selection.Choice:
        """The kernel of ``op`` for these tensors."""
        weights = None if self.weights is None else self.weights.shape
        choice = selection.choose(op, self.spikes.shape, weights, self.layer)
        return choice.at_any_density() if self.in_chunks else choice


def value_of(z) -> tf.Tensor:
    """Synaptic input as a tensor."""
    return z.value() if isinstance(z, SynapticInput) else z


@tf.autograph.experimental.do_not_convert
def fire(z, neuron: Neuron, *, initial_state=None, return_state: bool = False) -> tuple:
    """Spikes of neurons of one kind, by one op for synapse and neurons if there is one.

    For sparse input the result is equal to the bit to that of synapse and neuron one after the
    other. Only the 16-bit types differ, because the fused op does not round the sums.

    Args:
        z: weighted input spikes: a tensor (batch, time, ...), or the ``SynapticInput`` that a
            synapse returns.
        neuron: an ``SRM``, ``CUBA``, ``LoihiCUBA``, ...: its docstring has the equations, forward
            and backward. Its times are divided by its ``dt``.
        initial_state: the state from which the neurons start, as an earlier call returned it, a
            float64 tensor (batch, numbers, ...). None: at rest. No gradient flows through it.
        return_state: whether to return the state after the last step, too. The spikes of a series
            in chunks, each from the state after the one before, equal those of the whole.

    Returns:
        (spikes, membrane potential before reset), both like ``z``; spikes are 0 or 1. No gradient
        flows through the membrane potential. Then the state, if it is asked for.

    Raises:
        ValueError: wrong rank, dtype, or shape of the state.
        tf.errors.InvalidArgumentError: with ``LoihiCUBA``, an input that is not finite.
    """
    if return_state and initial_state is None:
        initial_state = state_at_rest(z, neuron)
    spikes, membrane, after = fire_from(z, neuron, initial_state)
    return (spikes, membrane, after) if return_state else (spikes, membrane)


def state_at_rest(z, neuron: Neuron) -> tf.Tensor:
    """The state of the neurons that ``z`` goes to before their first input."""
    numbers = neurons.state_size(neuron)
    if not isinstance(z, SynapticInput):
        return state.at_rest(numbers, checks.series(z, "synaptic_input"))
    if None in z.shape[2:]:  # known only once the sums are
        return state.at_rest(numbers, z.value())
    no_steps = tf.ensure_shape(
        tf.zeros([tf.shape(z.spikes)[0], 0, *z.shape[2:]]), [z.shape[0], 0, *z.shape[2:]]
    )
    return state.at_rest(numbers, no_steps)


@tf.autograph.experimental.do_not_convert
def fire_from(z, neuron: Neuron, start=None, link: Link | None = None) -> tuple:
    """(spikes, membrane, state): from rest, and without a state (None); or from ``start``.

    With ``link``, a chunk whose gradients are those of the whole series; native neurons only.
    Synapse and neurons then run one after the other: their gradients need not know each other.
    """
    if not isinstance(z, SynapticInput):
        if link is None:
            return neurons.fire_tensor(z, neuron, start)
        z = checks.series(z, "synaptic_input")
    elif start is not None:
        z = dataclasses.replace(z, in_chunks=True)
    if start is not None:
        start = state.checked(start, neurons.state_size(neuron), tf.TensorSpec(z.shape, z.dtype))
    if neuron.kernels is not None or neuron.native is None:
        return neurons.fire_tensor(z.value(), neuron, start)
    choice = None if link is not None else z.choose(f"{z.op} and neuron")
    fused = choice is not None and choice.kernel != selection.IN_TURN.kernel
    if fused:
        fired, membrane, after = z.in_one_pass(neuron, choice, start)
    elif choice is None or choice.facts.gpu:
        # Bytes: on a GPU, what is read from memory limits the speed.
        fired, membrane, after = neurons.fire_bytes(value_of(z), neuron, start, link)
    else:
        return neurons.fire_tensor(z.value(), neuron, start)
    for y in (fired, membrane):
        y.set_shape(z.shape)
    spikes = handoff.to_floats(fired, membrane, z.dtype)
    if fused and not z.learns_in_one_pass:
        spikes = neurons.with_params_grad(spikes, membrane, neuron, start)
    return spikes, tf.stop_gradient(membrane), after
