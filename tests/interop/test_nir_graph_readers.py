"""Exported ``.nir`` files that are no chains, in snnTorch, Norse and spikingjelly.

The neurons are such that floating point is exact: tools that read a graph as it is meant give the
chip's spikes, earlier by r steps. docs/nir.md has this table.
"""

import numpy as np
import pytest

from keras_slayer.export import LoihiSimulator
from keras_slayer.export.formats import nir, nir_timing
from keras_slayer.export.graph import Connection, DenseSynapses, IntegerGraph, Population
from keras_slayer.export.network import IntegerNeuron

READERS = ("snntorch", "norse", "spikingjelly")
SAME = {
    "sum": ("snntorch", "spikingjelly"),
    "recurrent": ("norse", "spikingjelly"),
    "recurrent last": ("norse", "spikingjelly"),
    "skip": (),
    "delay": (),
    "bias": (),
}
"""Which tools give the chip's spikes; the others fail or give other ones."""


def graphs():
    rng = np.random.default_rng(0)

    def population(neurons, *sources, bias=None, decay=0, delay=None):
        connections = [
            Connection(
                name,
                DenseSynapses((2 * rng.integers(-40, 60, (size, neurons))).astype("i2"), delay),
            )
            for name, size in sources
        ]
        return Population((neurons,), IntegerNeuron(4096, decay, 200), tuple(connections), bias)

    start, a, b, c = ("in", 6), ("a", 5), ("b", 5), ("c", 4)
    delay = np.repeat(rng.integers(0, 9, (6, 1)), 5, axis=1).astype(np.uint8)
    bias = rng.integers(-5, 50, 5).astype(np.int32)
    populations = {
        "sum": {"a": population(5, start), "b": population(5, start), "c": population(4, a, b)},
        "recurrent": {"a": population(5, start, a), "c": population(4, a)},
        "recurrent last": {"a": population(5, start), "c": population(4, a, c)},
        "skip": {"a": population(5, start), "c": population(4, a, start)},
        "delay": {"a": population(5, start, delay=delay), "c": population(4, a)},
        "bias": {"a": population(5, start, bias=bias, decay=1024), "c": population(4, a)},
    }
    return {name: IntegerGraph({"in": (6,)}, p, ("c",)) for name, p in populations.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    spikes = (np.random.default_rng(1).random((2, 30, 6)) < 0.3).astype(np.float32)
    for name, graph in graphs().items():
        nir.write(graph, folder / f"{name}.nir")
        late = nir_timing.ahead(graph)["c"]
        expected = LoihiSimulator.from_network(graph).run(spikes)[:, late:]
        assert expected.sum() > 10
        np.savez(folder / f"{name}.npz", spikes=spikes[:, : 30 - late], expected=expected)
    return folder


@pytest.mark.parametrize("reader", READERS)
def test_graphs(reader, folder, run_peer):
    results = run_peer("nir", f"run_{reader}.py", folder)
    for name, same in SAME.items():
        differs = results[name].get("differing", "an error")
        assert (differs == 0) == (reader in same), (name, results[name])
