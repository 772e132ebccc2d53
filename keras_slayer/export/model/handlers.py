"""What each layer class computes (walk.py calls these)."""

from __future__ import annotations

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.model import values
from keras_slayer.export.model.float_network import Spikes, Synapses, Window
from keras_slayer.export.model.registry import handles
from keras_slayer.export.model.values import Current, Value
from keras_slayer.export.model.walk import Walk

PASSIVE = (  # at inference these do nothing
    keras.layers.InputLayer,
    keras.layers.Identity,
    keras.layers.ActivityRegularization,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)


@handles(*PASSIVE)
def _drop(layer: keras.Layer, walk: Walk) -> Value:
    return walk.value


@handles(spiking.Flatten)
def _flatten(layer: keras.Layer, walk: Walk) -> Value | None:
    spikes = walk.spikes()
    return None if spikes is None else values.reshaped(spikes, walk.output_shape)


@handles(keras.layers.Reshape)
def _reshape(layer: keras.Layer, walk: Walk) -> Value | None:
    shape = walk.output_shape
    if shape == walk.shape and walk.keeps_time:
        return walk.value
    if len(shape) == 1 and shape[0] == np.prod(walk.shape) and walk.keeps_time:
        return _flatten(layer, walk)
    walk.notes.add(
        f"it makes {shape} of {walk.shape}",
        "a Reshape that flattens all axes but time, or changes nothing",
        "use keras_slayer.Flatten, and give the model's input the shape that is needed",
    )
    return None


@handles(spiking.DelayLayer)
def _delay(layer: spiking.DelayLayer, walk: Walk) -> Value | None:
    spikes = walk.spikes()
    if spikes is None:
        return None
    longest = walk.target.max_delay
    steps = np.floor(layer.delay_in_steps)
    if not (np.isfinite(steps) & (steps >= 0) & (steps <= longest)).all():
        walk.notes.add(
            f"its delays reach from {steps.min():g} to {steps.max():g} steps of {layer.dt:g} ms",
            f"0 to {longest} steps",
            f"build it with max_delay={longest * layer.dt:g} or less and train it",
        )
        return spikes
    return values.delayed(spikes, steps.astype(np.int64))


@handles(spiking.SpikingDense)
def _spiking_dense(layer: spiking.SpikingDense, walk: Walk) -> Value:
    return _fire(layer, walk, _connect_dense(layer, walk, *_weights(layer)))


@handles(spiking.SpikingRecurrentDense)
def _spiking_recurrent_dense(layer: spiking.SpikingRecurrentDense, walk: Walk) -> Value:
    current = _connect_dense(layer, walk, *_weights(layer))
    kernel = np.asarray(layer.recurrent_kernel)
    used = np.asarray(layer.quantized_recurrent_kernel())
    own = Synapses(walk.name, type(layer).__name__, kernel, used, walk.output_shape)
    return _fire(layer, walk, current, own)


@handles(spiking.SpikingRecurrentConv2D)
def _spiking_recurrent_conv(layer: spiking.SpikingRecurrentConv2D, walk: Walk) -> Value:
    current = _connect_conv(layer, walk, *_weights(layer), layer.groups)
    kernel = np.asarray(layer.recurrent_kernel)
    used = np.asarray(layer.quantized_recurrent_kernel())
    shape = walk.output_shape
    sides = zip(shape[:2], kernel.shape[:2], strict=True)
    window = Window(padding=tuple(_padding("same", *side, 1, 1) for side in sides))
    own = Synapses(walk.name, type(layer).__name__, kernel, used, shape, window)
    return _fire(layer, walk, current, own)


@handles(spiking.SpikingConv2D)
def _spiking_conv(layer: spiking.SpikingConv2D, walk: Walk) -> Value:
    return _fire(layer, walk, _connect_conv(layer, walk, *_weights(layer), layer.groups))


@handles(spiking.SpikingSumPooling2D)
def _pool(layer: spiking.SpikingSumPooling2D, walk: Walk) -> Value:
    """A pool is a convolution with one group per channel and one weight for every tap."""
    channels = walk.shape[-1]
    kernel = np.full((*layer.pool_size, 1, channels), float(layer.quantized_weight()))
    return _fire(layer, walk, _connect_conv(layer, walk, kernel, kernel, channels))


@handles(spiking.SpikingActivation)
def _activation(layer: spiking.SpikingActivation, walk: Walk) -> Value:
    return walk.fire(walk.value, layer.neuron, None)


@handles(keras.layers.Dense)
def _dense(layer: keras.layers.Dense, walk: Walk) -> Value:
    kernel = np.asarray(layer.kernel)
    return _linear(layer, walk, _connect_dense(layer, walk, kernel, kernel))


def _conv(layer: keras.layers.Conv2D, walk: Walk) -> Value:
    kernel = np.asarray(layer.kernel)
    return _linear(layer, walk, _connect_conv(layer, walk, kernel, kernel, layer.groups))


def _depthwise_conv(layer: keras.layers.DepthwiseConv2D, walk: Walk) -> Value:
    kernel = np.asarray(layer.kernel)
    height, width, channels, multiplier = kernel.shape
    kernel = kernel.reshape(height, width, 1, channels * multiplier)
    return _linear(layer, walk, _connect_conv(layer, walk, kernel, kernel, channels))


def _zero_padding(layer: keras.layers.ZeroPadding2D, walk: Walk) -> Value | None:
    spikes = walk.spikes()
    if spikes is None or getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    (top, _), (left, _) = layer.padding
    return values.padded(spikes, walk.output_shape, top, left)


_PER_STEP = {
    keras.layers.Flatten: _flatten,
    keras.layers.Reshape: _reshape,
    keras.layers.Dense: _dense,
    keras.layers.Conv2D: _conv,
    keras.layers.DepthwiseConv2D: _depthwise_conv,
    keras.layers.ZeroPadding2D: _zero_padding,
    **dict.fromkeys(PASSIVE, _drop),
}
"""What can be within a PerStep."""


@handles(spiking.PerStep, keras.layers.TimeDistributed)
def _time_distributed(layer: keras.layers.TimeDistributed, walk: Walk) -> Value | None:
    kind = type(layer.layer)
    if kind in _PER_STEP:
        return _PER_STEP[kind](layer.layer, walk)
    walk.notes.add(
        f"a {type(layer).__name__} {kind.__name__} has no counterpart on the chip",
        "Dense, Conv2D, DepthwiseConv2D, ZeroPadding2D, Flatten, Reshape, Dropout within PerStep",
        "replace the layer, or move it behind the last spiking layer, where the host runs it",
    )
    return None


@handles(keras.layers.BatchNormalization)
def _batch_normalization(layer: keras.layers.BatchNormalization, walk: Walk) -> Value | None:
    """y = gamma (z - mean) / sqrt(variance + epsilon) + beta: a scale and a constant current."""
    axis = layer.axis if isinstance(layer.axis, int) else next(iter(layer.axis))
    rank = len(walk.shape) + 2
    current = walk.value
    if isinstance(current, Spikes) or axis not in (-1, rank - 1):
        walk.notes.add(
            f"it normalises axis {axis} of "
            f"{'spikes' if isinstance(current, Spikes) else 'currents'}",
            "the last axis, between synapses and the neurons they end in",
            "put it between a PerStep Dense or Conv2D and a SpikingActivation",
        )
        return None
    mean, variance = (
        np.asarray(value, np.float64) for value in (layer.moving_mean, layer.moving_variance)
    )
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * np.asarray(layer.gamma, np.float64)
    shift = -mean * scale
    if layer.center:
        shift = shift + np.asarray(layer.beta, np.float64)
    return values.shifted(values.scaled(current, scale), shift)


@handles(keras.layers.Activation)
def _activation_function(layer: keras.layers.Activation, walk: Walk) -> Value:
    _linear_activation(layer, walk)
    return walk.value


def _linear(layer: keras.layers.Layer, walk: Walk, current: Current) -> Current:
    """A layer of Keras that adds weighted inputs and a bias, and does nothing else."""
    _linear_activation(layer, walk)
    if not layer.use_bias:
        return current
    return values.shifted(current, np.asarray(layer.bias, np.float64))


def _linear_activation(layer: keras.layers.Layer, walk: Walk) -> None:
    if layer.activation is not keras.activations.linear:
        walk.notes.add(
            f"its activation is {getattr(layer.activation, '__name__', layer.activation)!r}",
            "None: spiking neurons come next",
            "build it without activation",
        )


def _fire(
    layer: keras.Layer, walk: Walk, current: Current, recurrent: Synapses | None = None
) -> Spikes:
    bits = getattr(layer.neuron, "weight_bits", None)
    bias = None
    if getattr(layer, "use_bias", False):
        bias = np.asarray(layer.quantized_bias(), np.float64)
        trained = np.asarray(layer.bias, np.float64)
        bias = np.where(np.isfinite(trained), bias, trained)  # which is refused, not clipped
    return walk.fire(current, layer.neuron, bits, bias, recurrent)


def _weights(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    # Not keras.ops.convert_to_numpy: NumPy 2 warns when it copies a Keras variable.
    return np.asarray(layer.kernel), np.asarray(layer.quantized_kernel())


def _connect_dense(layer: keras.Layer, walk: Walk, kernel: np.ndarray, used: np.ndarray) -> Current:
    """Dense weights; on an image they act at every pixel, as a convolution with one tap does."""
    window = None
    if len(walk.shape) == 3:
        window, kernel, used = Window(), kernel[None, None], used[None, None]
    return walk.connect(type(layer).__name__, kernel, used, window)


def _connect_conv(
    layer: keras.Layer, walk: Walk, kernel: np.ndarray, used: np.ndarray, groups: int
) -> Current:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        walk.notes.add(
            f"its data_format is {layer.data_format!r}", "'channels_last'", "build it with that"
        )
    strides = _pair(layer.strides)
    dilation = _pair(getattr(layer, "dilation_rate", 1))
    padding = tuple(
        _padding(layer.padding, *axis)
        for axis in zip(walk.shape[:2], kernel.shape[:2], strides, dilation, strict=True)
    )
    window = Window(strides, padding, dilation, int(groups))
    return walk.connect(type(layer).__name__, kernel, used, window)


def _padding(padding: str, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Zeros before and after one axis; "same" puts an odd one after."""
    if padding == "valid":
        return 0, 0
    reach = dilation * (kernel - 1) + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
