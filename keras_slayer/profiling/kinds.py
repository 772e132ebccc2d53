"""What the layers compute that are known: their synapses and neurons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from keras_slayer import encoders
from keras_slayer.layers import (
    DelayLayer,
    Flatten,
    SpikingActivation,
    SpikingConv2D,
    SpikingDense,
    SpikingRecurrentConv2D,
    SpikingRecurrentDense,
    SpikingSumPooling2D,
    TemporalFilter,
    WinnerTakeAll,
)
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.ops import spike_conv2d, sum_pool2d
from keras_slayer.profiling import standard
from keras_slayer.profiling.standard import NotCountedError, after_first_step
from keras_slayer.profiling.synapses import Synapses, of_linear, of_matrix, of_taps


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        layer: it.
        inputs: the first argument.
        outputs: what it returned, without its state.
        options: the arguments with names.
    """

    layer: keras.layers.Layer
    inputs: object
    outputs: object
    options: dict


Rule = Callable[[Call], list[Synapses]]
"""The synapses that a call used.

Raises:
    NotCountedError: with the reason, where they cannot be known.
"""


def _none(_call: Call) -> list[Synapses]:
    return []


def _dense(call: Call) -> list[Synapses]:
    kernel = np.asarray(call.layer.quantized_kernel())
    return [Synapses("kernel", call.inputs, (call.inputs.shape.rank - 1,), kernel, of_matrix)]


def _recurrent(call: Call) -> list[Synapses]:
    kernel = np.asarray(call.layer.quantized_recurrent_kernel())
    recurrent = after_first_step("recurrent_kernel", call, kernel)
    return [*_dense(call), recurrent]


def _conv2d(call: Call) -> list[Synapses]:
    layer = call.layer

    def apply(frame, kernel):
        return spike_conv2d(
            frame[None],
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilations=layer.dilation_rate,
        )

    kernel = np.asarray(layer.quantized_kernel())
    return [Synapses("kernel", call.inputs, (2, 3, 4), kernel, of_linear(apply))]


def _recurrent_conv2d(call: Call) -> list[Synapses]:
    def apply(frame, kernel):
        return spike_conv2d(frame[None], kernel, padding="same")

    kernel = np.asarray(call.layer.quantized_recurrent_kernel())
    return [
        *_conv2d(call),
        after_first_step("recurrent_kernel", call, kernel, of_linear(apply)),
    ]


def _sum_pool2d(call: Call) -> list[Synapses]:
    """One weight, which no variable holds, for every input of every window."""
    layer = call.layer

    def apply(frame, kernel):
        options = {"strides": layer.strides, "padding": layer.padding}
        return sum_pool2d(frame[None], layer.pool_size, **options) * kernel

    kernel = np.asarray(layer.quantized_weight())
    return [Synapses("weight", call.inputs, (2, 3, 4), kernel, of_linear(apply), stored=False)]


def _filter(call: Call) -> list[Synapses]:
    layer = call.layer
    if layer.neuron is not None:
        return []  # the linear step of a neuron, no taps
    if call.options.get("initial_state") is not None:
        raise NotCountedError("it was given a state: inputs from before are not to be seen")
    taps = np.asarray(layer.kernel if layer.learnable else layer.taps)
    return [Synapses("kernel", call.inputs, (1,), taps, of_taps, stored=layer.learnable)]


OWN: dict[type, Rule] = {
    SpikingDense: _dense,
    SpikingRecurrentDense: _recurrent,
    SpikingConv2D: _conv2d,
    SpikingRecurrentConv2D: _recurrent_conv2d,
    SpikingSumPooling2D: _sum_pool2d,
    SpikingActivation: _none,
    TemporalFilter: _filter,
    DelayLayer: _none,
    WinnerTakeAll: _none,
    Flatten: _none,
    encoders.DeltaEncoder: _none,
    encoders.LatencyEncoder: _none,
    encoders.PopulationEncoder: _none,
    encoders.RateEncoder: _none,
}
KINDS: dict[type, Rule] = {**dict.fromkeys(standard.WITHOUT, _none), **standard.RULES, **OWN}

METHODS = ("call", "advance", "synaptic_input")
"""What a layer computes. A subclass that has its own is another kind."""


def rule_of(layer: keras.layers.Layer) -> Rule | None:
    """How the synapses of ``layer`` are counted; None for a layer of an unknown kind."""
    for kind in type(layer).__mro__:
        if kind in KINDS:
            same = all(
                getattr(type(layer), name, None) is getattr(kind, name, None) for name in METHODS
            )
            return KINDS[kind] if same else None
    return None


def has_synapses(layer: keras.layers.Layer) -> bool:
    """Whether there may be something to count: a kind without weights need not be watched."""
    return rule_of(layer) is not _none


def has_neurons(layer: keras.layers.Layer) -> bool:
    """Whether each output is that of a neuron, whose state changes at every step."""
    return isinstance(layer, SpikingLayer) or (
        isinstance(layer, TemporalFilter) and layer.neuron is not None
    )


def has_activations(layer: keras.layers.Layer) -> bool:
    """Whether the outputs are spikes of neurons, or those of an activation function."""
    if isinstance(layer, (SpikingLayer, *standard.ACTIVATIONS)):
        return True
    return getattr(layer, "activation", None) not in (None, keras.activations.linear)
