"""Matrix product with a spike tensor. The fewer spikes, the less time it takes."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.neurons import Neuron
from keras_slayer.ops import handoff, library, neurons, selection, state
from keras_slayer.ops.synapses.events import events_for
from keras_slayer.ops.synapses.synaptic_input import SynapticInput


@tf.autograph.experimental.do_not_convert
def spike_matmul(spikes, weights) -> tf.Tensor:
    """z = spikes @ weights over the last axis, adding only the rows that spikes select.

    With 64 units or more and few nonzero ``spikes`` (up to 17 % for 512 units, 6 % for 64), the
    nonzeros are found once and used by the product and by the gradient of the weights. With more
    nonzeros, both are dense products. With fewer units, each product finds the nonzeros itself.
    Values other than 0 and 1 are multiplied. The gradient of the input is the dense product
    dz @ weights^T, computed only if it is needed.

    Results equal the dense product up to rounding. They do not depend on the number of threads,
    except where TensorFlow computes the product: for dense input with 64 units or more, and for
    the gradient of the weights with 33 to 63 units.

    Args:
        spikes: tensor (batch, time, ..., inputs) of the dtype of ``weights``, or of
            uint8 or bool, which take a fourth of the memory and have no gradient.
        weights: matrix (inputs, units) of floats.

    Returns:
        Tensor (batch, time, ..., units).

    Raises:
        ValueError: ranks, sizes or dtypes that do not fit.
    """
    return matmul_synapse(spikes, weights).value()


@tf.autograph.experimental.do_not_convert
def matmul_synapse(spikes, weights) -> SynapticInput:
    """``spike_matmul``, not computed yet: for ``fire``."""
    spikes = checks.spikes(spikes)
    weights = tf.convert_to_tensor(weights)
    checks.same_dtype(spikes, weights)
    if weights.shape.rank != 2 or not spikes.shape[-1:].is_compatible_with(weights.shape[:1]):
        raise ValueError(
            "weights must be a matrix with as many rows as the last axis of spikes. Received: "
            f"weights of shape {weights.shape}, spikes of shape {spikes.shape}"
        )
    return _Matmul(op="matmul", spikes=spikes, weights=weights)


def reference_matmul(rows, weights):
    """The dense product, in plain TensorFlow."""
    return tf.linalg.matmul(tf.cast(rows, weights.dtype), weights)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class _Matmul(SynapticInput):
    learns_in_one_pass = True

    @property
    def shape(self) -> list:
        return [*self.spikes.shape[:-1], self.weights.shape[1]]

    def product(self):
        data = handoff.bytes_of(self.spikes)
        shape = tf.concat([tf.shape(data)[:-1], tf.shape(self.weights)[1:]], axis=0)
        choice = self.choose("matmul")
        products = {
            "events": lambda: self._from_events(choice, data),
            "few units": lambda: self._of_few_units(data),
            "dense": self._dense,
            "reference": self._dense,
        }
        out = tf.reshape(products[choice.kernel](), shape)
        out.set_shape(self.shape)
        return out

    def _rows(self, spikes):
        """The spikes (batch * time * ..., inputs): one row per step."""
        return tf.reshape(spikes, [-1, self.weights.shape[0] or tf.shape(self.weights)[0]])

    def _dense(self):
        def product(spikes):
            return reference_matmul(self._rows(spikes), self.weights)

        return self.step_by_step(product) if self.in_chunks else product(self.spikes)

    def _of_few_units(self, data):
        @tf.custom_gradient
        def multiply(spikes, weights):
            rows = self._rows(data)
            product = library.native().keras_slayer_few_units_matmul(x=rows, weights=weights)
            return product, lambda grad: self._gradients(spikes, weights, data, grad)

        return multiply(self.spikes, self.weights)

    def _from_events(self, choice, data):
        @tf.custom_gradient
        def multiply(spikes, weights):
            # Persistent tapes would look up gradients of native ops in a tf.cond, which have none.
            rows, kernel = self._rows(tf.stop_gradient(data)), tf.stop_gradient(weights)
            events, dense = events_for(choice, rows, kernel.dtype)
            products = {
                "events": lambda: library.native().keras_slayer_event_matmul(
                    **events, weights=kernel
                ),
                "dense": lambda: reference_matmul(rows, kernel),
            }
            product = choice.run(products, dense)
            return product, lambda grad: self._gradients(spikes, weights, data, grad, events, dense)

        return multiply(self.spikes, self.weights)

    def in_one_pass(self, neuron: Neuron, choice: selection.Choice, start=None):
        native = library.native()
        data = handoff.bytes_of(self.spikes)
        batch_and_steps = tf.shape(data, tf.int64)[:2]
        shape = tf.concat([batch_and_steps, tf.shape(self.weights, tf.int64)[1:]], axis=0)
        rows = self._rows(tf.stop_gradient(data))
        given = [] if self.bias is None else [self.bias]

        @tf.custom_gradient
        def layer(spikes, weights, *more):
            bias = more[: len(given)]
            # Persistent tapes would look up gradients of native ops in a tf.cond, which have none.
            kernel, *offset = map(tf.stop_gradient, (weights, *bias))
            events, dense = events_for(choice, rows, kernel.dtype)

            def from_events():
                fired, membrane, after = native.keras_slayer_matmul_layer(
                    **events,
                    weights=kernel,
                    bias=offset[0] if offset else tf.zeros([0], kernel.dtype),
                    batch_and_steps=batch_and_steps,
                    state=state.listed(start),
                    **neurons.native_options(neuron),
                )
                return fired, membrane, *after

            def from_dense():
                z = tf.reshape(reference_matmul(rows, kernel), shape)
                z = z + offset[0] if offset else z
                fired, membrane, after = neurons.native_fire_bytes(z, neuron, start)
                return fired, membrane, *state.listed(after)

            kernels = {"one pass over events": from_events, "dense, then neuron": from_dense}
            fired, membrane, *after = choice.run(kernels, dense)

            def grad(_grad_bytes, grad_fired, *_):
                dz, *grad_params = neurons.native_grads(grad_fired, membrane, neuron, start)
                dz = tf.reshape(dz, [-1, weights.shape[1] or tf.shape(weights)[1]])
                gradients = self._gradients(spikes, weights, data, dz, events, dense)
                grad_bias = (tf.reduce_sum(dz, axis=0) for _ in bias)
                return (*gradients, *grad_bias, *grad_params)

            return (fired, membrane, *after), grad

        outputs = layer(self.spikes, self.weights, *given, *neurons.learned_params(neuron))
        return state.with_final(outputs)

    def _gradients(self, spikes, weights, data, grad, events=None, dense=None):
        """Gradients of spikes and weights from that of their product.

        Args:
            spikes, weights: as ``tf.custom_gradient`` passes them.
            data: the values of ``spikes`` that were multiplied.
            grad: gradient of the product, one row per step.
            events, dense: the result of ``events_for``, if the forward pass called it.
        """
        return self._spikes_grad(spikes, weights, data, grad), self._weights_grad(
            weights, data, grad, events, dense
        )

    def _spikes_grad(self, spikes, weights, data, grad):
        """grad @ weights^T; None for bytes, which have no gradient."""
        if checks.are_bytes(spikes):
            return None
        grad = library.native().keras_slayer_matmul_input_grad(grad=grad, weights=weights)
        return tf.reshape(grad, tf.shape(data))

    def _weights_grad(self, weights, data, grad, events, dense):
        """rows^T @ grad."""
        native = library.native()
        gradients = {
            "events": lambda: native.keras_slayer_event_matmul_weights_grad(
                **events, grad=grad, columns=tf.shape(weights, tf.int64)[0]
            ),
            "few units": lambda: native.keras_slayer_few_units_matmul_weights_grad(
                x=self._rows(data), grad=grad
            ),
            "dense": lambda: tf.linalg.matmul(
                tf.cast(self._rows(data), grad.dtype), grad, transpose_a=True
            ),
        }
        out = self.choose("gradient of matmul's weights").run(gradients, dense)
        out.set_shape(weights.shape)
        return out
