"""What a network on the chip is compared with: Keras' ops with its weights, and in float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import ops
from keras_slayer.export.graph import (
    ConvSynapses,
    IntegerGraph,
    Population,
    Synapses,
)
from keras_slayer.export.simulation.reference import Neurons
from keras_slayer.export.target import Target
from keras_slayer.layers.spiking_layer import SpikingLayer


def integer_reference(
    network: IntegerGraph, target: Target, inputs: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """The spikes of all populations by name, computed by the ops that Keras' layers use.

    Args:
        inputs: spikes (samples, time, ...) of each input of the network.
    """
    known = {
        name: tf.convert_to_tensor(x, tf.float32)
        for name, x in zip(network.inputs, inputs, strict=True)
    }
    series = inputs[0].shape[:2]
    for name, population in network.populations.items():
        z = tf.zeros((*series, *population.shape))
        own = None
        for connection in population.connections:
            if connection.source == name:
                own = connection.synapses
            else:
                z += _synaptic_input(connection.synapses, known[connection.source], z.shape, target)
        known[name] = _fire(population, z, own, target)
    return {name: np.asarray(known[name]) for name in network.populations}


def _synaptic_input(synapses: Synapses, spikes: tf.Tensor, shape, target: Target) -> tf.Tensor:
    """What comes in, in units of the float weights; exact in float32."""
    weight = tf.constant(synapses.weight / target.grid.scale, tf.float32)
    if isinstance(synapses, ConvSynapses):
        (vertical, horizontal), pairs = synapses.padding, (synapses.strides, synapses.dilation)
        pad = [(0, 0), (0, 0), (vertical, vertical), (horizontal, horizontal), (0, 0)]
        strides, dilations = (tuple(map(int, pair)) for pair in pairs)
        return ops.spike_conv2d(
            tf.pad(spikes, pad), weight, strides=strides, padding="valid", dilations=dilations
        )
    spikes = tf.reshape(spikes, (*spikes.shape[:2], -1))
    steps = spikes.shape[1]
    delays = [0] if synapses.delay is None else np.unique(synapses.delay).tolist()
    z = tf.zeros((*spikes.shape[:2], weight.shape[1]))
    for delay in delays:
        of = 1.0 if synapses.delay is None else (synapses.delay == delay).astype(np.float32)
        late = tf.pad(spikes[:, : max(steps - delay, 0)], [(0, 0), (min(delay, steps), 0), (0, 0)])
        z += ops.spike_matmul(late, weight * of)
    return tf.reshape(z, shape)


def _fire(population: Population, z: tf.Tensor, own: Synapses | None, target: Target) -> tf.Tensor:
    if own is not None and (own.delay is None or np.any(own.delay != 1)):
        raise ValueError("a population that feeds itself does so a step later, in Keras")
    if population.bias is not None:
        return _fire_with_bias(population, z, own, target)
    neuron = target.to_neuron(population.neuron)
    if own is None:
        return tf.cast(ops.fire(z, neuron)[0], tf.float32)
    weight = tf.constant(own.weight / target.grid.scale, tf.float32)
    return tf.cast(ops.fire_recurrent(z, weight, neuron)[0], tf.float32)


def _fire_with_bias(
    population: Population, z: tf.Tensor, own: Synapses | None, target: Target
) -> tf.Tensor:
    """In NumPy, step by step: no op of the package has biases of the voltage."""
    z = np.array(z)
    if own is not None:
        own = replace(own, delay=0 if isinstance(own, ConvSynapses) else None)
    neurons = Neurons(population.neuron, (len(z), *population.shape), population.bias)
    spikes, arriving = np.zeros_like(z), np.zeros(z[:, 0].shape, np.int64)
    for t in range(z.shape[1]):
        spikes[:, t] = neurons.step(arriving)[0]
        if own is not None and t:  # what the last step's spikes bring
            last = tf.constant(spikes[:, t - 1 : t])
            z[:, t] += np.asarray(_synaptic_input(own, last, z[:, t : t + 1].shape, target))[:, 0]
        arriving = np.rint(z[:, t] * target.grid.scale).astype(np.int64)
    return tf.constant(spikes)


def float_reference(layers: Sequence[keras.Operation], target: Target) -> dict[int, keras.Layer]:
    """By the ``id`` of a layer of the chip's neurons, the same with neurons in floating point and
    weights that are not rounded."""
    return {
        id(layer): _in_float(layer, target)
        for layer in layers
        if isinstance(layer, SpikingLayer) and isinstance(layer.neuron, target.neuron)
    }


def _in_float(layer: SpikingLayer, target: Target) -> keras.Layer:
    neuron = target.to_float(layer.neuron)
    config = {**layer.get_config(), "neuron": keras.saving.serialize_keras_object(neuron)}
    result = type(layer).from_config(config)
    weights = [np.asarray(weight) for weight in layer.weights]
    if weights:
        result.build(layer.get_build_config()["input_shape"])
        result.set_weights(weights)
    return result
