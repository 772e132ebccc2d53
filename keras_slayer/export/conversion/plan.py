"""How each layer of a model becomes one for Loihi: its neuron, and the scale of its weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from keras_slayer.export.conversion.equivalent import (
    NoEquivalentError,
    choose_pool_scale,
    choose_scale,
    equivalent_neuron,
    threshold_mantissa,
)
from keras_slayer.export.model.chain import Chain
from keras_slayer.export.model.handlers import HANDLERS
from keras_slayer.export.model.walk import Walk
from keras_slayer.export.problems import Problem
from keras_slayer.export.targets.loihi1 import TARGET
from keras_slayer.initializers import FluctuationDriven
from keras_slayer.layers import SpikingActivation, SpikingSumPooling2D
from keras_slayer.layers.spiking_layer import SpikingLayer, WeightedSpikingLayer
from keras_slayer.neurons import CUBA, SRM, LoihiCUBA, Neuron
from keras_slayer.quantization import WEIGHT_MIN, weight_max


@dataclass(eq=False)
class LayerPlan:
    """One layer of the chain and how it is converted.

    Attributes:
        given: the layer of the given model.
        input_shape: with batch and time.
        neuron: its Loihi neuron; None: the layer is copied.
        scale: factor of its weights.
        rounded_to: bits to which its weights are rounded, where it is a layer of Keras that does
            not do so itself.
    """

    given: keras.Layer
    input_shape: tuple[int | None, ...]
    neuron: LoihiCUBA | None = None
    scale: float = 1.0
    rounded_to: int | None = None

    def converted(self, threshold: int | None = None) -> keras.Layer:
        """The converted layer; ``threshold`` (mantissa) instead of that of ``neuron``."""
        config = self.given.get_config()
        if self.neuron is not None:
            neuron = self.neuron
            if threshold is not None:
                neuron = replace(neuron, threshold_mantissa=threshold)
            config.update(self._neuron_config(neuron))
        layer = type(self.given).from_config(config)
        layer.build(self.input_shape)
        layer.set_weights(self.given.get_weights())
        self._scale(layer)
        return layer

    def _neuron_config(self, neuron: LoihiCUBA) -> dict:
        config = {"neuron": keras.saving.serialize_keras_object(neuron)}
        if isinstance(self.given, SpikingSumPooling2D):
            # The same tap whatever the threshold.
            tap = self.scale * self.given.quantized_weight()
            config["weight"] = tap * neuron.response_kernel().max() / neuron.firing_threshold
        elif isinstance(self.given, WeightedSpikingLayer) and not self.given.kernel_initializer:
            # That of the new neuron might warn, of weights that are never used.
            initializer = FluctuationDriven(self.given.neuron)
            config["kernel_initializer"] = keras.initializers.serialize(initializer)
        return config

    def _scale(self, layer: keras.Layer) -> None:
        if isinstance(layer, keras.layers.TimeDistributed):
            layer = layer.layer
        if isinstance(layer, keras.layers.BatchNormalization) and self.scale != 1:
            layer.gamma.assign(layer.gamma * self.scale)
            if layer.center:
                layer.beta.assign(layer.beta * self.scale)
        elif self.rounded_to is not None:
            kernel = np.asarray(layer.kernel) * self.scale
            layer.kernel.assign(TARGET.grid.nearest(kernel, self.rounded_to) / TARGET.grid.scale)
        elif isinstance(layer, WeightedSpikingLayer) and self.neuron is not None:
            # Weights beyond the range would get no gradient, and stay there.
            kernel, top = np.asarray(layer.kernel) * self.scale, weight_max(self.neuron.weight_bits)
            layer.kernel.assign(np.clip(kernel, WEIGHT_MIN, top))


class _AnyNeuron(Walk):
    """Finds what the chip cannot do except for neurons, which are converted."""

    def fire(self, neuron: Neuron, weight_bits: int | None) -> None:
        if isinstance(neuron, SRM | CUBA):
            neuron = LoihiCUBA()
        elif not isinstance(neuron, LoihiCUBA):
            self.notes.add(
                f"its neuron is {type(neuron).__name__}",
                "SRM and CUBA, whose linear response the chip's neuron has; LoihiCUBA is copied",
                "build it with one of these",
            )
            neuron = LoihiCUBA()  # to see what else is wrong
        super().fire(neuron, weight_bits)


def plan_conversion(chain: Chain, weight_bits: int) -> tuple[list[LayerPlan], list[Problem]]:
    """How each layer of the chain is converted, and what keeps the chain from the chip."""
    walk = _AnyNeuron(chain.input_shape, TARGET, HANDLERS)
    plan: list[LayerPlan] = []
    problems: list[Problem] = []
    begin = 0  # after the last neurons
    for given in chain.layers:
        layer = LayerPlan(given, (None, chain.input_shape[1], *walk.shape))
        plan.append(layer)
        notes = walk.visit(given)
        if isinstance(given, SpikingLayer):
            if not notes and isinstance(given.neuron, SRM | CUBA):
                try:
                    _convert(plan[begin:], walk.layers[-1].synapses.kernel, weight_bits)
                except NoEquivalentError as error:
                    notes.add(*error.args)
            begin = len(plan)
        problems += notes
    return plan, problems + walk.finish(chain.layers[-1])


def _convert(layers: Sequence[LayerPlan], kernel: np.ndarray, weight_bits: int) -> None:
    """Decides on neuron and scale.

    Args:
        layers: from after the last neurons to the next ones.
        kernel: the weights with which spikes reach these.
        weight_bits: of the chip's weights.
    """
    last = layers[-1]
    neuron, gain = equivalent_neuron(last.given.neuron, weight_bits)
    threshold = last.given.neuron.firing_threshold / gain
    holder = _weight_holder(layers)
    if isinstance(holder.given, SpikingSumPooling2D):
        scale = choose_pool_scale(
            kernel.flat[0], math.prod(kernel.shape[:2]), threshold, weight_bits
        )
    elif isinstance(holder.given, keras.layers.BatchNormalization) and not holder.given.scale:
        scale = 1.0  # it makes the scale what it is
    else:
        scale = choose_scale(kernel, threshold, weight_bits)
    holder.scale = scale
    if isinstance(holder.given, keras.layers.Dense | keras.layers.TimeDistributed):
        holder.rounded_to = weight_bits
    last.neuron = replace(neuron, threshold_mantissa=threshold_mantissa(scale * threshold))


def _weight_holder(layers: Sequence[LayerPlan]) -> LayerPlan:
    """The layer that scales what reaches the neurons of the last one."""
    if not isinstance(layers[-1].given, SpikingActivation):
        return layers[-1]
    return next(layer for layer in reversed(layers) if _scales(layer.given))


def _scales(layer: keras.Layer) -> bool:
    inner = getattr(layer, "layer", layer)  # of TimeDistributed
    return isinstance(inner, keras.layers.BatchNormalization) or hasattr(inner, "kernel")
