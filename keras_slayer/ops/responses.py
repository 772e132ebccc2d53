"""What neurons that never fire make of their input: linear filters."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import Neuron
from keras_slayer.neurons.kernels import alpha_decay_and_gain
from keras_slayer.neurons.own import never_firing
from keras_slayer.ops import filters, state


@tf.autograph.experimental.do_not_convert
def response(synaptic_input, neuron: Neuron) -> tf.Tensor:
    """Membrane potential of neurons that never fire: the input through their linear filters.

    Args:
        synaptic_input: tensor (batch, time, ...).
        neuron: as for ``ops.fire``.

    Returns:
        Tensor like ``synaptic_input``.
    """
    return response_with_state(checks.series(synaptic_input, "synaptic_input"), neuron, None)[0]


def response_state_size(neuron: Neuron) -> int:
    """Numbers of the state of a neuron that never fires."""
    if neuron.kernels is not None:
        return len(neuron.kernels[0]) - 1
    if neuron.filters is None:
        return neuron.states
    return sum(_filter_state_size(name, value) for name, value in neuron.filters)


def _filter_state_size(name: str, value) -> int:
    return {"alpha": 2, "exponential": 1, "oscillator": 2}[name] if name != "shift" else int(value)


def response_with_state(x, neuron: Neuron, start):
    """(``response``, its state), from a state or at rest and without one: None."""
    if start is not None:
        start = state.checked(start, response_state_size(neuron), x)
    if neuron.kernels is not None:
        return _from_state(filters.fir_with_state, x, neuron.kernels[0], start)
    if neuron.filters is None:
        _, membrane, after = never_firing(neuron).reference(x, start)
        return membrane, state.without_gradient(after)
    sizes = [_filter_state_size(name, value) for name, value in neuron.filters]
    starts = [None] * len(sizes) if start is None else tf.split(start, sizes, axis=1)
    after = []
    for (name, value), before in zip(neuron.filters, starts, strict=True):
        x, last = _from_state(_FILTERS[name], x, value, before)
        after.append(last)
    return x, None if start is None else tf.concat(after, axis=1)


def _from_state(function, x, parameter, start):
    """A filter from a state of float64."""
    y, after = function(x, parameter, start)
    return y, None if after is None else tf.cast(after, tf.float64)


_FILTERS = {
    "alpha": lambda x, tau, start: filters.filter_with_state(
        x, "alpha", *alpha_decay_and_gain(tau), start
    ),
    "exponential": lambda x, decay, start: filters.filter_with_state(
        x, "exponential", decay, 1.0, start
    ),
    "oscillator": lambda x, pole, start: filters.filter_with_state(
        x, "oscillator", pole.real, pole.imag, start
    ),
    "shift": lambda x, steps, start: filters.fir_with_state(x, [0.0] * steps + [1.0], start),
}
