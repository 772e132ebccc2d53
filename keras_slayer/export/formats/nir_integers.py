"""The chip's integers in a ``.nir`` file: what its metadata hold. nir_integers_reader.py reads it.

The nodes of a file mean the network in floating point. Beside them, the metadata of the graph say
what the chip runs. (Of the graph, since nir up to 1.0.4 refuses nodes that have metadata.) In its
``nodes``, by the names of the nodes, are:

=================== ==============================================================================
node                metadata
=================== ==============================================================================
Input               ``name``, ``position`` among the inputs
Output              ``population`` that is read out, ``position`` among the outputs
CubaLIF             ``name``, ``position``, ``shape`` (channels last), ``current_decay``,
                    ``voltage_decay``, ``threshold_mantissa``; ``bias`` if there is one
Linear, Conv2d,     of a connection's first node: ``source``, ``target``, ``position`` among those
SumPool2d           of the target, ``synapses`` ("dense" or "conv"), ``weight``; ``delay`` if there
                    is one: of each dense synapse, or of all of a window; ``strides``, ``padding``,
                    ``dilation``, ``groups`` of windows
=================== ==============================================================================

Fields and orders of axes are those of ``export.graph``. Beside ``nodes`` are ``integers`` (the
version of this table), ``arithmetic`` (whose it is) and ``digest``, which is that of nodes, edges
and metadata: what was changed after the export is refused, since the integers would not follow.
"""

from __future__ import annotations

import hashlib

import numpy as np

from keras_slayer.export.graph import Connection, DenseSynapses, Population

VERSION = 1
ARITHMETIC = "loihi_cuba"
"""The neuron of ``keras_slayer.loihi``, to the bit."""


AT_ONCE = 1 << 20
"""Numbers of which the digest is taken at once."""


def of_graph(dt: float, nodes: dict[str, dict]) -> dict:
    return {"dt": dt, "integers": VERSION, "arithmetic": ARITHMETIC, "nodes": nodes}


def of_population(name: str, position: int, population: Population) -> dict:
    neuron = population.neuron
    found = {
        "name": name,
        "position": position,
        "shape": np.array(population.shape, np.int64),
        "current_decay": neuron.current_decay,
        "voltage_decay": neuron.voltage_decay,
        "threshold_mantissa": neuron.threshold_mantissa,
    }
    if population.bias is not None:
        found["bias"] = population.bias.astype(np.int32)
    return found


def of_connection(target: str, position: int, connection: Connection) -> dict:
    synapses = connection.synapses
    dense = isinstance(synapses, DenseSynapses)
    found = {
        "source": connection.source,
        "target": target,
        "position": position,
        "synapses": "dense" if dense else "conv",
        "weight": np.ascontiguousarray(synapses.weight, np.int16),
    }
    if dense:
        if synapses.delay is not None:
            found["delay"] = np.ascontiguousarray(synapses.delay, np.uint8)
        return found
    windows = {name: np.array(getattr(synapses, name), np.int64) for name in WINDOWS}
    late = {"delay": synapses.delay} if synapses.delay else {}
    return found | windows | {"groups": synapses.groups} | late


WINDOWS = {"strides": 1, "padding": 0, "dilation": 1}
"""Fields of windows, and the least that they may be."""


def digest(tree: dict) -> str:
    """Of nodes, edges and metadata: the same however ``nir`` arranges and writes them."""
    hashed = hashlib.sha256()

    def add(value, path: str) -> None:
        if isinstance(value, dict):
            for name in sorted(value):
                add(value[name], f"{path}/{name}")
        elif value is not None and not _is_default(path, value):
            array = np.asarray(value)
            numbers = array.dtype.kind in "iufb"
            hashed.update(f"{path} {array.shape} ".encode())
            if not numbers:
                hashed.update(f"{len(str(value))} {value}".encode())
            flat = array.ravel()
            for start in range(0, flat.size if numbers else 0, AT_ONCE):
                hashed.update(flat[start : start + AT_ONCE].astype("<f8").tobytes())

    metadata = {name: value for name, value in tree["metadata"].items() if name != "digest"}
    add(metadata, "")
    add(tree["nodes"], "nodes")
    add(dict.fromkeys((f"{a} -> {b}" for a, b in tree["edges"]), 1), "edges")
    return hashed.hexdigest()


def _is_default(path: str, value) -> bool:
    """v_reset = 0 may be left out of a file."""
    return path.endswith("/v_reset") and not np.any(value)
