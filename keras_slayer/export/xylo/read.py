"""A Keras model as layers of Xylo neurons. The only place that knows how models are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from keras_slayer.export.model.chain import Chain, read_chain
from keras_slayer.export.model.float_network import FloatLayer
from keras_slayer.export.model.handlers import HANDLERS
from keras_slayer.export.model.walk import Walk
from keras_slayer.export.problems import Notes, Problem
from keras_slayer.export.samples import Recordings, batches
from keras_slayer.export.weight_grid import WeightGrid
from keras_slayer.export.xylo.chip import MIN_WEIGHT, WEIGHT_BITS, WEIGHT_SCALE
from keras_slayer.export.xylo.layers import XyloDense, XyloRecurrentDense
from keras_slayer.export.xylo.neuron import XyloLIF
from keras_slayer.keras_models import is_by_layers
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
    _chain: Chain

    def batches(self, data: Recordings) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """(spikes, labels or None) of each batch of ``data``, checked."""
        return batches(data, self._chain.input_shape[2:])

    def spikes(self, x: np.ndarray) -> np.ndarray:
        """Of the last neurons, in Keras: float32 (batch, time, outputs)."""
        value = tf.convert_to_tensor(x, tf.float32)
        for layer in self._chain.layers:
            value = layer(value, training=False)
        return np.asarray(value)


class _Reads:
    """What a ``Walk`` asks of a chip (``export.target.Target`` has it, and much of Loihi)."""

    neuron = XyloLIF
    grid = WeightGrid(WEIGHT_SCALE, MIN_WEIGHT, WEIGHT_BITS)
    max_delay = 0


def _dense(layer: SpikingDense, walk: Walk) -> None:
    HANDLERS[SpikingDense](layer, walk)


_HANDLERS = {
    **{
        kind: handler
        for kind, handler in HANDLERS.items()
        if kind not in (DelayLayer, SpikingConv2D, SpikingSumPooling2D)
    },
    **dict.fromkeys((XyloDense, SpikingRecurrentDense, XyloRecurrentDense), _dense),
}


def read_model(model: keras.Model) -> tuple[ReadModel | None, list[Problem]]:
    """What ``model`` computes on the chip, and everything about it that cannot be read."""
    chain, problems = _read_chain(model)
    if problems:
        return None, problems
    problems = [problem for layer in chain.layers for problem in _wrong_neuron(layer)]
    known = {problem.layer for problem in problems}  # the walk would speak of Loihi's neuron
    walk = Walk(chain.input_shape, _Reads, _HANDLERS)
    for layer in chain.layers:
        problems += [problem for problem in walk.visit(layer) if layer.name not in known]
    recurrent = {
        layer.name: (np.asarray(layer.recurrent_kernel), layer.quantized_recurrent_kernel())
        for layer in chain.layers
        if isinstance(layer, SpikingRecurrentDense)
    }
    layers = []
    for found in walk.layers:
        if not isinstance(found, FloatLayer):
            continue
        if found.synapses.window is not None:
            problems.append(
                Problem(
                    found.name,
                    "it acts on images, pixel by pixel",
                    "dense synapses",
                    "put a keras_slayer.Flatten before it, and SpikingDense or XyloDense after",
                )
            )
        weights = (found.synapses.kernel, found.synapses.used)
        layers.append(Layer(found.name, *weights, *_own(recurrent, found.name), found.neuron))
    host = tuple(operation.name for operation in chain.host)
    return ReadModel(tuple(layers), host, chain), problems


def _own(recurrent: dict, name: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    trained, used = recurrent.get(name, (None, None))
    return trained, None if used is None else np.asarray(used)


def _wrong_neuron(layer: keras.Layer) -> Notes:
    notes = Notes(layer)
    if isinstance(layer, SpikingLayer) and not isinstance(layer.neuron, XyloLIF):
        notes.add(
            f"its neuron is {type(layer.neuron).__name__}",
            "XyloLIF: no other runs on the chip as trained",
            "build it with keras_slayer.export.XyloLIF and train it",
        )
    return notes


def _read_chain(model: keras.Model) -> tuple[Chain | None, list[Problem]]:
    """``read_chain``, which knows no loops: it is shown a copy with other layers in their place."""
    if not any(isinstance(layer, SpikingRecurrentDense) for layer in _layers_of(model)):
        return read_chain(model)
    originals = {}

    def stand_in(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, SpikingRecurrentDense):
            made = SpikingDense(layer.units, layer.neuron, name=layer.name)
            made.return_state = layer.return_state
        else:
            made = type(layer).from_config(layer.get_config())
        originals[made] = layer
        return made

    copy = keras.models.clone_model(model, clone_function=stand_in, recursive=True)
    chain, problems = read_chain(copy)
    if chain is None:
        return None, problems
    layers = tuple(originals[layer] for layer in chain.given)
    return replace(chain, layers=layers, given=layers), problems


def _layers_of(model: keras.Model) -> Iterator[keras.Layer]:
    if not is_by_layers(model) or not model.built:
        return
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers_of(layer)
