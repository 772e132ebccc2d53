"""2-D convolution of spike frames. The fewer spikes, the less time it takes."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import Neuron
from keras_slayer.ops import handoff, library, neurons, selection, state
from keras_slayer.ops.synapses.dense_conv2d import (
    dense_input_grad,
    dense_weights_grad,
    reference_conv2d,
)
from keras_slayer.ops.synapses.events import events_for
from keras_slayer.ops.synapses.geometry import ConvGeometry
from keras_slayer.ops.synapses.synaptic_input import SynapticInput


@tf.autograph.experimental.do_not_convert
def spike_conv2d(
    spikes, weights, *, strides=(1, 1), padding: str = "valid", dilations=(1, 1)
) -> tf.Tensor:
    """Convolves each frame of ``spikes`` with ``weights`` (cross-correlation, as in Keras).

    For sparse frames, each spike adds its weights to the output, and likewise for the gradient of
    the weights. Dense frames use ``tf.nn.conv2d``. See ``spike_matmul``.

    Args:
        spikes: tensor (batch, time, height, width, channels); the last three
            sizes must be known. Of the dtype of ``weights`` or, without a gradient,
            uint8 or bool.
        weights: (kernel height, kernel width, channels / groups, filters); the
            number of groups follows from the channels of the two.
        strides, dilations: pairs (vertical, horizontal); only one of them may
            differ from 1.
        padding: ``"valid"`` or ``"same"``.

    Returns:
        Tensor (batch, time, new height, new width, filters).

    Raises:
        ValueError: ranks, sizes, dtypes or options that do not fit.
    """
    return conv2d_synapse(
        spikes, weights, strides=strides, padding=padding, dilations=dilations
    ).value()


@tf.autograph.experimental.do_not_convert
def conv2d_synapse(spikes, weights, *, strides, padding: str, dilations) -> SynapticInput:
    """``spike_conv2d``, not computed yet: for ``fire``."""
    spikes = checks.spikes(spikes)
    weights = tf.convert_to_tensor(weights)
    geometry = ConvGeometry.of(spikes, weights, strides, padding, dilations)
    return _Conv2D(op="conv2d", spikes=spikes, weights=weights, geometry=geometry)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class _Conv2D(SynapticInput):
    geometry: ConvGeometry

    @property
    def shape(self) -> list:
        return [*self.spikes.shape[:2], *self.geometry.output_size]

    def product(self):
        data = handoff.bytes_of(self.spikes)
        choice = self.choose("conv2d")
        products = {
            "frames": lambda: self._from_frames(data),
            "events": lambda: self._from_events(choice, data),
            "dense": self._dense,
            "reference": self._dense,
        }
        out = products[choice.kernel]()
        out = tf.reshape(out, tf.concat([tf.shape(data)[:2], self.geometry.output_size], axis=0))
        out.set_shape(self.shape)
        return out

    def _dense(self):
        def product(spikes):
            return reference_conv2d(self.geometry, self._frames(spikes), self.weights)

        return self.step_by_step(product) if self.in_chunks else product(self.spikes)

    def _frames(self, spikes):
        """The frames (batch * time, height, width, channels)."""
        return tf.reshape(spikes, [-1, *self.geometry.input_size])

    def _events(self, choice, frames):
        height, width, channels = self.geometry.input_size
        return events_for(
            choice, tf.reshape(frames, [-1, height * width * channels]), self.weights.dtype
        )

    def _from_frames(self, data):
        native, options = library.native(), self.geometry.native_options
        frames = self._frames(tf.stop_gradient(data))

        @tf.custom_gradient
        def convolve(spikes, weights):
            out = native.keras_slayer_frames_conv2d(frames=frames, weights=weights, **options)

            def grad(grad_out):
                grad_weights = native.keras_slayer_frames_conv2d_weights_grad(
                    frames=frames,
                    grad=grad_out,
                    weights_shape=self.geometry.weights_shape,
                    **options,
                )
                grad_weights.set_shape(weights.shape)
                if checks.are_bytes(spikes):
                    return None, grad_weights
                grad_frames = native.keras_slayer_frames_conv2d_input_grad(
                    grad=grad_out, transposed=tf.transpose(weights, [0, 1, 3, 2]), **options
                )
                return tf.reshape(grad_frames, tf.shape(data)), grad_weights

            return out, grad

        return convolve(self.spikes, self.weights)

    def _spikes_grad(self, spikes, weights, frames, data, grad_out):
        """The gradient of the spikes; None for bytes, which have no gradient."""
        if checks.are_bytes(spikes):
            return None
        grad_frames = dense_input_grad(self.geometry, frames, weights, grad_out)
        return tf.reshape(grad_frames, tf.shape(data))

    def _from_events(self, choice, data):
        native, geometry = library.native(), self.geometry

        @tf.custom_gradient
        def convolve(spikes, weights):
            frames = self._frames(tf.stop_gradient(data))
            # Persistent tapes would look up gradients of native ops in a tf.cond, which have none.
            kernel = tf.stop_gradient(weights)
            events, dense = self._events(choice, frames)
            products = {
                "events": lambda: native.keras_slayer_event_conv2d(
                    **events, weights=kernel, **geometry.native_options
                ),
                "dense": lambda: reference_conv2d(geometry, frames, kernel),
            }
            out = choice.run(products, dense)

            def grad(grad_out):
                gradients = {
                    "events": lambda: native.keras_slayer_event_conv2d_weights_grad(
                        **events,
                        grad=grad_out,
                        weights_shape=geometry.weights_shape,
                        **geometry.native_options,
                    ),
                    "dense": lambda: dense_weights_grad(geometry, frames, weights, grad_out),
                }
                grad_weights = self.choose("gradient of conv2d's weights").run(gradients, dense)
                grad_weights.set_shape(weights.shape)
                return self._spikes_grad(spikes, weights, frames, data, grad_out), grad_weights

            return out, grad

        return convolve(self.spikes, self.weights)

    def in_one_pass(self, neuron: Neuron, choice: selection.Choice, start=None):
        native, geometry = library.native(), self.geometry
        data = handoff.bytes_of(self.spikes)
        batch_and_steps = tf.shape(data, tf.int64)[:2]
        frames = self._frames(tf.stop_gradient(data))

        @tf.custom_gradient
        def layer(spikes, weights, *bias):
            # Persistent tapes would look up gradients of native ops in a tf.cond, which have none.
            kernel, *offset = map(tf.stop_gradient, (weights, *bias))
            events, dense = self._events(choice, frames)

            def from_events():
                fired, membrane, after = native.keras_slayer_conv2d_layer(
                    **events,
                    weights=kernel,
                    bias=offset[0] if offset else tf.zeros([0], kernel.dtype),
                    batch_and_steps=batch_and_steps,
                    state=state.listed(start),
                    **geometry.native_options,
                    **neurons.native_options(neuron),
                )
                return fired, membrane, *after

            def from_dense():
                z = reference_conv2d(geometry, frames, kernel)
                z = tf.reshape(z, tf.concat([batch_and_steps, geometry.output_size], 0))
                z = z + offset[0] if offset else z
                fired, membrane, after = neurons.native_fire_bytes(z, neuron, start)
                return fired, membrane, *state.listed(after)

            kernels = {"one pass over events": from_events, "dense, then neuron": from_dense}
            fired, membrane, *after = choice.run(kernels, dense)

            def grad(_grad_bytes, grad_fired, *_):
                return self._layer_gradients(
                    spikes, weights, bias, neuron, data, (events, dense), membrane, grad_fired
                )

            return (fired, membrane, *after), grad

        bias = [] if self.bias is None else [self.bias]
        return state.with_final(layer(self.spikes, self.weights, *bias))

    def _layer_gradients(self, spikes, weights, bias, neuron, data, found, membrane, grad_fired):
        """Gradients of spikes (None for bytes), weights and bias from that of the fired spikes."""
        (events, dense), geometry = found, self.geometry
        frames = self._frames(data)
        given = handoff.before_pool(grad_fired)

        def through_neurons():
            dz, _ = neurons.native_grad(given.whole(), membrane, neuron)
            return tf.reshape(dz, [-1, *geometry.output_size])

        def native_gradients(events):
            """Gradients of input and weights, in one op that computes only those that are read.

            Without events it computes that of the input alone.
            """
            return given.conv2d_layer_grad(
                **events,
                membrane=membrane,
                weights=weights,
                **geometry.native_options,
                **neurons.native_gradient_options(neuron.without_bias()),
            )

        def both():
            return tuple(native_gradients({name: [x] for name, x in events.items()}))

        def input_grad():
            return native_gradients({name: [] for name in events}).grad_input

        def dense_weights():
            return dense_weights_grad(geometry, frames, weights, through_neurons())

        choice = self.choose("gradient of conv2d's weights")
        if checks.are_bytes(spikes):
            grad_spikes = None
            gradients = {
                "events": lambda: both()[1],
                "dense": dense_weights,
            }
            grad_weights = choice.run(gradients, dense)
        else:
            # With events, one op computes both gradients.
            gradients = {
                "events": both,
                "dense": lambda: (input_grad(), dense_weights()),
            }
            grad_spikes, grad_weights = choice.run(gradients, dense)
            grad_spikes = tf.reshape(grad_spikes, tf.shape(data))
        grad_weights.set_shape(weights.shape)
        grad_bias = [tf.reduce_sum(through_neurons(), axis=[0, 1, 2]) for _ in bias]
        return (grad_spikes, grad_weights, *grad_bias)
