"""Networks of the chip as Keras layers, and Keras layers of the chip in floating point."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.network import (
    MAX_DECAY,
    WEIGHT_SCALE,
    IntegerConv,
    IntegerDense,
    IntegerNetwork,
    IntegerNeuron,
)
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.neurons import CUBA, LoihiCUBA


def integer_twin(network: IntegerNetwork) -> list[keras.Layer]:
    """Keras layers that compute what ``network`` computes, spike for spike.

    Raises:
        ValueError: biases, or delays that differ from output to output, which no layer has.
    """
    result: list[keras.Layer] = []
    for layer, shape in zip(network.layers, network.shapes(), strict=False):
        if isinstance(layer, IntegerDense | IntegerConv) and layer.bias is not None:
            raise ValueError("no Keras layer of the chip's neurons has a bias")
        if isinstance(layer, IntegerDense):
            result += _dense(layer, shape)
        elif isinstance(layer, IntegerConv):
            result += _conv(layer, shape)
        else:
            result.append(spiking.Flatten())
    return result


def _dense(layer: IntegerDense, shape: tuple[int, ...]) -> list[keras.Layer]:
    dense = spiking.SpikingDense(
        layer.weight.shape[1], neuron=_neuron(layer.neuron), kernel_initializer="zeros"
    )
    dense.build((None, None, *shape))
    dense.kernel.assign(layer.weight / WEIGHT_SCALE)
    if layer.delay is None:
        return [dense]
    if (layer.delay != layer.delay[:, :1]).any():
        raise ValueError("no Keras layer has a delay of its own for every synapse")
    delay = spiking.DelayLayer(per="neuron")
    delay.build((None, None, *shape))
    delay.delay.assign(layer.delay[:, 0])
    return [delay, dense]


def _conv(layer: IntegerConv, shape: tuple[int, ...]) -> list[keras.Layer]:
    height, width, channels = shape
    padded = (height + 2 * layer.padding[0], width + 2 * layer.padding[1], channels)
    conv = spiking.SpikingConv2D(
        layer.weight.shape[3],
        layer.weight.shape[:2],
        strides=layer.strides,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        neuron=_neuron(layer.neuron),
        kernel_initializer="zeros",
    )
    conv.build((None, None, *padded))
    conv.kernel.assign(layer.weight / WEIGHT_SCALE)
    if not any(layer.padding):
        return [conv]
    return [keras.layers.TimeDistributed(keras.layers.ZeroPadding2D(layer.padding)), conv]


def _neuron(neuron: IntegerNeuron) -> LoihiCUBA:
    return LoihiCUBA(neuron.threshold_mantissa, neuron.current_decay, neuron.voltage_decay)


def float_twin(layers: Sequence[keras.Layer]) -> list[keras.Layer]:
    """The same layers where ``LoihiCUBA`` neurons became ``CUBA``, and weights are not rounded."""
    return [_in_float(layer) for layer in layers]


def _in_float(layer: keras.Layer) -> keras.Layer:
    if not (isinstance(layer, SpikingLayer) and layer.on_chip):
        return layer
    chip = layer.neuron
    neuron = CUBA(
        # The chip fires above its threshold, CUBA at it.
        float(np.nextafter(np.float32(chip.firing_threshold), np.float32(np.inf))),
        current_decay=chip.current_decay / MAX_DECAY,
        voltage_decay=chip.voltage_decay / MAX_DECAY,
    )
    config = {**layer.get_config(), "neuron": keras.saving.serialize_keras_object(neuron)}
    twin = type(layer).from_config(config)
    weights = [np.asarray(weight) for weight in layer.weights]
    if weights:
        twin.build(layer.get_build_config()["input_shape"])
        twin.set_weights(weights)
    return twin
