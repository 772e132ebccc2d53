"""2-D convolution and its neurons in one pass."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import compact, library, pooled_gradient
from keras_slayer.ops.conv2d import Conv2D
from keras_slayer.ops.neuron_spec import NeuronSpec, fire
from keras_slayer.ops.spike_conv2d import frame_events, spike_conv2d


@tf.autograph.experimental.do_not_convert
def conv2d_layer(spikes, weights, bias, spec: NeuronSpec, *, strides, padding, dilations):
    """(spikes, membrane) of neurons fed by ``spike_conv2d(spikes, weights)`` (+ ``bias``).

    As the two in turn (see ``matmul_layer``).

    Args:
        spikes, weights, strides, padding, dilations: as for ``spike_conv2d``.
        bias: (filters,), of the same dtype, or None.
        spec: the neuron.
    """
    spikes = checks.spikes(spikes)
    weights = tf.convert_to_tensor(weights)
    options = {"strides": strides, "padding": padding, "dilations": dilations}
    conv = Conv2D.of(spikes, weights, **options)
    if library.native() is None:
        z = spike_conv2d(spikes, weights, **options)
        return fire(z if bias is None else z + bias, spec)
    fired, membrane = _layer(conv, spikes, weights, bias, spec)
    for y in (fired, membrane):
        y.set_shape([*spikes.shape[:2], *conv.output_size, weights.shape[3]])
    return compact.widen(fired, membrane, weights.dtype), tf.stop_gradient(membrane)


def _layer(conv: Conv2D, spikes, weights, bias, spec: NeuronSpec):
    native = library.native()
    data = compact.narrowest(spikes)
    batch_and_steps = tf.shape(data, tf.int64)[:2]
    frames = tf.reshape(tf.stop_gradient(data), [-1, *conv.input_size])
    size = [*conv.output_size, conv.weights_shape[3]]
    neuron = {"params": spec.params, "neuron": spec.kind}
    bias = [] if bias is None else [bias]

    @tf.custom_gradient
    def layer(spikes, weights, *bias):
        # Persistent tapes look for gradients in the branches of a tf.cond; there are none.
        kernel, *offset = map(tf.stop_gradient, (weights, *bias))
        events, dense = frame_events(frames, kernel)

        def from_dense():
            z = tf.reshape(conv.product(frames, kernel), tf.concat([batch_and_steps, size], 0))
            return spec.native_fire_bytes(z + offset[0] if offset else z)

        def from_events():
            return tuple(
                native.keras_slayer_conv2d_layer(
                    **events,
                    weights=kernel,
                    bias=offset[0] if offset else tf.zeros([0], kernel.dtype),
                    batch_and_steps=batch_and_steps,
                    **conv.native_options,
                    **neuron,
                )
            )

        fired, membrane = tf.cond(dense, from_dense, from_events)

        def grad(_grad_bytes, grad_fired):
            given = pooled_gradient.remembered(grad_fired)

            def dz():
                return tf.reshape(spec.native_grad(given.whole(), membrane), [-1, *size])

            def of_events():
                return tuple(
                    native.keras_slayer_conv2d_layer_grad(
                        **events,
                        **given.native_options(),
                        membrane=membrane,
                        weights=weights,
                        **conv.native_options,
                        **neuron,
                        **spec.gradient_options,
                    )
                )

            if checks.are_bytes(spikes):
                grad_spikes = None
                grad_weights = tf.cond(
                    dense,
                    lambda: conv.weights_grad(frames, weights, dz()),
                    lambda: of_events()[1],
                )
            else:
                grad_spikes, grad_weights = tf.cond(
                    dense,
                    lambda: (of_events()[0], conv.weights_grad(frames, weights, dz())),
                    of_events,
                )
                grad_spikes = tf.reshape(grad_spikes, tf.shape(data))
            grad_weights.set_shape(weights.shape)
            grad_bias = [tf.reduce_sum(dz(), axis=[0, 1, 2]) for _ in bias]
            return (grad_spikes, grad_weights, *grad_bias)

        return (fired, membrane), grad

    return layer(spikes, weights, *bias)
