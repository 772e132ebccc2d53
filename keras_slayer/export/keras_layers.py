"""A network in the chip's integers as Keras layers that compute the same, spike for spike."""

from __future__ import annotations

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
)
from keras_slayer.export.problems import Problem
from keras_slayer.export.target import Target
from keras_slayer.loihi import MAX_THRESHOLD

Pair = tuple[int, int]


def keras_layers(
    network: IntegerNetwork, target: Target
) -> tuple[list[keras.Layer], list[Problem]]:
    """Built layers, and everything about ``network`` that no layer computes.

    A delay of a synapse that is the sum of one of its input and one of its output becomes a
    DelayLayer before the synapses and one after the neurons: these start at rest and do not change
    with time, so that what comes in later goes out later. Two DelayLayers in a row are one.
    """
    result: list[keras.Layer] = []
    problems: list[Problem] = []
    late = None  # steps by which the neurons of the last layer are
    for i, (layer, shape) in enumerate(zip(network.layers, network.shapes(), strict=False)):
        if isinstance(layer, IntegerFlatten):
            result.append(spiking.Flatten())
            continue
        notes = problems_of(layer, f"layer {i + 1} ({layer.type}), counted from the input", target)
        problems += notes
        if notes:
            late = None
            continue
        if isinstance(layer, IntegerConv):
            result += conv_layers(layer, shape, target)
            continue
        of_inputs, of_outputs = _delays(layer)
        if late is not None:
            of_inputs = of_inputs + late
        result += delay_layer(of_inputs, target)
        result.append(_dense(layer, shape, target))
        late = of_outputs if of_outputs.any() else None
    if late is not None:
        result += delay_layer(late, target)
    return result, problems


def problems_of(layer: IntegerDense | IntegerConv, name: str, target: Target) -> list[Problem]:
    """What no layer of ``LoihiCUBA`` neurons computes."""
    found = []
    threshold = layer.neuron.threshold_mantissa
    if threshold > MAX_THRESHOLD:
        found.append(
            Problem(
                name,
                "its neurons never spike: they add up currents, and are read for their voltage",
                "layers that spike",
                "leave the layer out of the file, and put a Dense behind the model in its place",
            )
        )
    elif threshold < 1:
        found.append(
            Problem(
                name,
                f"its threshold mantissa is {threshold}",
                f"1 to {MAX_THRESHOLD}",
                "raise it in the file",
            )
        )
    grid = target.grid
    step, high = grid.step(grid.bits), grid.high(grid.bits)
    wrong = (layer.weight % step != 0) | (layer.weight > high)
    if wrong.any():
        found.append(
            Problem(
                name,
                f"{np.count_nonzero(wrong)} of {wrong.size} weights are not on the grid that "
                f"layers train on (the first: {layer.weight[wrong][0]})",
                f"multiples of {step} from {grid.low} to {high}",
                "run the file in LoihiSimulator, or round its weights",
            )
        )
    if isinstance(layer, IntegerDense) and layer.delay is not None:
        of_inputs, of_outputs = _delays(layer)
        if (layer.delay != of_inputs[:, None] + of_outputs).any():
            found.append(
                Problem(
                    name,
                    "its delays differ from synapse to synapse",
                    "delays that are the sum of one of the input and one of the output",
                    "run the file in LoihiSimulator, or train with delays per neuron",
                )
            )
    return found


def _delays(layer: IntegerDense) -> tuple[np.ndarray, np.ndarray]:
    """Steps of each input and of each output, the latter as small as can be."""
    inputs, outputs = layer.weight.shape
    if layer.delay is None:
        return np.zeros(inputs, np.int64), np.zeros(outputs, np.int64)
    delay = layer.delay.astype(np.int64)
    of_inputs = delay.min(axis=1)
    return of_inputs, delay[0] - of_inputs[0]


def delay_layer(steps: np.ndarray, target: Target) -> list[keras.Layer]:
    """A DelayLayer, or none where there are no delays."""
    if not steps.any():
        return []
    longest = max(int(steps.max()), target.max_delay)
    delay = spiking.DelayLayer(float(longest), delay_initializer="zeros")
    delay.build((None, None, *steps.shape))
    delay.delay.assign(steps)
    return [delay]


def _dense(layer: IntegerDense, shape: tuple[int, ...], target: Target) -> keras.Layer:
    dense = spiking.SpikingDense(
        layer.weight.shape[1],
        neuron=target.to_neuron(layer.neuron),
        use_bias=layer.bias is not None,
        kernel_initializer="zeros",
    )
    return _with_weights(dense, shape, layer.weight, layer.bias, target)


def conv_layers(
    layer: IntegerConv,
    shape: tuple[int, ...],
    target: Target,
    name: str | None = None,
    loop: np.ndarray | None = None,
) -> list[keras.Layer]:
    """The convolution, where need be after a layer of zeros around the image.

    Args:
        loop: weights of a convolution, with padding "same", from its neurons to themselves.
    """
    weight, dilation, strides = layer.weight, layer.dilation, layer.strides
    if max(strides) > 1 and max(dilation) > 1:  # SpikingConv2D has one of them
        weight, dilation = undilated(weight, dilation), (1, 1)
    before: list[keras.Layer] = []
    padding, taps = _padding(weight.shape[:2], layer, shape, dilation)
    if padding is None:
        padding = "valid"
        before = [spiking.PerStep(keras.layers.ZeroPadding2D(layer.padding))]
        rows, columns = (n + 2 * p for n, p in zip(shape, layer.padding, strict=False))
        shape = (rows, columns, shape[2])
    weight = np.pad(weight, ((0, taps[0]), (0, taps[1]), (0, 0), (0, 0)))
    kind, more = spiking.SpikingConv2D, {}
    if loop is not None:
        kind, more = spiking.SpikingRecurrentConv2D, {"recurrent_kernel_size": loop.shape[:2]}
    conv = kind(
        weight.shape[3],
        weight.shape[:2],
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
        groups=layer.groups,
        neuron=target.to_neuron(layer.neuron),
        use_bias=layer.bias is not None,
        kernel_initializer="zeros",
        name=name,
        **more,
    )
    _with_weights(conv, shape, weight, layer.bias, target)
    if loop is not None:
        conv.recurrent_kernel.assign(loop / target.grid.scale)
    return [*before, conv]


def _with_weights(
    layer: keras.Layer,
    shape: tuple[int, ...],
    weight: np.ndarray,
    bias: np.ndarray | None,
    target: Target,
) -> keras.Layer:
    layer.build((None, None, *shape))
    layer.kernel.assign(weight / target.grid.scale)
    if bias is not None:
        layer.bias.assign(bias / target.grid.scale)
    return layer


def undilated(weight: np.ndarray, dilation: Pair) -> np.ndarray:
    """The kernel with zeros between its taps."""
    sides = [(k - 1) * d + 1 for k, d in zip(weight.shape, dilation, strict=False)]
    wide = np.zeros((*sides, *weight.shape[2:]), weight.dtype)
    wide[:: dilation[0], :: dilation[1]] = weight
    return wide


def _padding(
    kernel: Pair, layer: IntegerConv, image: tuple[int, ...], dilation: Pair
) -> tuple[str | None, Pair]:
    """The name of the padding, and the taps of zeros behind the kernel on both axes.

    The name is None if no padding of Keras sees the same windows.
    """
    if not any(layer.padding):
        return "valid", (0, 0)
    output = layer.output_shape(image)
    taps = tuple(
        _same(*axis)
        for axis in zip(
            image[:2], output[:2], kernel, layer.strides, layer.padding, dilation, strict=True
        )
    )
    return (None, (0, 0)) if None in taps else ("same", taps)


def _same(
    size: int, output: int, kernel: int, stride: int, padding: int, dilation: int
) -> int | None:
    """Taps of zeros behind the kernel with which "same" puts ``padding`` zeros before the image.

    "same" adds what the windows need, half of it before the image: with as many outputs never more
    than ``padding``. Each tap of zeros adds ``dilation``.
    """
    if output != -(-size // stride):
        return None
    for taps in range(2 * padding + stride + 1):
        reach = (kernel + taps - 1) * dilation + 1
        if max((output - 1) * stride + reach - size, 0) // 2 == padding:
            return taps
    return None
