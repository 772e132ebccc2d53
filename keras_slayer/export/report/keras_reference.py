"""What a network on the chip is compared with: Keras layers with its weights, and in float."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.network import IntegerConv, IntegerDense, IntegerNetwork
from keras_slayer.export.target import Target
from keras_slayer.layers.spiking_layer import SpikingLayer


def integer_reference(network: IntegerNetwork, target: Target) -> list[keras.Layer]:
    """Keras layers that compute what ``network`` computes, spike for spike.

    Raises:
        ValueError: biases, or delays that differ from output to output, which no layer has.
    """
    result: list[keras.Layer] = []
    for layer, shape in zip(network.layers, network.shapes(), strict=False):
        if isinstance(layer, IntegerDense | IntegerConv) and layer.bias is not None:
            raise ValueError("no Keras layer of the chip's neurons has a bias")
        if isinstance(layer, IntegerDense):
            result += _dense(layer, shape, target)
        elif isinstance(layer, IntegerConv):
            result += _conv(layer, shape, target)
        else:
            result.append(spiking.Flatten())
    return result


def _dense(layer: IntegerDense, shape: tuple[int, ...], target: Target) -> list[keras.Layer]:
    dense = spiking.SpikingDense(
        layer.weight.shape[1], neuron=target.to_neuron(layer.neuron), kernel_initializer="zeros"
    )
    dense.build((None, None, *shape))
    dense.kernel.assign(layer.weight / target.grid.scale)
    if layer.delay is None:
        return [dense]
    if (layer.delay != layer.delay[:, :1]).any():
        raise ValueError("no Keras layer has a delay of its own for every synapse")
    delay = spiking.DelayLayer(per="neuron")
    delay.build((None, None, *shape))
    delay.delay.assign(layer.delay[:, 0])
    return [delay, dense]


def _conv(layer: IntegerConv, shape: tuple[int, ...], target: Target) -> list[keras.Layer]:
    height, width, channels = shape
    padded = (height + 2 * layer.padding[0], width + 2 * layer.padding[1], channels)
    conv = spiking.SpikingConv2D(
        layer.weight.shape[3],
        layer.weight.shape[:2],
        strides=layer.strides,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        neuron=target.to_neuron(layer.neuron),
        kernel_initializer="zeros",
    )
    conv.build((None, None, *padded))
    conv.kernel.assign(layer.weight / target.grid.scale)
    if not any(layer.padding):
        return [conv]
    return [keras.layers.TimeDistributed(keras.layers.ZeroPadding2D(layer.padding)), conv]


def float_reference(layers: Sequence[keras.Layer], target: Target) -> list[keras.Layer]:
    """The same layers with neurons in floating point, and weights that are not rounded."""
    return [_in_float(layer, target) for layer in layers]


def _in_float(layer: keras.Layer, target: Target) -> keras.Layer:
    if not (isinstance(layer, SpikingLayer) and isinstance(layer.neuron, target.neuron)):
        return layer
    neuron = target.to_float(layer.neuron)
    config = {**layer.get_config(), "neuron": keras.saving.serialize_keras_object(neuron)}
    result = type(layer).from_config(config)
    weights = [np.asarray(weight) for weight in layer.weights]
    if weights:
        result.build(layer.get_build_config()["input_shape"])
        result.set_weights(weights)
    return result
