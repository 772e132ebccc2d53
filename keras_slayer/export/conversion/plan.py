"""How each layer of a model becomes one for Loihi: its neuron, and the scale of its weights."""

from __future__ import annotations

import math
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
from keras_slayer.export.model.float_network import FloatPopulation
from keras_slayer.export.model.graph import HANDLERS
from keras_slayer.export.model.program import INPUT, Program
from keras_slayer.export.model.walk import Walk
from keras_slayer.export.problems import Notes, Problem
from keras_slayer.export.targets.loihi1 import TARGET
from keras_slayer.initializers import FluctuationDriven
from keras_slayer.layers import SpikingActivation, SpikingSumPooling2D
from keras_slayer.layers.recurrent_spiking_layer import RecurrentSpikingLayer
from keras_slayer.layers.spiking_layer import WeightedSpikingLayer
from keras_slayer.neurons import CUBA, SRM, LoihiCUBA, Neuron
from keras_slayer.quantization import WEIGHT_MIN, weight_max


@dataclass(eq=False)
class LayerPlan:
    """One layer of the model and how it is converted.

    Attributes:
        given: the layer of the given model.
        input_shape: with batch and time.
        neuron: its Loihi neuron; None: the layer is copied.
        scale: factor of its weights; None: no neurons have decided on it.
        rounded_to: bits to which its weights are rounded, where it is a layer of Keras that does
            not do so itself.
    """

    given: keras.Layer
    input_shape: tuple[int | None, ...]
    neuron: LoihiCUBA | None = None
    scale: float | None = None
    rounded_to: int | None = None

    @property
    def _factor(self) -> float:
        return 1.0 if self.scale is None else self.scale

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
            tap = self._factor * self.given.quantized_weight()
            config["weight"] = tap * neuron.response_kernel().max() / neuron.firing_threshold
        elif isinstance(self.given, WeightedSpikingLayer) and not self.given.kernel_initializer:
            # That of the new neuron might warn, of weights that are never used.
            initializer = FluctuationDriven(self.given.neuron)
            config["kernel_initializer"] = keras.initializers.serialize(initializer)
        return config

    def _scale(self, layer: keras.Layer) -> None:
        if isinstance(layer, keras.layers.TimeDistributed):
            layer = layer.layer
        if isinstance(layer, keras.layers.BatchNormalization) and self._factor != 1:
            layer.gamma.assign(layer.gamma * self._factor)
            if layer.center:
                layer.beta.assign(layer.beta * self._factor)
        elif self.rounded_to is not None:
            kernel = np.asarray(layer.kernel) * self._factor
            layer.kernel.assign(TARGET.grid.nearest(kernel, self.rounded_to) / TARGET.grid.scale)
            if layer.use_bias:
                layer.bias.assign(layer.bias * self._factor)
        elif isinstance(layer, WeightedSpikingLayer) and self.neuron is not None:
            # Weights beyond the range would get no gradient, and stay there.
            top = weight_max(self.neuron.weight_bits)
            kernels = [layer.kernel]
            if isinstance(layer, RecurrentSpikingLayer):
                kernels.append(layer.recurrent_kernel)
            for kernel in kernels:
                kernel.assign(np.clip(np.asarray(kernel) * self._factor, WEIGHT_MIN, top))


class _AnyNeuron(Walk):
    """Finds what the chip cannot do except for neurons, which are converted."""

    def fire(self, value, neuron: Neuron, weight_bits, bias=None, recurrent=None):
        if isinstance(neuron, SRM | CUBA):
            neuron = LoihiCUBA()
            if bias is not None:
                self.notes.add(
                    "it has a bias, which its neurons integrate as they do their input",
                    "a bias of Loihi's neurons, which acts on the voltage at once",
                    "build it with use_bias=False, or as a PerStep Dense or Conv2D with a bias and "
                    "a SpikingActivation",
                )
        elif not isinstance(neuron, LoihiCUBA):
            self.notes.add(
                f"its neuron is {type(neuron).__name__}",
                "SRM and CUBA, whose linear response the chip's neuron has; LoihiCUBA is copied",
                "build it with one of these",
            )
            neuron = LoihiCUBA()  # to see what else is wrong
        return super().fire(value, neuron, weight_bits, bias, recurrent)


def plan_conversion(
    program: Program, weight_bits: int
) -> tuple[dict[int, LayerPlan], list[Problem]]:
    """How each layer of the program is converted, and what keeps it from the chip.

    Returns:
        The plans by the ``id`` of the layer, in the order of the first calls; and the problems.
    """
    walk = _AnyNeuron(program, TARGET, HANDLERS)
    plan: dict[int, LayerPlan] = {}
    problems: list[Problem] = []
    for number in program.chip:
        step = program.steps[number]
        problems += walk.visit(number)
        if isinstance(step.operation, keras.Layer) and len(step.reads) == 1:
            shape = (None, walk.steps, *walk.shape)
            plan.setdefault(id(step.operation), LayerPlan(step.operation, shape))
    wrong = {problem.layer for problem in problems}  # nothing can be said of their scale
    for number in program.spiking:
        step = program.steps[number]
        notes = Notes(step.operation)
        population = walk.populations.get(walk.neurons.get(number))
        names = {part.synapses.name for part in population.parts} if population else set()
        if isinstance(step.operation.neuron, SRM | CUBA) and not wrong & {step.name, *names}:
            try:
                _convert(plan, program, number, population, weight_bits)
            except NoEquivalentError as error:
                notes.add(*error.args)
        problems += notes
    order = {step.operation.name: i for i, step in enumerate(program.steps)}
    return plan, sorted(problems, key=lambda problem: order[problem.layer])


def _convert(
    plan: dict[int, LayerPlan],
    program: Program,
    number: int,
    population: FloatPopulation,
    weight_bits: int,
) -> None:
    """Decides on the neuron of a spiking step, and on the scale of what reaches it."""
    layer = program.steps[number].operation
    neuron, gain = equivalent_neuron(layer.neuron, weight_bits)
    threshold = layer.neuron.firing_threshold / gain
    holders, all_scale = _weight_holders(program, number)
    kernel = _kernel(population)
    if not all_scale:
        scale = 1.0  # there are spikes among what reaches it, whose weight is 1
    elif isinstance(layer, SpikingSumPooling2D):
        window = math.prod(population.parts[0].synapses.kernel.shape[:2])
        scale = choose_pool_scale(kernel.flat[0], window, threshold, weight_bits)
    elif any(
        isinstance(holder, keras.layers.BatchNormalization) and not holder.scale
        for holder in holders
    ):
        scale = 1.0  # it makes the scale what it is
    else:
        scale = choose_scale(kernel, threshold, weight_bits)
    for holder in holders:
        own = plan[id(holder)]
        if own.scale not in (None, scale):
            raise NoEquivalentError(
                f"the weights of {holder.name!r} also lead to neurons that need another scale",
                "weights that lead to one layer of neurons",
                "give each its own weights",
            )
        own.scale = scale
        if isinstance(holder, keras.layers.Dense | keras.layers.TimeDistributed):
            own.rounded_to = weight_bits
    mantissa = threshold_mantissa(scale * threshold)
    plan[id(layer)].neuron = replace(neuron, threshold_mantissa=mantissa)


def _kernel(population: FloatPopulation) -> np.ndarray:
    """All weights with which spikes reach the neurons, (inputs, channels)."""
    rows = []
    channels = population.shape[-1]
    for part in population.parts:
        own = part.synapses.kernel.reshape(-1, part.synapses.kernel.shape[-1])
        placed = np.zeros((len(own), channels), own.dtype)
        placed[:, part.channels] = own
        gains = [term.gain for term in part.spikes.terms] or [1.0]  # none: after something wrong
        rows += [placed * gain for gain in gains]
    if population.recurrent is not None:
        rows.append(population.recurrent.kernel.reshape(-1, channels))
    return np.concatenate(rows)


def _weight_holders(program: Program, number: int) -> tuple[list[keras.Layer], bool]:
    """The layers that scale what reaches a step's neurons, and whether they scale all of it."""
    layer = program.steps[number].operation
    if not isinstance(layer, SpikingActivation):
        return [layer], True
    found, all_scale, waiting = [], True, program.steps[number].reads
    while waiting:
        ref = waiting.pop()
        step = None if ref.step == INPUT else program.steps[ref.step]
        if step is None or step.spikes:
            all_scale = False
        elif _scales(step.operation):
            found.append(step.operation)
        else:
            waiting += step.reads
    return found, all_scale


def _scales(layer: keras.Operation) -> bool:
    inner = getattr(layer, "layer", layer)  # of TimeDistributed
    return isinstance(inner, keras.layers.BatchNormalization) or hasattr(inner, "kernel")
