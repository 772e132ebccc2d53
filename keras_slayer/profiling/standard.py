"""The synapses of Keras' own layers."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from keras_slayer.profiling.synapses import Synapses, of_linear, of_matrix


class NotCountedError(Exception):
    """The synapses of a call cannot be known; the message says why."""


def _named(*names: str) -> tuple[type, ...]:
    """Those that the installed Keras has."""
    return tuple(getattr(layers, name) for name in names if hasattr(layers, name))


def _numbered(*names: str) -> tuple[type, ...]:
    """The same for one to three dimensions."""
    return _named(*(f"{name}{dims}D" for name in names for dims in (1, 2, 3)))


ACTIVATIONS = _named("ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax")
WITHOUT = (
    *ACTIVATIONS,
    *_named("Activation", "ActivityRegularization", "Identity", "Masking"),
    *_named("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"),
    *_named("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise"),
    *_named("Flatten", "Permute", "RepeatVector", "Reshape"),
    *_named("BatchNormalization", "GroupNormalization", "LayerNormalization"),
    *_named("Normalization", "RMSNormalization", "Rescaling", "UnitNormalization"),
    *_named("Embedding"),  # looks rows up
    *_numbered("AveragePooling", "GlobalAveragePooling", "GlobalMaxPooling", "MaxPooling"),
    *_numbered("AdaptiveAveragePooling", "AdaptiveMaxPooling"),
    *_numbered("Cropping", "SpatialDropout", "UpSampling", "ZeroPadding"),
)
"""Layers without weights that their inputs are summed with. What normalisations and pools compute
is no synaptic operation."""
ATTENTION = _named("GroupQueryAttention", "MultiHeadAttention")
"""Layers that hold others, and multiply the outputs of these with each other."""


def _after_batch(call) -> tuple[int, ...]:
    return tuple(range(1, call.inputs.shape.rank))


def _dense(call) -> list[Synapses]:
    _refuse_quantized(call.layer)
    kernel = np.asarray(call.layer.kernel)
    return [Synapses("kernel", call.inputs, (call.inputs.shape.rank - 1,), kernel, of_matrix)]


def _einsum(call) -> list[Synapses]:
    layer = call.layer
    _refuse_quantized(layer)

    def apply(inputs, kernel):
        return keras.ops.einsum(layer.equation, inputs, kernel)

    kernel = np.asarray(layer.kernel)
    return [Synapses("kernel", call.inputs, _after_batch(call), kernel, of_linear(apply))]


def _refuse_quantized(layer) -> None:
    if getattr(layer, "quantization_mode", None) is not None:
        raise NotCountedError(f"its weights are quantised by Keras ({layer.quantization_mode})")


def _conv(call) -> list[Synapses]:
    layer = call.layer

    def apply(inputs, kernel):
        padding = layer.padding
        if padding == "causal":  # of Conv1D alone
            steps = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
            last = layer.data_format == "channels_last"
            around = [[0, 0], [steps, 0], [0, 0]] if last else [[0, 0], [0, 0], [steps, 0]]
            inputs, padding = keras.ops.pad(inputs, around), "valid"
        return keras.ops.conv(inputs, kernel, **{**_window(layer), "padding": padding})

    kernel = np.asarray(layer.kernel)
    return [Synapses("kernel", call.inputs, _after_batch(call), kernel, of_linear(apply))]


def _conv_transpose(call) -> list[Synapses]:
    layer = call.layer

    def apply(inputs, kernel):
        return keras.ops.conv_transpose(
            inputs, kernel, output_padding=layer.output_padding, **_window(layer)
        )

    kernel = np.asarray(layer.kernel)
    return [Synapses("kernel", call.inputs, _after_batch(call), kernel, of_linear(apply))]


def _depthwise_conv(call) -> list[Synapses]:
    layer = call.layer

    def apply(inputs, kernel):
        return keras.ops.depthwise_conv(inputs, kernel, **_window(layer))

    kernel = np.asarray(layer.kernel)
    return [Synapses("kernel", call.inputs, _after_batch(call), kernel, of_linear(apply))]


def _separable_conv(call) -> list[Synapses]:
    layer = call.layer

    def depthwise(inputs, kernel):
        return keras.ops.depthwise_conv(inputs, kernel, **_window(layer))

    def pointwise(inputs, kernel):
        return keras.ops.conv(inputs, kernel, data_format=layer.data_format)

    places = _after_batch(call)
    between = depthwise(call.inputs, keras.ops.cast(layer.depthwise_kernel, call.inputs.dtype))
    maps = (
        ("depthwise_kernel", call.inputs, layer.depthwise_kernel, depthwise),
        ("pointwise_kernel", between, layer.pointwise_kernel, pointwise),
    )
    return [
        Synapses(name, inputs, places, np.asarray(kernel), of_linear(apply))
        for name, inputs, kernel, apply in maps
    ]


def _window(layer) -> dict:
    return {
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation_rate": layer.dilation_rate,
        "data_format": layer.data_format,
    }


def _rnn(call) -> list[Synapses]:
    """Products of inputs and of the last outputs; what gates do to each other is not among them."""
    layer = call.layer
    if not layer.return_sequences:
        raise NotCountedError("its states are not to be seen: needs return_sequences=True")
    if layer.stateful or any(call.options.get(n) is not None for n in ("initial_state", "mask")):
        raise NotCountedError("it was given a state or a mask")
    cell = layer.cell
    kernel, recurrent = np.asarray(cell.kernel), np.asarray(cell.recurrent_kernel)
    return [
        Synapses("kernel", call.inputs, (2,), kernel, of_matrix),
        after_first_step("recurrent_kernel", call, recurrent),
    ]


def after_first_step(name: str, call, kernel: np.ndarray, fan_out=of_matrix) -> Synapses:
    """Synapses from the outputs (batch, time, ...) to the next step, from rest.

    A dense product runs at every step, the first too, whose input is zero.
    """
    if call.options.get("initial_state") is not None:
        raise NotCountedError("it was given a state: outputs from before are not to be seen")
    batch, steps, *places = call.outputs.shape
    places = tuple(range(2, 2 + len(places)))
    return Synapses(name, call.outputs[:, :-1], places, kernel, fan_out, calls=batch * steps)


RULES = {
    layers.Dense: _dense,
    layers.EinsumDense: _einsum,
    **dict.fromkeys(_numbered("Conv"), _conv),
    **dict.fromkeys(
        _named("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _conv_transpose
    ),
    **dict.fromkeys(_named("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise_conv),
    **dict.fromkeys(_named("SeparableConv1D", "SeparableConv2D"), _separable_conv),
    **dict.fromkeys(_named("GRU", "LSTM", "SimpleRNN"), _rnn),
}
