"""Reads the chip's integers in a ``.nir`` file, trusting nothing in it.

It needs no package but h5py. nir_integers.py says what there is to read.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from keras_slayer.export.formats.netx_parts import MAX_WEIGHT
from keras_slayer.export.formats.netx_reader import MAX_NEURONS
from keras_slayer.export.formats.nir_file import read_tree
from keras_slayer.export.formats.nir_integers import ARITHMETIC, VERSION, WINDOWS, digest
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    Shape,
    Synapses,
)
from keras_slayer.export.network import IntegerNeuron
from keras_slayer.loihi import (
    DECAY_UNIT,
    MAX_BIAS,
    MAX_DELAY,
    MAX_THRESHOLD,
    MIN_BIAS,
    MIN_WEIGHT,
)

MAX_SIDE = 1 << 16
"""Most places that a window, its stride, padding or dilation may have."""

MAX_NODES = 50_000


def read_network(path: str | os.PathLike) -> IntegerGraph:
    """The network in the chip's integers that ``export_loihi`` wrote into a ``.nir`` file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not HDF5, damaged, changed after the export, or a network without the chip's
            integers; the message names file, node, what was found and what is right.
    """
    return network_of(read_tree(Path(path)), path)


def has_integers(tree: dict) -> bool:
    """Whether a tree of ``nir_file.read_tree`` has the chip's integers."""
    return "integers" in _dict(tree.get("metadata"))


def network_of(tree: dict, where: str | os.PathLike) -> IntegerGraph:
    """As ``read_network``, of ``nir_file.read_tree``; messages begin with ``where``."""
    return _Reader(tree, os.fspath(where)).network()


class _Reader:
    def __init__(self, tree: dict, where: str):
        self.tree, self.path = tree, where

    def network(self) -> IntegerGraph:
        metadata = _dict(self.tree.get("metadata"))
        if not has_integers(self.tree):
            raise ValueError(
                f"{self.path}: no integers of a chip in this NIR graph, only floating-point "
                "nodes. keras_slayer.export.from_nir makes a Keras model of it; "
                "model.export_loihi writes .nir files with the chip's integers."
            )
        graph = _Fields(metadata, f"{self.path}: graph")
        graph.integer("integers", VERSION, VERSION)
        if graph.text("arithmetic") != ARITHMETIC:
            raise graph.fail(f"'arithmetic' must be {ARITHMETIC!r}, not {metadata['arithmetic']!r}")
        nodes, edges = self.tree.get("nodes"), self.tree.get("edges", [])
        if not isinstance(nodes, dict) or not 1 <= len(nodes) <= MAX_NODES:
            raise graph.fail(f"the graph must have 1 to {MAX_NODES} nodes")
        if not isinstance(edges, list) or not all(
            isinstance(edge, tuple) and len(edge) == 2 for edge in edges
        ):
            raise graph.fail("its edges must be pairs of names")
        found: dict[str, list] = {kind: [] for kind in ("Input", "Output", "CubaLIF", "weights")}
        integers = _dict(metadata.get("nodes"))
        for name in integers:
            node, fields = nodes.get(name), _Fields(integers[name], f"{self.path}: node {name!r}")
            if not isinstance(node, dict) or not isinstance(integers[name], dict):
                raise fields.fail("there must be such a node, and fields of metadata for it")
            kind = node.get("type")
            other = not isinstance(kind, str) or kind not in found
            found["weights" if other else kind].append((fields, node))
        network = self._graph(found, graph)
        written = graph.text("digest")
        if written != digest({"nodes": nodes, "edges": edges, "metadata": metadata}):
            raise graph.fail(
                "the file was changed after its export, or is damaged: its nodes and the chip's "
                "integers are not those that 'digest' was made of. Export it again"
            )
        return network

    def _graph(self, found: dict[str, list], graph: _Fields) -> IntegerGraph:
        inputs, known = {}, set()
        for fields, node in _in_order(found["Input"]):
            inputs[fields.new_name(known)] = _input_shape(fields, node)
        connections: dict[str, list] = {}
        for fields, _ in _in_order(found["weights"], by="target"):
            connection = Connection(fields.text("source"), _synapses(fields))
            connections.setdefault(fields.text("target"), []).append(connection)
        populations = {}
        for fields, node in _in_order(found["CubaLIF"]):
            name = fields.new_name(known)
            populations[name] = _population(fields, node, tuple(connections.pop(name, ())))
        if connections:
            raise graph.fail(f"connections lead to {sorted(connections)}, which are not there")
        outputs = [fields.text("population") for fields, _ in _in_order(found["Output"])]
        try:
            return IntegerGraph(inputs, populations, tuple(outputs))
        except ValueError as error:
            raise graph.fail(str(error)) from error


class _Fields:
    """Metadata of one node, read by name with their expected kind, shape and range."""

    def __init__(self, fields: dict, where: str):
        self.fields, self.where = fields, where

    def fail(self, message: str) -> ValueError:
        return ValueError(f"{self.where}: {message}")

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise self.fail(f"{name!r} must be text in its metadata, found {_short(value)}")
        return value

    def new_name(self, known: set[str]) -> str:
        """Its ``name``, which is added to those that are known."""
        name = self.text("name")
        if name in known:
            raise self.fail(f"'name' {name!r} is there twice")
        known.add(name)
        return name

    def integer(self, name: str, low: int, high: int) -> int:
        return int(self.integers(name, low, high, ndim=0))

    def integers(self, name: str, low: int, high: int, ndim: int) -> np.ndarray:
        value = self.fields.get(name)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or value.ndim != ndim:
            raise self.fail(
                f"{name!r} must be integers of rank {ndim} in its metadata, found {_short(value)}"
            )
        wrong = (value < low) | (value > high)
        if wrong.any():
            raise self.fail(
                f"{name!r} must be integers from {low} to {high}, found {value[wrong].flat[0]}"
            )
        return value


def _input_shape(fields: _Fields, node: dict) -> Shape:
    shape = _Fields(node, fields.where).integers("shape", 1, MAX_NEURONS, ndim=1)
    channels_last = (*shape[1:], shape[0]) if len(shape) == 3 else shape
    return _checked_shape(fields, channels_last)


def _checked_shape(fields: _Fields, shape) -> Shape:
    shape = tuple(map(int, shape))
    size = 1
    for n in shape:
        size *= n
    if len(shape) not in (1, 3) or size > MAX_NEURONS:
        raise fields.fail(
            f"shape {shape}: expected (neurons,) or (height, width, channels), at most "
            f"{MAX_NEURONS} in all"
        )
    return shape


def _population(fields: _Fields, node: dict, connections: tuple[Connection, ...]) -> Population:
    shape = _checked_shape(fields, fields.integers("shape", 1, MAX_NEURONS, ndim=1))
    size = np.size(node.get("v_threshold"))
    if size != np.prod(shape):
        raise fields.fail(f"its 'shape' is {shape}, but 'v_threshold' has {size} numbers")
    bias = None
    if "bias" in fields.fields:
        bias = fields.integers("bias", MIN_BIAS, MAX_BIAS, ndim=1).astype(np.int32)
    neuron = IntegerNeuron(
        fields.integer("current_decay", 0, DECAY_UNIT),
        fields.integer("voltage_decay", 0, DECAY_UNIT),
        fields.integer("threshold_mantissa", 0, MAX_THRESHOLD),
    )
    return Population(shape, neuron, connections, bias)


def _synapses(fields: _Fields) -> Synapses:
    kind = fields.text("synapses")
    if kind == "dense":
        weight = fields.integers("weight", MIN_WEIGHT, MAX_WEIGHT, ndim=2).astype(np.int16)
        delay = None
        if "delay" in fields.fields:
            delay = fields.integers("delay", 0, MAX_DELAY, ndim=2).astype(np.uint8)
        return DenseSynapses(weight, delay)
    if kind != "conv":
        raise fields.fail(f"'synapses' must be dense or conv, not {kind!r}")
    windows = {}
    for name, low in WINDOWS.items():
        values = fields.integers(name, low, MAX_SIDE, ndim=1)
        if len(values) != 2:
            raise fields.fail(f"{name!r} must be two numbers (vertical, horizontal)")
        windows[name] = tuple(map(int, values))
    weight = fields.integers("weight", MIN_WEIGHT, MAX_WEIGHT, ndim=4).astype(np.int16)
    if not all(weight.shape):
        raise fields.fail(f"'weight' has shape {weight.shape}: no side may be 0")
    groups = fields.integer("groups", 1, MAX_SIDE)
    delay = fields.integer("delay", 0, MAX_DELAY) if "delay" in fields.fields else 0
    return ConvSynapses(weight, **windows, groups=groups, delay=delay)


def _in_order(rows: list, by: str | None = None) -> list:
    """``rows`` by ``position``, which must count from 0 without gaps (for each value of ``by``)."""
    placed: dict[str, dict[int, tuple]] = {}
    for fields, node in rows:
        of = placed.setdefault(fields.text(by) if by else "", {})
        position = fields.integer("position", 0, MAX_NODES)
        if position in of:
            raise fields.fail(f"'position' {position} is there twice")
        of[position] = (fields, node)
    for of in placed.values():
        for position, (fields, _) in of.items():
            if position >= len(of):
                raise fields.fail(f"'position' is {position}, expected 0 to {len(of) - 1}")
    return [of[position] for of in placed.values() for position in sorted(of)]


def _dict(value) -> dict:
    return value if isinstance(value, dict) else {}


def _short(value) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return "nothing" if value is None else f"a {type(value).__name__}"
