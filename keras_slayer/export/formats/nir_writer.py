"""``to_nir``: a model of floating-point neurons as a NIR graph, for any tool that reads NIR."""

from __future__ import annotations

import itertools
import os

import keras
import numpy as np

from keras_slayer import checks
from keras_slayer.export.formats.nir import DT, file_of, nir
from keras_slayer.export.formats.nir_nodes import DROPPED, HANDLERS, Data, Walk
from keras_slayer.export.model.merging import ADDS
from keras_slayer.export.model.read_program import tensor_keys
from keras_slayer.export.problems import Problem, refuse
from keras_slayer.files import target_of, write_whole
from keras_slayer.keras_models import is_by_layers


def to_nir(
    model: keras.Model, path: str | os.PathLike | None = None, *, dt: float = DT
) -> nir.NIRGraph:
    """Writes ``model`` as a graph of the Neuromorphic Intermediate Representation (NIR).

    For models of floating-point neurons; ``export_loihi`` writes those of the chip's. Written are
    SpikingDense, SpikingRecurrentDense, SpikingConv2D, SpikingSumPooling2D and SpikingActivation of
    ``CUBA`` neurons, ``TemporalFilter`` of a CUBA neuron, Flatten, DelayLayer, Dense, and Add, in
    Sequential and functional models. Dropout and noise are left out. ``from_nir`` reads the graph
    back: to a model that makes the same spikes.

    A neuron becomes a CubaLIF node (LIF without a synaptic current) whose forward Euler step of
    ``dt`` seconds is one step of the neuron: tau = dt / decay, r = tau / dt. NIR spikes above
    v_threshold and ``CUBA`` at its threshold, so v_threshold is the float32 below it.

    Args:
        model: a built Sequential or functional model.
        path: file to write, replaced if it exists; it appears whole or not at all. None: none.
        dt: seconds per step, which the graph keeps in its metadata. snnTorch and spikingjelly read
            graphs with steps of 1e-4 s.

    Returns:
        nir.NIRGraph, with images as (channels, height, width). Tools check the types of a graph
        whose windows are not square only with ``nir.read(path, type_check=False)``.

    Raises:
        ImportError: the package nir is missing.
        ValueError: a model that NIR cannot hold. The message lists every layer. Nothing is written.

    Example:

    >>> graph = keras_slayer.export.to_nir(model, "network.nir")
    >>> same = keras_slayer.export.from_nir("network.nir")
    """
    dt = checks.number(dt, "dt", open_low=True)
    if path is not None:
        target_of(path)  # refuses now what could not be written at the end
    wiring, problems = _wiring(model)
    refuse(problems, "written as NIR")
    layers, sources, inputs, outputs = wiring
    walk = Walk(dt)
    for name in inputs:
        walk.input(name, tuple(layers[name].batch_shape[2:]))
    for name in _sorted(sources):
        if name not in inputs:
            _visit(walk, layers[name], [walk.data.get(source) for source in sources[name]])
    for i, name in enumerate(outputs):
        walk.output("output" if len(outputs) == 1 else f"output_{i}", name)
    refuse(walk.problems, "written as NIR")
    graph = nir.NIRGraph(walk.nodes, walk.edges, type_check=walk.square)
    graph.metadata = {"dt": dt}
    if path is not None:
        write_whole(path, file_of(graph))
    return graph


def _visit(walk: Walk, layer: keras.Layer, given: list[Data | None]) -> None:
    if None in given:
        return  # the layer before has a problem
    handler = HANDLERS.get(type(layer))
    if type(layer) in DROPPED:
        walk.data[layer.name] = given[0]
    elif handler is None:
        walk.refuse(
            layer,
            f"{type(layer).__name__} has no node in NIR",
            ", ".join(sorted(known.__name__ for known in HANDLERS)),
            "replace the layer, or write the part of the model before it",
        )
    elif getattr(layer, "return_state", False):
        walk.refuse(
            layer,
            "it returns its state",
            "layers that return their output alone",
            "build it with return_state=False",
        )
    elif len(given) > 1 and type(layer) not in ADDS:
        walk.refuse(layer, f"it has {len(given)} inputs", "one input", "use keras.layers.Add")
    elif not all(np.isfinite(weight).all() for weight in getattr(layer, "weights", ())):
        walk.refuse(layer, "it has weights that are not finite", "numbers", "look at the training")
    else:
        handler(walk, layer, given)


def _wiring(model: keras.Model):
    """((layers by name, names that feed each, inputs, outputs), problems)."""
    problem = lambda what, limit, remedy: (None, [Problem(model.name, what, limit, remedy)])  # noqa: E731
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model. Received: {type(model).__name__}")
    if not is_by_layers(model) or not model.built or not model.layers:
        kinds = "a built keras.Sequential or functional keras.Model"
        return problem(f"the model is a {type(model).__name__}", kinds, "build it as one of these")
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs)
    config = model.get_config()
    layers = {operation.name: operation for operation in model.operations}
    sources, shared = {}, []
    for entry in config["layers"]:
        calls = entry["inbound_nodes"]
        sources[entry["name"]] = [t["config"]["keras_history"][0] for t in _tensors(calls)]
        if len(calls) > 1:
            shared.append(entry["name"])
    if shared:
        return problem(f"layers {shared} are used more than once", "one use", "copy the layers")
    inputs, outputs = (
        [name for name, *_ in tensor_keys(config[ends])]
        for ends in ("input_layers", "output_layers")
    )
    unread = set(inputs) - {*itertools.chain(*sources.values()), *outputs}
    return (layers, sources, inputs, outputs), [
        Problem(
            name,
            "nothing reads this input",
            "inputs that lead to an output: nir would make another output of it",
            "build the model without it",
        )
        for name in inputs
        if name in unread
    ]


def _tensors(value) -> list[dict]:
    """The tensors among the arguments of calls, wherever they are nested."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [value]
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple):
        return []
    return [tensor for item in items for tensor in _tensors(item)]


def _sorted(sources: dict[str, list[str]]) -> list[str]:
    """Names, each after what feeds it."""
    done: list[str] = []
    while len(done) < len(sources):
        done += [
            name
            for name, needed in sources.items()
            if name not in done and all(source in done for source in needed)
        ]
    return done
