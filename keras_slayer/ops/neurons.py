"""Neurons: from synaptic input to spikes, in time steps."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import CUBA, SRM, LoihiCUBA, Neuron
from keras_slayer.ops import explanation, filters, library, state
from keras_slayer.ops.link import Link
from keras_slayer.ops.srm_fir import srm_fir


def state_size(neuron: Neuron) -> int:
    """Numbers of the state of a neuron."""
    if neuron.kernels is not None:
        return sum(len(kernel) - 1 for kernel in neuron.kernels)
    return neuron.states


@tf.autograph.experimental.do_not_convert
def fire_tensor(synaptic_input, neuron: Neuron, start=None):
    """``ops.fire`` of synaptic input that is a tensor already: (spikes, membrane, state).

    Starts at rest and returns no state (None), or starts from a state (``ops.state``).
    """
    z = checks.series(synaptic_input, "synaptic_input")
    if start is not None:
        start = state.checked(start, state_size(neuron), z)
    if neuron.kernels is not None:
        return _fire_truncated(z, neuron, start)
    native = library.native() is not None and neuron.native is not None
    if neuron.native is None:
        explanation.tell_own_neuron(neuron)
    outputs = native_fire(z, neuron, start) if native else neuron.reference(z, start)
    spikes, membrane, after = outputs
    return spikes, tf.stop_gradient(membrane), state.without_gradient(after)


def _fire_truncated(z, neuron: Neuron, start):
    """Neurons whose kernels are truncated. Their state is the last inputs and the last spikes."""
    response, refractory = neuron.kernels
    options = {"threshold": neuron.firing_threshold, "surrogate": neuron.surrogate_gradient}
    if start is None:
        return *srm_fir(filters.temporal_filter(z, response), refractory, **options), None
    felt = len(refractory) - 1  # steps that a spike is felt
    inputs, fired = tf.split(start, [len(response) - 1, felt], axis=1)
    psp, inputs = filters.fir_with_state(z, response, inputs)
    # The neurons spike once more as they did, whatever their membrane potential was.
    certain = tf.fill(tf.shape(fired), tf.constant(z.dtype.max / 4, z.dtype))
    if state.are_linked():
        psp = _with_gradient_of(fired, psp, refractory, neuron)
    series = tf.concat([tf.where(fired > 0, certain, -certain), psp], axis=1)
    spikes, membrane = srm_fir(series, refractory, **options)
    spikes, membrane = spikes[:, felt:], membrane[:, felt:]
    # What later steps feel has a gradient with EXODUS alone.
    kept = spikes if neuron.surrogate_gradient.exodus else tf.stop_gradient(spikes)
    after = [inputs, state.history(state.with_history(fired, kept), felt)]
    after = tf.concat([tf.cast(part, start.dtype) for part in after], axis=1)
    return spikes, membrane, after


def _with_gradient_of(fired, psp, refractory, neuron: Neuron):
    """The same ``psp``, with the gradient of what the spikes before it add to the membrane."""
    if not neuron.surrogate_gradient.exodus:
        return psp
    series = tf.concat([tf.cast(fired, psp.dtype), tf.zeros_like(psp)], axis=1)
    added = filters.temporal_filter(series, refractory)[:, tf.shape(fired)[1] :]
    return psp + (added - tf.stop_gradient(added))


def native_options(neuron: Neuron) -> dict:
    """Arguments of the native ops that describe the neuron."""
    parameters, params = neuron.native_parameters(), neuron.native_params
    if params is None:
        params = [float(value) for value in parameters.values()]
    else:  # their gradient comes from `with_params_grad`
        params = tf.stop_gradient(params)
    return {"neuron": neuron.native, "names": list(parameters), "params": params}


def native_gradient_options(neuron: Neuron) -> dict:
    """Arguments of the native ops that describe the neuron and its gradient."""
    return {**native_options(neuron), **neuron.surrogate_gradient.options}


def native_fire(z, neuron: Neuron, start=None):
    """(spikes, membrane, state), differentiable."""

    def fire(z):
        return library.native().keras_slayer_neuron(
            synaptic_input=z, state=state.listed(start), **native_gradient_options(neuron)
        )

    if neuron.native_params is None:
        return state.with_final(fire(z))

    @tf.custom_gradient
    def fire_learned(z, _params):
        spikes, membrane, after = fire(z)

        def grad(grad_spikes, *_):
            return native_grads(grad_spikes, membrane, neuron, start)

        return (spikes, membrane, *after), grad

    return state.with_final(fire_learned(z, neuron.native_params))


def native_fire_bytes(z, neuron: Neuron, start=None):
    """(spikes as bytes, membrane, state), which have no gradient."""
    return state.with_final(
        library.native().keras_slayer_neuron_bytes(
            synaptic_input=z, state=state.listed(start), **native_options(neuron)
        )
    )


def fire_bytes(z, neuron: Neuron, start=None, link: Link | None = None):
    """(spikes as bytes, membrane, state), differentiable: the gradient of the spikes comes to the
    membrane (``handoff.to_floats``)."""
    later, ports = ((), ()) if link is None else (link.later, link.ports)

    @tf.custom_gradient
    def fire(z, *_):
        fired, membrane, after = native_fire_bytes(z, neuron, start)

        def grad(_grad_bytes, grad_fired, *_):
            return native_grads(grad_fired, membrane, neuron, start, later)

        return (fired, membrane, *state.listed(after)), grad

    fired, membrane, *after = fire(tf.convert_to_tensor(z), *learned_params(neuron), *ports)
    return fired, membrane, after[0] if after else None


def native_grad(grad_spikes, membrane, neuron: Neuron, later=()) -> tuple:
    """(gradient of the synaptic input, ``earlier``), lists of at most one state: ``later`` of the
    chunk that follows, ``earlier`` of this one (``Link``)."""
    return library.native().keras_slayer_neuron_grad(
        grad_spikes=grad_spikes,
        membrane=membrane,
        later=list(later),
        **native_gradient_options(neuron.without_bias()),
    )


def learned_params(neuron: Neuron) -> list:
    """The parameters of the native ops, if they have a gradient."""
    return [] if neuron.native_params is None else [neuron.native_params]


def native_grads(grad_spikes, membrane, neuron: Neuron, start=None, later=()) -> tuple:
    """Gradients of the synaptic input and of ``learned_params``, and ``earlier`` as in
    ``native_grad``. What a chunk with ``later`` starts from has its gradients in the chunk before,
    and is left out here."""
    if neuron.native_params is None:
        grad_input, earlier = native_grad(grad_spikes, membrane, neuron, later)
        return grad_input, *earlier
    grad_input, sums, earlier = library.native().keras_slayer_neuron_params_grad(
        grad_spikes=grad_spikes,
        membrane=membrane,
        state=[] if later else state.listed(start),
        later=list(later),
        **native_gradient_options(neuron),
    )
    axes = [0, *range(2, sums.shape.rank)]
    if neuron.native_params.shape.rank == 2:  # the last axis are the channels
        del axes[-1]
    return grad_input, tf.reduce_sum(sums, axis=axes), *earlier


def with_params_grad(spikes, membrane, neuron: Neuron, start=None):
    """The same spikes, whose gradient goes to ``learned_params``, too.

    For synapses whose fused ops do not compute it: it follows from the membrane potential alone.
    """
    if neuron.native_params is None:
        return spikes
    membrane = tf.stop_gradient(membrane)

    @tf.custom_gradient
    def same(spikes, _params):
        def grad(grad_spikes):
            return grad_spikes, native_grads(grad_spikes, membrane, neuron, start)[1]

        return tf.identity(spikes), grad

    return same(spikes, neuron.native_params)


@tf.RegisterGradient("KerasSlayer>Neuron")
def _neuron_grad(op, grad_spikes, *_):
    attributes = {name: op.get_attr(name) for name in ("neuron", "names", "exodus", "surrogate")}
    grad_input, _ = library.native().keras_slayer_neuron_grad(
        grad_spikes=grad_spikes, membrane=op.outputs[1], params=op.inputs[1], later=[], **attributes
    )
    return grad_input, *[None] * (len(op.inputs) - 1)


def srm(synaptic_input, **parameters) -> tuple[tf.Tensor, tf.Tensor]:
    """``ops.fire`` with ``SRM(**parameters)``, time constants in steps."""
    return fire_tensor(synaptic_input, SRM(**parameters))[:2]


def cuba(synaptic_input, **parameters) -> tuple[tf.Tensor, tf.Tensor]:
    """``ops.fire`` with ``CUBA(**parameters)``."""
    return fire_tensor(synaptic_input, CUBA(**parameters))[:2]


def loihi_cuba(synaptic_input, **parameters) -> tuple[tf.Tensor, tf.Tensor]:
    """``ops.fire`` with ``LoihiCUBA(**parameters)``.

    Raises:
        tf.errors.InvalidArgumentError: an input that is not finite.
    """
    return fire_tensor(synaptic_input, LoihiCUBA(**parameters))[:2]
