"""How the neurons of a layer feed each other: by a matrix, or by a convolution of their maps.

``ops.fire_recurrent`` has one loop for both; what differs is here.
"""

from __future__ import annotations

import abc
import dataclasses
import math

import tensorflow as tf

from keras_slayer.ops import library, neurons, selection, state
from keras_slayer.ops.synapses.conv2d import conv2d_synapse
from keras_slayer.ops.synapses.dense_conv2d import dense_input_grad, reference_conv2d
from keras_slayer.ops.synapses.events import find_events
from keras_slayer.ops.synapses.geometry import ConvGeometry
from keras_slayer.ops.synapses.matmul import matmul_synapse

_CONVOLUTION = {"strides": (1, 1), "padding": "same", "dilations": (1, 1)}


@dataclasses.dataclass(frozen=True, eq=False)
class Feedback(abc.ABC):
    """From the spikes of a layer to its own synaptic input one step later.

    Attributes:
        weights: of the dtype of the synaptic input.
    """

    weights: tf.Tensor

    @abc.abstractmethod
    def choose(self, z) -> selection.Choice:
        """What runs the loop."""

    @abc.abstractmethod
    def step(self, spikes, weights):
        """The input that the spikes of one step (batch, ...) give, in plain TensorFlow."""

    @abc.abstractmethod
    def synapse(self, spikes):
        """The same of a series (batch, time, ...), as ``SynapticInput``."""

    @abc.abstractmethod
    def transposed(self, dz):
        """From the gradient of the input, a series, to that of the spikes."""

    @abc.abstractmethod
    def weights_grad(self, fired, start, dz):
        """The gradient of the weights, from the spikes as bytes and the state before them."""

    @abc.abstractmethod
    def fire(self, z, weights, neuron, start):
        """The native loop: (spikes as bytes, membrane, states)."""

    @abc.abstractmethod
    def input_grad(self, grad_spikes, membrane, weights, neuron, later=()):
        """The native loop back: the gradient of the synaptic input, and a list with the state that
        it ends with if it continues that of a next chunk (``Link``)."""


class Matrix(Feedback):
    """Neurons (batch, time, units), each of which may feed each other one."""

    def choose(self, z):
        return selection.choose("recurrent neurons", z.shape, self.weights.shape)

    def step(self, spikes, weights):
        return tf.matmul(spikes, weights)

    def synapse(self, spikes):
        return matmul_synapse(spikes, self.weights)

    def transposed(self, dz):
        return tf.linalg.matmul(dz, self.weights, transpose_b=True)

    def weights_grad(self, fired, start, dz):
        native, weights = library.native(), self.weights
        choice = selection.choose("gradient of recurrent weights", fired.shape, weights.shape)
        units = tf.shape(weights, tf.int64)[0]
        rows = tf.stack([-1, units])
        dz = tf.reshape(dz, rows)
        if choice.kernel == "few units":
            before = tf.reshape(one_step_later(fired, start), rows)
            out = native.keras_slayer_few_units_matmul_weights_grad(x=before, grad=dz)
        else:
            if start is None:
                events, _ = find_events(fired, dz.dtype, 1.0, earlier=True)
            else:
                before = tf.reshape(one_step_later(fired, start), rows)
                events, _ = find_events(before, dz.dtype, 1.0)
            out = native.keras_slayer_event_matmul_weights_grad(**events, grad=dz, columns=units)
        out.set_shape(weights.shape)
        return out

    def fire(self, z, weights, neuron, start):
        return library.native().keras_slayer_recurrent_layer(
            synaptic_input=z,
            weights=weights,
            state=state.listed(start),
            **neurons.native_options(neuron),
        )

    def input_grad(self, grad_spikes, membrane, weights, neuron, later=()):
        return library.native().keras_slayer_recurrent_layer_grad(
            grad_spikes=grad_spikes,
            membrane=membrane,
            weights=weights,
            later=list(later),
            **neurons.native_gradient_options(neuron),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Convolution(Feedback):
    """Maps (batch, time, height, width, filters), whose size a convolution keeps."""

    geometry: ConvGeometry

    def choose(self, z):
        return selection.choose("recurrent neurons of maps", z.shape, self.weights.shape)

    def step(self, spikes, weights):
        return reference_conv2d(self.geometry, spikes, weights)

    def synapse(self, spikes):
        return conv2d_synapse(spikes, self.weights, **_CONVOLUTION)

    def transposed(self, dz):
        frames = self._frames(dz)
        out = dense_input_grad(self.geometry, frames, self.weights, frames)
        return tf.reshape(out, tf.shape(dz))

    def weights_grad(self, fired, start, dz):
        native, weights = library.native(), self.weights
        spikes = one_step_later(fired, start)
        choice = selection.choose(
            "gradient of recurrent weights of maps", spikes.shape, weights.shape
        )
        frames, grad = self._frames(spikes), self._frames(dz)
        options = {"weights_shape": self.geometry.weights_shape, **self.geometry.native_options}
        if choice.kernel == "frames":
            out = native.keras_slayer_frames_conv2d_weights_grad(
                frames=frames, grad=grad, **options
            )
        else:
            rows = tf.reshape(frames, [-1, math.prod(self.geometry.input_size)])
            events, _ = find_events(rows, dz.dtype, 1.0)
            out = native.keras_slayer_event_conv2d_weights_grad(**events, grad=grad, **options)
        out.set_shape(weights.shape)
        return out

    def fire(self, z, weights, neuron, start):
        return library.native().keras_slayer_recurrent_conv2d_layer(
            synaptic_input=z,
            weights=weights,
            state=state.listed(start),
            **self.geometry.native_options,
            **neurons.native_options(neuron),
        )

    def input_grad(self, grad_spikes, membrane, weights, neuron, later=()):
        return library.native().keras_slayer_recurrent_conv2d_layer_grad(
            grad_spikes=grad_spikes,
            membrane=membrane,
            weights=weights,
            later=list(later),
            **self.geometry.native_options,
            **neurons.native_gradient_options(neuron),
        )

    def _frames(self, series):
        return tf.reshape(series, [-1, *self.geometry.input_size])


def one_step_later(fired, start):
    """The spikes that each step feels: those before it."""
    if start is None:
        shape = tf.shape(fired)
        before = tf.zeros(tf.concat([shape[:1], [1], shape[2:]], axis=0), fired.dtype)
    else:
        before = tf.cast(start[:, -1:] != 0, fired.dtype)
    return tf.concat([before, fired], axis=1)[:, :-1]


def feedback_of(z, weights) -> Feedback:
    """That of these weights, checked against the synaptic input ``z``.

    Raises:
        ValueError: wrong rank, dtype or shape.
    """
    weights = tf.convert_to_tensor(weights)
    maps = weights.shape.rank == 4
    axes, rank = (
        ("(batch, time, height, width, filters)", 5) if maps else ("(batch, time, units)", 3)
    )
    if z.shape.rank != rank:
        raise ValueError(
            f"neurons that feed each other take input of the axes {axes}. "
            f"Received: synaptic_input of shape {z.shape}"
        )
    if weights.dtype != z.dtype:
        raise ValueError(
            "weights must have the dtype of the synaptic input. "
            f"Received: weights of {weights.dtype.name}, synaptic_input of {z.dtype.name}"
        )
    received = f"Received: weights of shape {weights.shape}, synaptic_input of shape {z.shape}"
    if not maps:
        if not weights.shape.is_compatible_with([z.shape[2], z.shape[2]]):
            raise ValueError(
                f"weights must be a square matrix of the units of the synaptic input. {received}"
            )
        return Matrix(weights)
    known = weights.shape.is_fully_defined() and None not in z.shape[2:]
    if not known or weights.shape[3] != z.shape[4] or z.shape[4] % max(weights.shape[2], 1) != 0:
        raise ValueError(
            "weights must have the shape (kernel height, kernel width, filters / groups, filters), "
            f"and maps a known size and as many filters. {received}"
        )
    return Convolution(weights, ConvGeometry.of(z, weights, **_CONVOLUTION))
