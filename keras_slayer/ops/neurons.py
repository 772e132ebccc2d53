"""Neurons: from synaptic input to spikes, in time steps."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import CUBA, SRM, LoihiCUBA, Neuron
from keras_slayer.ops import filters, library
from keras_slayer.ops.srm_fir import srm_fir


@tf.autograph.experimental.do_not_convert
def fire_tensor(synaptic_input, neuron: Neuron) -> tuple[tf.Tensor, tf.Tensor]:
    """``ops.fire`` of synaptic input that is a tensor already."""
    z = checks.series(synaptic_input, "synaptic_input")
    if neuron.kernels is not None:
        response, refractory = neuron.kernels
        return srm_fir(
            filters.temporal_filter(z, response),
            refractory,
            threshold=neuron.firing_threshold,
            surrogate=neuron.surrogate_gradient,
        )
    native = library.native() is not None
    spikes, membrane = native_fire(z, neuron) if native else neuron.reference(z)
    return spikes, tf.stop_gradient(membrane)


@tf.autograph.experimental.do_not_convert
def response(synaptic_input, neuron: Neuron) -> tf.Tensor:
    """Membrane potential of neurons that never fire: the input through their linear filters.

    Args:
        synaptic_input: tensor (batch, time, ...).
        neuron: as for ``ops.fire``.

    Returns:
        Tensor like ``synaptic_input``.
    """
    if neuron.kernels is not None:
        return filters.temporal_filter(synaptic_input, neuron.kernels[0])
    out = synaptic_input
    for name, value in neuron.filters:
        out = _FILTERS[name](out, value)
    return out


_FILTERS = {
    "alpha": filters.alpha_filter,
    "exponential": filters.exponential_filter,
    "shift": lambda x, steps: filters.temporal_filter(x, [0.0] * steps + [1.0]),
}


def native_options(neuron: Neuron) -> dict:
    """Arguments of the native ops that describe the neuron."""
    surrogate = neuron.surrogate_gradient.parameters(neuron.firing_threshold)
    parameters = {**neuron.parameters, **surrogate}
    return {
        "neuron": neuron.native,
        "names": list(parameters),
        "params": [float(value) for value in parameters.values()],
    }


def native_gradient_options(neuron: Neuron) -> dict:
    """Arguments of the native ops that describe the neuron and its gradient."""
    return {**native_options(neuron), **neuron.surrogate_gradient.options}


def native_fire(z, neuron: Neuron):
    """(spikes, membrane), differentiable."""
    return library.native().keras_slayer_neuron(synaptic_input=z, **native_gradient_options(neuron))


def native_fire_bytes(z, neuron: Neuron):
    """(spikes as bytes, membrane), which have no gradient."""
    spikes, membrane = library.native().keras_slayer_neuron_bytes(
        synaptic_input=z, **native_options(neuron)
    )
    return spikes, membrane


def fire_bytes(z, neuron: Neuron):
    """(spikes as bytes, membrane), differentiable: the gradient of the spikes comes to the membrane
    (``handoff.to_floats``)."""

    @tf.custom_gradient
    def fire(z):
        fired, membrane = native_fire_bytes(z, neuron)
        return (fired, membrane), lambda _, grad_fired: native_grad(grad_fired, membrane, neuron)

    return fire(tf.convert_to_tensor(z))


def native_grad(grad_spikes, membrane, neuron: Neuron):
    """Gradient of the synaptic input."""
    return library.native().keras_slayer_neuron_grad(
        grad_spikes=grad_spikes, membrane=membrane, **native_gradient_options(neuron)
    )


@tf.RegisterGradient("KerasSlayer>Neuron")
def _neuron_grad(op, grad_spikes, _grad_membrane):
    attributes = {name: op.get_attr(name) for name in ("neuron", "names", "exodus", "surrogate")}
    grad_input = library.native().keras_slayer_neuron_grad(
        grad_spikes=grad_spikes, membrane=op.outputs[1], params=op.inputs[1], **attributes
    )
    return grad_input, None


def srm(synaptic_input, **parameters) -> tuple[tf.Tensor, tf.Tensor]:
    """``ops.fire`` with ``SRM(**parameters)``, time constants in steps."""
    return fire_tensor(synaptic_input, SRM(**parameters))


def cuba(synaptic_input, **parameters) -> tuple[tf.Tensor, tf.Tensor]:
    """``ops.fire`` with ``CUBA(**parameters)``."""
    return fire_tensor(synaptic_input, CUBA(**parameters))


def loihi_cuba(synaptic_input, **parameters) -> tuple[tf.Tensor, tf.Tensor]:
    """``ops.fire`` with ``LoihiCUBA(**parameters)``.

    Raises:
        tf.errors.InvalidArgumentError: an input that is not finite.
    """
    return fire_tensor(synaptic_input, LoihiCUBA(**parameters))
