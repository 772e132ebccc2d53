"""The ``.nir`` format: the Neuromorphic Intermediate Representation (neuroir.org, package nir).

Written is what snnTorch and Norse read as it is meant: Linear, Conv2d, SumPool2d and Flatten nodes,
and CubaLIF neurons with

    tau_syn = dt 4096 / current_decay     w_in = tau_syn / dt     v_leak = bias / 64 tau_mem / dt
    tau_mem = dt 4096 / voltage_decay     r    = tau_mem / dt     v_reset = 0
    v_threshold = the next float32 above mantissa / 64

so that a forward Euler step of dt seconds is one of the float CUBA neuron (``keras_slayer.CUBA``):

    i[t] = (1 - current_decay / 4096) i[t-1] + z[t]
    v[t] = (1 - voltage_decay / 4096) v[t-1] + i[t] + bias / 64,
                                                a spike and v = 0 where v > mantissa / 64

The chip spikes strictly above its threshold. So do snnTorch and Norse; spikingjelly spikes at the
threshold as well. With the next float32 both do what the chip does where a voltage meets the
threshold exactly. The readers compute in floating point what the chip rounds, and take no step from
layer to layer: Delay nodes make up for it where that changes more than when the output comes
(nir_timing.py). A file does not say how long a step is: snnTorch takes 1e-4 s,
``norse.torch.from_nir(graph, dt=1e-4)`` what it is told (1e-3 s if nothing). We keep it in the
graph's metadata. The chip's integers are there as well (nir_integers.py).

Images are (channels, height, width) there and (height, width, channels) in Keras. No node makes an
image of a vector. So neurons of an image that dense weights lead to are a vector there, in the
order of (channels, height, width), and convolutions that read them are Linear nodes.
"""

import io
from collections import Counter
from pathlib import Path

import numpy as np

from keras_slayer.export.formats import nir_integers
from keras_slayer.export.formats.hdf5 import MAX_ELEMENTS
from keras_slayer.export.formats.netx import synapses_of
from keras_slayer.export.formats.nir_chip_nodes import NO_DECAY as NO_DECAY  # for nir_nodes.py
from keras_slayer.export.formats.nir_chip_nodes import Nodes, vectors
from keras_slayer.export.formats.nir_file import fits
from keras_slayer.export.formats.nir_package import nir
from keras_slayer.export.formats.nir_timing import count_branches
from keras_slayer.export.graph import DenseSynapses, IntegerGraph, graph_of
from keras_slayer.export.network import IntegerNetwork
from keras_slayer.export.problems import Problem, refuse
from keras_slayer.files import write_whole

DT = 1e-4
"""Seconds per step: snnTorch's."""


def problems(
    network: IntegerGraph | IntegerNetwork, names: tuple[str, ...] | None = None
) -> list[Problem]:
    """What a ``.nir`` file cannot hold of this network, by population.

    Args:
        names: of the layers of a chain; default "layer 0", "layer 1", ...
    """
    sizes: Counter[str] = Counter()
    for name, synapses in synapses_of(network, names):
        # The chip's integers, and as many Linear nodes as there are delays of one input.
        parts = count_branches(synapses) if isinstance(synapses, DenseSynapses) else 1
        sizes[name] += synapses.weight.size * (1 + parts)
    if isinstance(network, IntegerGraph):
        behind_dense = vectors(network)
        for name, population in network.populations.items():
            sizes[name] += 8 * population.size  # parameters of neurons, each with its own
            for connection in population.connections:
                if not isinstance(connection.synapses, DenseSynapses) and (
                    connection.source in behind_dense
                ):
                    sizes[name] += population.size * int(np.prod(network.shape(connection.source)))
    if sum(sizes.values()) <= MAX_ELEMENTS:
        return []
    largest = max(sizes, key=sizes.__getitem__)
    return [
        Problem(
            largest,
            f"its weights are {sizes[largest]} numbers, those of the network {sum(sizes.values())}",
            f"at most {MAX_ELEMENTS} in a .nir file",
            "use fewer synapses, or delays that differ less between the outputs of an input",
        )
    ]


def write(network: IntegerGraph | IntegerNetwork, path: Path) -> None:
    """Writes ``network`` to ``path``; the file appears whole or not at all."""
    write_whole(path, to_bytes(network))


def to_bytes(network: IntegerGraph | IntegerNetwork) -> bytes:
    """The ``.nir`` file; the same network always gives the same bytes."""
    return file_of(to_nir(network))


def file_of(graph: nir.NIRGraph) -> bytes:
    """``graph`` as a file.

    A v_reset of 0 is left out: readers take 0 where it is missing, and nir up to 1.0.4, to which
    sinabs and Rockpool keep, refuses files with it.
    """

    tree = graph.to_dict()
    for node in tree["nodes"].values():
        if not np.any(node.get("v_reset", 1)):
            del node["v_reset"]

    class Pruned:
        def to_dict(self):
            return tree

    packed = io.BytesIO()
    nir.write(packed, Pruned())
    if fits(tree, packed.tell()):
        return packed.getvalue()
    # Packed, it would hold more than readers trust a file of its size with.
    plain = io.BytesIO()
    nir.write(plain, Pruned(), compression=None)
    return plain.getvalue()


def to_nir(network: IntegerGraph | IntegerNetwork, dt: float = DT) -> nir.NIRGraph:
    """The network as a graph of nodes, for steps of ``dt`` seconds, with the chip's integers.

    Raises:
        ValueError: the network has ``problems``.
    """
    refuse(problems(network))
    graph = network if isinstance(network, IntegerGraph) else graph_of(network)
    flat = isinstance(network, IntegerNetwork) and len(network.output_shape) == 1
    nodes = Nodes(graph, dt)
    for position, name in enumerate(graph.inputs):
        nodes.input(name, position)
    for position, name in enumerate(graph.populations):
        nodes.population(name, position)
    for position, name in enumerate(graph.outputs):
        nodes.output(name, position, flat)
    found = nir.NIRGraph(nodes.nodes, nodes.edges)
    found.metadata = nir_integers.of_graph(dt, nodes.integers)
    found.metadata["digest"] = nir_integers.digest(found.to_dict())
    return found
