"""Networks as flat files, which a C++ program reads without HDF5.

``csrc/network_file.h`` reads them; the format is described there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from keras_slayer.export.formats.netx_parts import MAX_WEIGHT
from keras_slayer.export.formats.netx_reader import MAX_NEURONS
from keras_slayer.export.formats.nir_integers_reader import MAX_NODES, MAX_SIDE
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
    Shape,
    sums_by_sign,
)
from keras_slayer.loihi import (
    DECAY_UNIT,
    MAX_BIAS,
    MAX_DELAY,
    MAX_THRESHOLD,
    MIN_BIAS,
    MIN_WEIGHT,
)

MAGIC = b"\x89KSN\r\n\x1a\n"
VERSION = 1
MAX_NAME = 1 << 12
MAX_SUM = 1 << 25
MAX_MEETINGS = 1 << 24
_HEAD = struct.Struct("<8sIQ")
_CHECKSUM_BYTES = 4


def to_bytes(graph: IntegerGraph) -> bytes:
    """The content of a flat file.

    Raises:
        ValueError: numbers beyond the chip's, or beyond what the reader takes.
    """
    body = b"".join(_parts(graph))
    length = _HEAD.size + len(body) + _CHECKSUM_BYTES
    whole = _HEAD.pack(MAGIC, VERSION, length) + body
    return whole + _numbers(zlib.crc32(whole))


def _parts(graph: IntegerGraph) -> Iterator[bytes]:
    _check("inputs", len(graph.inputs), 1, MAX_NODES)
    _check("inputs in all", sum(np.prod(s) for s in graph.inputs.values()), 1, MAX_NEURONS)
    _check("populations", len(graph.populations), 1, MAX_NODES)
    _check("neurons in all", sum(p.size for p in graph.populations.values()), 1, MAX_NEURONS)
    meetings = sum(_meetings(p.shape, c) for p in graph.populations.values() for c in p.connections)
    _check("taps of windows at all places of rows and columns", meetings, 0, MAX_MEETINGS)
    _check("outputs", len(graph.outputs), 1, len(graph.populations))
    yield _numbers(len(graph.inputs))
    for name, shape in graph.inputs.items():
        yield _named(name, shape)
    numbers = {name: i for i, name in enumerate((*graph.inputs, *graph.populations))}
    yield _numbers(len(graph.populations))
    for name, population in graph.populations.items():
        yield from _population(name, population, numbers)
    yield _numbers(len(graph.outputs))
    yield _numbers(*(numbers[name] - len(graph.inputs) for name in graph.outputs))


def _population(name: str, population: Population, numbers: dict[str, int]) -> Iterator[bytes]:
    neuron, connections = population.neuron, population.connections
    _check(f"{name!r}: current_decay", neuron.current_decay, 0, DECAY_UNIT)
    _check(f"{name!r}: voltage_decay", neuron.voltage_decay, 0, DECAY_UNIT)
    _check(f"{name!r}: threshold_mantissa", neuron.threshold_mantissa, 0, MAX_THRESHOLD)
    _check(f"{name!r}: connections", len(connections), 0, MAX_NODES)
    weights = (sums_by_sign(c.synapses.weight).max(initial=0) for c in connections)
    _check(f"{name!r}: the sum of a neuron's weights", sum(weights), 0, MAX_SUM)
    yield _named(name, population.shape)
    yield _numbers(neuron.current_decay, neuron.voltage_decay, neuron.threshold_mantissa)
    bias = np.zeros(0, np.int32) if population.bias is None else population.bias
    yield _numbers(len(bias))
    yield _array(f"{name!r}: bias", bias, "<i4", MIN_BIAS, MAX_BIAS)
    yield _numbers(len(connections))
    for connection in connections:
        yield _numbers(numbers[connection.source])
        yield from _synapses(f"{name!r}, from {connection.source!r}", connection.synapses)


def _meetings(shape: Shape, connection: Connection) -> int:
    """What a reader keeps for each window: taps by rows, and by columns, of the output."""
    if isinstance(connection.synapses, DenseSynapses):
        return 0
    height, width = connection.synapses.weight.shape[:2]
    return shape[0] * height + shape[1] * width


def _synapses(where: str, synapses: DenseSynapses | ConvSynapses) -> Iterator[bytes]:
    weight = _array(f"{where}: weight", synapses.weight, "<i2", MIN_WEIGHT, MAX_WEIGHT)
    if isinstance(synapses, DenseSynapses):
        yield _numbers(0, synapses.delay is not None)
        yield weight
        if synapses.delay is not None:
            yield _array(f"{where}: delay", synapses.delay, "u1", 0, MAX_DELAY)
        return
    windows = (*synapses.strides, *synapses.padding, *synapses.dilation)
    height, width, _, filters = synapses.weight.shape
    _check(f"{where}: a window", max(height, width, *windows), 1, MAX_SIDE)
    _check(f"{where}: delay", synapses.delay, 0, MAX_DELAY)
    late = [synapses.delay] if synapses.delay else []
    yield _numbers(2 if late else 1, height, width, filters, synapses.groups, *windows, *late)
    yield weight


def _named(name: str, shape: Shape) -> bytes:
    encoded = name.encode()
    _check(f"bytes of the name {name[:40]!r}", len(encoded), 0, MAX_NAME)
    return _numbers(len(encoded)) + encoded + _numbers(len(shape), *shape)


def _numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *map(int, values))


def _array(what: str, values: np.ndarray, kind: str, low: int, high: int) -> bytes:
    for extreme in (values.min(initial=high), values.max(initial=low)):
        _check(what, extreme, low, high)
    return np.ascontiguousarray(values, kind).tobytes()


def _check(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{what} must be {low} to {high}. Received: {value}")
