"""What each layer class computes, told to a walk through the model (walk.py)."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from keras_slayer import layers as spiking
from keras_slayer.export.model.float_network import Synapses, Window
from keras_slayer.export.model.walk import Handler, Walk

HANDLERS: dict[type[keras.Layer], Handler] = {}
"""By class of layer; a subclass may compute something else, and has none."""


def handles(*classes: type[keras.Layer]) -> Callable[[Handler], Handler]:
    """Registers a handler ``(layer, walk)`` for layers of exactly these classes."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(classes, handler))
        return handler

    return register


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
def _drop(layer: keras.Layer, walk: Walk) -> None:
    """Does nothing."""


@handles(spiking.Flatten)
def _flatten(layer: keras.Layer, walk: Walk) -> None:
    if _after_neurons(walk):
        walk.flatten()


@handles(keras.layers.Reshape)
def _reshape(layer: keras.Layer, walk: Walk) -> None:
    shape = walk.output_shape
    if len(shape) == 1 and shape[0] == np.prod(walk.shape) and walk.keeps_time:
        _flatten(layer, walk)
    elif not (shape == walk.shape and walk.keeps_time):
        walk.notes.add(
            f"it makes {shape} of {walk.shape}",
            "a Reshape that flattens all axes but time, or changes nothing",
            "use keras_slayer.Flatten, and give the model's input the shape that is needed",
        )


@handles(spiking.DelayLayer)
def _delay(layer: spiking.DelayLayer, walk: Walk) -> None:
    if not _after_neurons(walk):
        return
    # In float32, as the layer's forward pass divides and rounds.
    longest = walk.target.max_delay
    steps = np.floor(np.asarray(layer.delay, np.float32) / np.float32(layer.dt))
    if not (np.isfinite(steps) & (steps >= 0) & (steps <= longest)).all():
        walk.notes.add(
            f"its delays reach from {steps.min():g} to {steps.max():g} steps of {layer.dt:g} ms",
            f"0 to {longest} steps",
            f"build it with max_delay={longest * layer.dt:g} or less and train it",
        )
        return
    walk.delay(steps.astype(np.int64))


@handles(spiking.SpikingDense)
def _spiking_dense(layer: spiking.SpikingDense, walk: Walk) -> None:
    _no_bias(layer, walk)
    _connect_dense(layer, walk, *_weights(layer))
    _fire(layer, walk)


@handles(spiking.SpikingConv2D)
def _spiking_conv(layer: spiking.SpikingConv2D, walk: Walk) -> None:
    _no_bias(layer, walk)
    _connect_conv(layer, walk, *_weights(layer), layer.groups)
    _fire(layer, walk)


@handles(spiking.SpikingSumPooling2D)
def _pool(layer: spiking.SpikingSumPooling2D, walk: Walk) -> None:
    """A pool is a convolution with one group per channel and one weight for every tap."""
    channels = walk.shape[-1]
    kernel = np.full((*layer.pool_size, 1, channels), float(layer.quantized_weight()))
    _connect_conv(layer, walk, kernel, kernel, channels)
    _fire(layer, walk)


@handles(spiking.SpikingActivation)
def _activation(layer: spiking.SpikingActivation, walk: Walk) -> None:
    walk.fire(layer.neuron, None)


@handles(keras.layers.Dense)
def _dense(layer: keras.layers.Dense, walk: Walk) -> None:
    _linear(layer, walk)
    kernel = np.asarray(layer.kernel)
    _connect_dense(layer, walk, kernel, kernel)


@handles(spiking.PerStep, keras.layers.TimeDistributed)
def _time_distributed(layer: keras.layers.TimeDistributed, walk: Walk) -> None:
    inner = layer.layer
    kind = type(inner)
    if kind in PASSIVE:
        return
    if kind is keras.layers.Flatten:
        _flatten(layer, walk)
    elif kind is keras.layers.Reshape:
        _reshape(layer, walk)
    elif kind is keras.layers.Dense:
        _dense(inner, walk)
    elif kind is keras.layers.Conv2D:
        _linear(inner, walk)
        kernel = np.asarray(inner.kernel)
        _connect_conv(inner, walk, kernel, kernel, inner.groups)
    elif kind is keras.layers.DepthwiseConv2D:
        _linear(inner, walk)
        kernel = np.asarray(inner.kernel)
        height, width, channels, multiplier = kernel.shape
        kernel = kernel.reshape(height, width, 1, channels * multiplier)
        _connect_conv(inner, walk, kernel, kernel, channels)
    else:
        walk.notes.add(
            f"a {type(layer).__name__} {kind.__name__} has no counterpart on the chip",
            "Dense, Conv2D, DepthwiseConv2D, Flatten, Reshape, Dropout within PerStep",
            "replace the layer, or move it behind the last spiking layer, where the host runs it",
        )


@handles(keras.layers.BatchNormalization)
def _batch_normalization(layer: keras.layers.BatchNormalization, walk: Walk) -> None:
    """y = gamma (z - mean) / sqrt(variance + epsilon) + beta: a scale, and a shift of 0 or nothing.

    The chip could add a shift only to the voltage, and from its first step on; here it goes through
    the synaptic current, one step later in each layer.
    """
    axis = layer.axis if isinstance(layer.axis, int) else next(iter(layer.axis))
    rank = len(walk.shape) + 2
    if walk.synapses is None or axis not in (-1, rank - 1):
        walk.notes.add(
            f"it normalises axis {axis} of {'spikes' if walk.synapses is None else 'currents'}",
            "the last axis, between synapses and the neurons they end in",
            "put it between a PerStep Dense or Conv2D and a SpikingActivation",
        )
        return
    mean, variance = (
        np.asarray(value, np.float64) for value in (layer.moving_mean, layer.moving_variance)
    )
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * np.asarray(layer.gamma, np.float64)
    shift = -mean * scale
    if layer.center:
        shift = shift + np.asarray(layer.beta, np.float64)
    walk.normalise(scale, shift)
    scale = walk.target.grid.scale
    largest = float(np.abs(walk.synapses.shift).max()) * scale
    if not largest < 0.5:
        walk.notes.add(
            f"it shifts synaptic currents by up to {largest:.3g}/{scale}",
            f"less than half a unit of 1/{scale}, which rounds to nothing: the chip has no "
            "constant synaptic current",
            "fold it before training goes on: drop the layer and fine-tune, or use center=False "
            "and keep the mean at 0",
        )


@handles(keras.layers.Activation)
def _activation_function(layer: keras.layers.Activation, walk: Walk) -> None:
    _linear_activation(layer, walk)


def _after_neurons(walk: Walk) -> bool:
    if walk.synapses is None:
        return True
    walk.notes.add(
        f"it stands between the synapses of {walk.synapses.name} and their neurons",
        "BatchNormalization and Dropout there",
        "move it after the neurons",
    )
    return False


def _no_bias(layer: keras.Layer, walk: Walk) -> None:
    if layer.use_bias:
        walk.notes.add("it has a bias", "no bias", "build the layer with use_bias=False")


def _linear(layer: keras.Layer, walk: Walk) -> None:
    """A layer of Keras that adds weighted inputs and does nothing else."""
    _no_bias(layer, walk)
    _linear_activation(layer, walk)


def _linear_activation(layer: keras.Layer, walk: Walk) -> None:
    if layer.activation is not keras.activations.linear:
        walk.notes.add(
            f"its activation is {getattr(layer.activation, '__name__', layer.activation)!r}",
            "None: spiking neurons come next",
            "build it without activation",
        )


def _fire(layer: keras.Layer, walk: Walk) -> None:
    walk.fire(layer.neuron, getattr(layer.neuron, "weight_bits", None))


def _weights(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    # Not keras.ops.convert_to_numpy: NumPy 2 warns when it copies a Keras variable.
    return np.asarray(layer.kernel), np.asarray(layer.quantized_kernel())


def _connect_dense(layer: keras.Layer, walk: Walk, kernel: np.ndarray, used: np.ndarray) -> None:
    """Dense weights; on an image they act at every pixel, as a convolution with one tap does."""
    window = None
    if len(walk.shape) == 3:
        window, kernel, used = Window(), kernel[None, None], used[None, None]
    source = type(layer).__name__
    walk.connect(Synapses(walk.name, source, kernel, used, walk.output_shape, window))


def _connect_conv(
    layer: keras.Layer, walk: Walk, kernel: np.ndarray, used: np.ndarray, groups: int
) -> None:
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
    source = type(layer).__name__
    walk.connect(Synapses(walk.name, source, kernel, used, walk.output_shape, window))


def _padding(padding: str, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Zeros before and after one axis; "same" puts an odd one after."""
    if padding == "valid":
        return 0, 0
    reach = dilation * (kernel - 1) + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
