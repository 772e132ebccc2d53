"""A Keras model as layers of Xylo neurons. The only place that knows how models are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from keras_slayer.export.model.float_network import FloatPopulation
from keras_slayer.export.model.graph import HANDLERS
from keras_slayer.export.model.program import Program
from keras_slayer.export.model.read_program import read_program
from keras_slayer.export.model.walk import Walk
from keras_slayer.export.problems import Notes, Problem
from keras_slayer.export.samples import Recordings, batches
from keras_slayer.export.weight_grid import WeightGrid
from keras_slayer.export.xylo.chip import MIN_WEIGHT, WEIGHT_BITS, WEIGHT_SCALE
from keras_slayer.export.xylo.layers import XyloDense, XyloRecurrentDense
from keras_slayer.export.xylo.neuron import XyloLIF
from keras_slayer.layers import (
    DelayLayer,
    SpikingConv2D,
    SpikingDense,
    SpikingRecurrentDense,
    SpikingSumPooling2D,
)
from keras_slayer.layers.spiking_layer import SpikingLayer


@dataclass(frozen=True, eq=False)
class Layer:
    """Synapses and their neurons.

    Attributes:
        name: of the Keras layer.
        trained, used: float weights (inputs, neurons), as stored and as in the forward pass.
        recurrent, recurrent_used: the same of the neurons among each other, or None.
        neuron: of all of them.
    """

    name: str
    trained: np.ndarray
    used: np.ndarray
    recurrent: np.ndarray | None
    recurrent_used: np.ndarray | None
    neuron: XyloLIF


@dataclass(frozen=True, eq=False)
class ReadModel:
    """A model up to its last layer with neurons.

    Attributes:
        layers: those with neurons, in order.
        host: the names of what comes after them, and runs on the host.
    """

    layers: tuple[Layer, ...]
    host: tuple[str, ...]
    _program: Program

    def batches(self, data: Recordings) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """(spikes, labels or None) of each batch of ``data``, checked."""
        shapes = {name: tuple(shape[2:]) for name, shape in self._program.inputs.items()}
        for (spikes,), labels in batches(data, shapes):
            yield spikes, labels

    def spikes(self, x: np.ndarray) -> np.ndarray:
        """Of the last neurons, in Keras: float32 (batch, time, outputs)."""
        return self._program.spikes([x])[-1]


class _Reads:
    """What a ``Walk`` asks of a chip (``export.target.Target`` has it, and much of Loihi)."""

    neuron = XyloLIF
    grid = WeightGrid(WEIGHT_SCALE, MIN_WEIGHT, WEIGHT_BITS)
    max_delay = 0


_HANDLERS = {
    **{
        kind: handler
        for kind, handler in HANDLERS.items()
        if kind not in (DelayLayer, SpikingConv2D, SpikingSumPooling2D)
    },
    XyloDense: HANDLERS[SpikingDense],
    XyloRecurrentDense: HANDLERS[SpikingRecurrentDense],
}


def read_model(model: keras.Model) -> tuple[ReadModel | None, list[Problem]]:
    """What ``model`` computes on the chip, and everything about it that cannot be read."""
    program, problems = read_program(model)
    if problems:
        return None, problems
    problems = [problem for layer in program.layers for problem in _wrong_neuron(layer)]
    known = {problem.layer for problem in problems}  # the walk would speak of Loihi's neuron
    walk = Walk(program, _Reads, _HANDLERS)
    for number in program.chip:
        problems += [problem for problem in walk.visit(number) if problem.layer not in known]
    layers, before = [], next(iter(program.inputs))
    for population in walk.populations.values():
        problems += _not_in_line(population, before)
        before = population.name
        synapses, own = population.parts[0].synapses, population.recurrent
        layers.append(
            Layer(
                population.name,
                synapses.kernel,
                synapses.used,
                None if own is None else own.kernel,
                None if own is None else own.used,
                population.neuron,
            )
        )
    if len(program.inputs) > 1 or len(program.results) > 1:
        notes = Notes(model)
        notes.add(
            f"the model has {len(program.inputs)} inputs and {len(program.results)} outputs",
            "one of each",
            "export the part with one input and one output",
        )
        problems += notes
    host = tuple(program.steps[i].name for i in program.host)
    return ReadModel(tuple(layers), host, program), problems


def _not_in_line(population: FloatPopulation, before: str) -> Notes:
    """What keeps a population from being the next of a row of dense layers."""
    notes = Notes(population)
    terms = [term for part in population.parts for term in part.spikes.terms]
    if len(terms) > 1 or (terms and terms[0].source != before):
        notes.add(
            f"it reads {', '.join(repr(term.source) for term in terms)}, not {before!r} alone",
            "layers in a row",
            "remove the branches",
        )
    if population.parts[0].synapses.window is not None:
        notes.add(
            "it acts on images, pixel by pixel",
            "dense synapses",
            "put a keras_slayer.Flatten before it, and SpikingDense or XyloDense after",
        )
    if population.shift is not None or population.bias is not None:
        notes.add("it has a bias", "no bias", "build the layer with use_bias=False")
    return notes


def _wrong_neuron(layer: keras.Layer) -> Notes:
    notes = Notes(layer)
    if isinstance(layer, SpikingLayer) and not isinstance(layer.neuron, XyloLIF):
        notes.add(
            f"its neuron is {type(layer.neuron).__name__}",
            "XyloLIF: no other runs on the chip as trained",
            "build it with keras_slayer.export.XyloLIF and train it",
        )
    return notes
