"""Dense synapses and their neurons in one pass."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer.ops import compact, library, reference
from keras_slayer.ops.neuron_spec import NeuronSpec, fire
from keras_slayer.ops.spike_matmul import (
    as_rows,
    check,
    matmul_events,
    matmul_gradients,
    spike_matmul,
    worth_events,
)


@tf.autograph.experimental.do_not_convert
def matmul_layer(spikes, weights, bias, spec: NeuronSpec):
    """(spikes, membrane) of neurons fed by ``spikes @ weights`` (+ ``bias``).

    As ``spike_matmul`` and the neuron in turn: to the bit where the input is
    sparse, but for the 16-bit types, in which the sums between them are not
    rounded; the sums are not kept in memory. Dense input, few units, and input of
    more axes than (batch, time, inputs) go through the two in turn.

    Args:
        spikes: tensor (batch, time, ..., inputs); may be bytes.
        weights: (inputs, units).
        bias: (units,), of the same dtype, or None.
        spec: the neuron.
    """
    spikes, weights = check(spikes, weights)
    if spikes.shape.rank != 3 or not worth_events(weights):
        z = spike_matmul(spikes, weights)
        return fire(z if bias is None else z + bias, spec)
    fired, membrane = _layer(spikes, weights, bias, spec)
    for y in (fired, membrane):
        y.set_shape([*spikes.shape[:2], weights.shape[1]])
    return compact.widen(fired, membrane, weights.dtype), tf.stop_gradient(membrane)


def _layer(spikes, weights, bias, spec):
    native = library.native()
    data = compact.narrowest(spikes)
    batch_and_steps = tf.shape(data, tf.int64)[:2]
    shape = tf.concat([batch_and_steps, tf.shape(weights, tf.int64)[1:]], axis=0)
    bias = [] if bias is None else [bias]
    rows = as_rows(tf.stop_gradient(data), weights)

    @tf.custom_gradient
    def layer(spikes, weights, *bias):
        kernel, *offset = map(tf.stop_gradient, (weights, *bias))  # see conv2d_layer
        events, dense = matmul_events(rows, kernel)

        def from_dense():
            z = tf.reshape(reference.spike_matmul(rows, kernel), shape)
            return spec.native_fire_bytes(z + offset[0] if offset else z)

        def from_events():
            return tuple(
                native.keras_slayer_matmul_layer(
                    **events,
                    weights=kernel,
                    bias=offset[0] if offset else tf.zeros([0], kernel.dtype),
                    params=spec.params,
                    batch_and_steps=batch_and_steps,
                    neuron=spec.kind,
                )
            )

        fired, membrane = tf.cond(dense, from_dense, from_events)

        def grad(_grad_bytes, grad_fired):
            dz = spec.native_grad(grad_fired, membrane)
            dz = tf.reshape(dz, [-1, weights.shape[1] or tf.shape(weights)[1]])
            grads = matmul_gradients(spikes, data, weights, events, dense, dz)
            return (*grads, *(tf.reduce_sum(dz, axis=0) for _ in bias))

        return (fired, membrane), grad

    return layer(spikes, weights, *bias)
