"""Neurons of one layer that feed each other, as one differentiable function of a series.

z[t] = synaptic_input[t] + s[t-1] @ weights, (s[t], u[t]) = neuron(z[t]); or a convolution in place
of the product.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import Neuron
from keras_slayer.ops import handoff, neurons, state
from keras_slayer.ops.feedback import Feedback, feedback_of, one_step_later
from keras_slayer.ops.link import Link
from keras_slayer.ops.recurrent_reference import reference_recurrent
from keras_slayer.ops.synapses.synaptic_input import SynapticInput, value_of


@tf.autograph.experimental.do_not_convert
def fire_recurrent(
    synaptic_input, weights, neuron: Neuron, *, initial_state=None, return_state: bool = False
) -> tuple:
    """Spikes of neurons that also feed each other, each spike one step later.

    ::

        z[t] = synaptic_input[t] + s[t-1] @ weights,   (s[t], u[t]) = neuron(z[t])

    One native op runs over all time steps. Forward it adds the rows of ``weights`` that belong to
    neurons that fired. Backward, the gradient of a spike is what comes from outside and what the
    next step feels, with both gradients of the neuron (``"slayer"`` and ``"exodus"``)::

        ds[t] = ds_outside[t] + dz[t+1] @ weights^T,   dz = the neuron's backward pass of ds
        dweights = sum_t s[t-1]^T dz[t]

    The latter adds rows of dz for neurons that fired. Results do not depend on the number of
    threads, nor on which other samples are in the batch. Neurons with truncated kernels
    (``kernel_cutoff``), and neurons without a native op, run in a loop of plain TensorFlow, which
    is many times slower.

    With four axes, ``weights`` are the kernel of a convolution with padding "same", by which the
    neurons of maps feed each other. Then @ is that convolution, and each spike adds the weights
    that it meets. On a GPU that is a kernel for each step.

    Args:
        synaptic_input: input from outside the layer: a tensor (batch, time, units) or (batch, time,
            height, width, filters), or the ``SynapticInput`` that a synapse returns.
        weights: matrix (units, units) of its dtype: from the neuron of the row to that of the
            column. Or kernel (height, width, filters / groups, filters).
        neuron, initial_state, return_state: as for ``ops.fire``. The state has one number more
            per neuron: its last spike.

    Returns:
        (spikes, membrane potential before reset), both like the input, and the state if it is asked
        for.

    Raises:
        ValueError: wrong rank, dtype, or shape of the weights or of the state.
        tf.errors.InvalidArgumentError: with ``LoihiCUBA``, an input that is not finite.
    """
    z = _tensor(synaptic_input, return_state or initial_state is not None)
    if return_state and initial_state is None:
        initial_state = state.at_rest(recurrent_state_size(neuron), z)
    spikes, membrane, after = fire_recurrent_from(z, weights, neuron, initial_state)
    return (spikes, membrane, after) if return_state else (spikes, membrane)


def recurrent_state_size(neuron: Neuron) -> int:
    """Numbers of the state of a neuron in such a layer."""
    return neurons.state_size(neuron) + 1


def _tensor(synaptic_input, in_chunks: bool):
    """The input as a tensor; in chunks, a product does not depend on how long they are."""
    if in_chunks and isinstance(synaptic_input, SynapticInput):
        synaptic_input = dataclasses.replace(synaptic_input, in_chunks=True)
    return checks.series(value_of(synaptic_input), "synaptic_input")


@tf.autograph.experimental.do_not_convert
def fire_recurrent_from(
    synaptic_input, weights, neuron: Neuron, start=None, link: Link | None = None
) -> tuple:
    """(spikes, membrane, state): from rest, and without a state (None); or from ``start``.

    With ``link``, a chunk whose gradients are those of the whole series. Native loops only.
    """
    z = _tensor(synaptic_input, start is not None)
    feedback = feedback_of(z, weights)
    if start is not None:
        start = state.checked(start, recurrent_state_size(neuron), z)
    native = getattr(neuron, "native", None) is not None and neuron.kernels is None
    if feedback.choose(z).is_reference or not native:
        spikes, membrane, after = reference_recurrent(z, weights, neuron, start)
        return spikes, tf.stop_gradient(membrane), after
    fired, membrane, after = _fire_bytes(z, feedback, neuron, start, link)
    for y in (fired, membrane):
        y.set_shape(z.shape)
    return handoff.to_floats(fired, membrane, z.dtype), tf.stop_gradient(membrane), after


def _fire_bytes(z, feedback: Feedback, neuron: Neuron, start, link: Link | None):
    """(spikes as bytes, membrane, state), differentiable: the gradient of the spikes comes to the
    membrane (``handoff.to_floats``)."""
    # Of the loop, and of the sums for learned parameters.
    later = [[]] * 2 if link is None else [[x] for x in link.later]
    ports = () if link is None else link.ports

    @tf.custom_gradient
    def loop(z, weights, *_):
        # Persistent tapes would look up gradients of the native ops, which do not exist.
        fired, membrane, after = feedback.fire(
            tf.stop_gradient(z), tf.stop_gradient(weights), neuron, start
        )

        def grad(_grad_bytes, grad_fired, *_):
            dz, earlier = feedback.input_grad(
                grad_fired, membrane, weights, neuron.without_bias(), later[0]
            )
            grads = dz, feedback.weights_grad(fired, start, dz)
            if neuron.native_params is None:
                return *grads, *earlier, *ports[1:]
            # What comes from outside and what the next step feels.
            felt = tf.concat([dz[:, 1:], _first_later(later[0], dz)], axis=1)[:, : tf.shape(dz)[1]]
            total = grad_fired + feedback.transposed(felt)
            before = None if start is None else start[:, :-1]
            _, learned, *ending = neurons.native_grads(total, membrane, neuron, before, later[1])
            return *grads, learned, *earlier, *ending

        return (fired, membrane, *after), grad

    outputs = loop(z, feedback.weights, *neurons.learned_params(neuron), *ports)
    return state.with_final(outputs)


def _first_later(later, dz):
    """The gradient of the input of the step after the last one: the last number of ``later``."""
    rest = tf.zeros(tf.concat([tf.shape(dz)[:1], [1], tf.shape(dz)[2:]], axis=0), dz.dtype)
    return tf.concat([rest, *(tf.cast(x, dz.dtype) for x in later)], axis=1)[:, -1:]


def total_input(synaptic_input, spikes, weights, start=None):
    """z[t] = synaptic_input[t] + s[t-1] @ weights of a run that gave these spikes."""
    within = feedback_of(spikes, weights).synapse(one_step_later(spikes, start))
    # Summed by events however many there are, as the op does.
    return _tensor(synaptic_input, start is not None) + _tensor(within, True)
