"""A Keras model as layers of Xylo neurons. The only place that knows how models are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from keras_slayer.export.model import graph  # noqa: F401 (the handlers register themselves)
from keras_slayer.export.model.float_network import FloatNetwork, FloatPopulation, Spikes
from keras_slayer.export.model.program import Program
from keras_slayer.export.model.read_program import read_program
from keras_slayer.export.model.registry import HANDLERS
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
        for (x,), labels in batches(data, shapes):
            yield x, labels

    def spikes(self, x: np.ndarray) -> np.ndarray:
        """Of the last neurons, in Keras: float32 (batch, time, outputs)."""
        return self._program.spikes([x])[-1]


class _Reads:
    """What a ``Walk`` asks of a chip (``export.target.Target`` has it, and much of Loihi)."""

    neuron = XyloLIF
    grid = WeightGrid(WEIGHT_SCALE, MIN_WEIGHT, WEIGHT_BITS)


_HANDLERS = {
    **{
        kind: handler
        for kind, handler in HANDLERS.items()
        if kind not in (DelayLayer, SpikingConv2D, SpikingSumPooling2D)
    },
    XyloDense: HANDLERS[SpikingDense],
    XyloRecurrentDense: HANDLERS[SpikingRecurrentDense],
}


class _Walk(Walk):
    # Not all that have a handler: `_no_chain` refuses some, with a better reason.
    allowed = (
        *("XyloDense", "XyloRecurrentDense", "SpikingDense", "SpikingRecurrentDense"),
        *("Dense and a SpikingActivation", "Flatten", "dropout and noise"),
    )


def read_model(model: keras.Model) -> tuple[ReadModel | None, list[Problem]]:
    """What ``model`` computes on the chip, and everything about it that cannot be read."""
    program, problems = read_program(model)
    if problems:
        return None, problems
    problems = [problem for layer in program.layers for problem in _wrong_neuron(layer)]
    known = {problem.layer for problem in problems}  # the walk would speak of Loihi's neuron
    walk = _Walk(program, _Reads, _HANDLERS)
    for number in program.chip:
        problems += [p for p in walk.visit(number) if p.layer not in known]
    if problems:
        return None, problems
    inputs = {name: tuple(shape[2:]) for name, shape in program.inputs.items()}
    outputs = tuple(walk.neurons.get(number, "") for number in program.read)
    network = FloatNetwork(inputs, walk.populations, outputs)
    problems = _no_chain(network, model)
    host = tuple(program.steps[i].name for i in program.host)
    layers = [] if problems else [_layer(found) for found in network.populations.values()]
    return ReadModel(tuple(layers), host, program), problems


def _layer(found: FloatPopulation) -> Layer:
    (part,), own = found.parts, found.recurrent
    loops = (None, None) if own is None else (own.kernel, own.used)
    return Layer(found.name, part.synapses.kernel, part.synapses.used, *loops, found.neuron)


def _no_chain(network: FloatNetwork, model: keras.Model) -> list[Problem]:
    """Problem of each population that is not fed by the one before it, neuron by neuron."""
    problems = []
    names = list(network.populations)
    if len(network.inputs) != 1 or network.outputs != tuple(names[-1:]):
        notes = Notes(model)
        notes.add(
            f"it has {len(network.inputs)} inputs, and {list(network.outputs)} are read",
            "one input, and the last neurons read",
            "export the part with one of each",
        )
        problems += notes
    before_each = [next(iter(network.inputs)), *names[:-1]]
    for before, found in zip(before_each, network.populations.values(), strict=True):
        if any(part.synapses.window is not None for part in found.parts):
            what, limit, remedy = (
                "it acts on images, pixel by pixel",
                "dense synapses",
                "put a keras_slayer.Flatten before it, and SpikingDense or XyloDense after",
            )
        elif len(found.parts) != 1 or not _is_whole(found.parts[0].spikes, before, network):
            what, limit, remedy = (
                f"its input is not the spikes of {before} alone",
                "one layer after the other",
                "remove the branches",
            )
        elif found.bias is not None or found.shift is not None:
            what, limit, remedy = (
                "it has a bias, of its own or of a normalisation",
                "no bias",
                "build the layer with use_bias=False, and without BatchNormalization",
            )
        else:
            continue
        problems.append(Problem(found.name, what, limit, remedy))
    return problems


def _is_whole(spikes: Spikes, source: str, network: FloatNetwork) -> bool:
    """Whether these are the spikes of ``source``, each once and in order."""
    if len(spikes.terms) != 1:
        return False
    (term,) = spikes.terms
    size = int(np.prod(network.shape(source)))
    same = term.source == source and term.gain == 1 and not term.late.any()
    return same and np.array_equal(term.places, np.arange(size))


def _wrong_neuron(layer: keras.Layer) -> Notes:
    notes = Notes(layer)
    if isinstance(layer, SpikingLayer) and not isinstance(layer.neuron, XyloLIF):
        notes.add(
            f"its neuron is {type(layer.neuron).__name__}",
            "XyloLIF: no other runs on the chip as trained",
            "build it with keras_slayer.export.XyloLIF and train it",
        )
    return notes
