"""Small ``.nir`` files that declare much: what reading them takes is bounded by what they hold."""

import zlib

import h5py
import nir
import numpy as np
import pytest
from test_nir_refusals import between, graph_of, lif

from keras_slayer.export import LoihiSimulator, from_nir
from keras_slayer.export.formats import nir as writer
from keras_slayer.export.formats.hdf5 import FREE_BYTES
from keras_slayer.export.graph import Connection, DenseSynapses, IntegerGraph, Population
from keras_slayer.export.network import IntegerNeuron

SIDE = 1 << 12
MOST_BYTES = 250 << 20


def put(file, **weight):
    del file["node/nodes/w/weight"]
    return file["node/nodes/w"].create_dataset("weight", **weight)


def compressed_zeros(file):
    """Six weights of 16 million zeros, a byte in a thousand in the file."""
    packed = {"compression": "gzip", "chunks": (SIDE // 4, SIDE)}
    for i in range(6):
        file.create_dataset(f"node/nodes/w{i}/weight", data=np.zeros((SIDE, SIDE), "i1"), **packed)


def absent_chunks(file):
    put(file, shape=(1 << 14, 1 << 13), dtype="f", chunks=(64, 64))[0, 0] = 1


def one_large_chunk(file):
    """A chunk of a gigabyte for nine numbers."""
    size = {"shape": (3, 3), "maxshape": (None, None), "chunks": (1 << 14, 1 << 14)}
    data = put(file, dtype="f", compression="gzip", **size)
    data.id.write_direct_chunk((0, 0), zlib.compress(b"\2" * 100))


def a_chunk_that_inflates(file):
    """A chunk of a megabyte that holds 300 MB."""
    size = {"shape": (1 << 9, 1 << 9), "chunks": (1 << 9, 1 << 9)}
    data = put(file, dtype="f", compression="gzip", **size)
    data.id.write_direct_chunk((0, 0), zlib.compress(b"\1" * (300 << 20), 1))


def metadata_of_zeros(file):
    packed = {"compression": "gzip", "chunks": (SIDE // 4, SIDE)}
    file.create_dataset("node/metadata/x", data=np.zeros((SIDE, SIDE), "i1"), **packed)


def many_edges(file):
    del file["node/edges"]
    packed = {"compression": "gzip", "chunks": (1 << 16, 2)}
    file.create_dataset("node/edges", data=np.zeros((1 << 20, 2), "S2"), **packed)


def a_long_string_in_many_rows(file):
    del file["node/edges"]
    text = h5py.string_dtype()
    data = file.create_dataset("node/edges", (64, 2), text)
    data[0] = ["x" * (2 << 20), "y"]


def wide_rows(file):
    del file["node/edges"]
    file.create_dataset("node/edges", data=np.full((1, 9), "x", h5py.string_dtype()))


TOO_MUCH = "more than .* 33554432 bytes and 16 for each of the .* bytes of the file"
HOSTILE = {
    compressed_zeros: f"'node/nodes/w./weight' has shape .4096, 4096.: {TOO_MUCH}",
    absent_chunks: f"'node/nodes/w/weight' has shape .*: {TOO_MUCH}",
    one_large_chunk: rf"'node/nodes/w/weight' has shape \(3, 3\): {TOO_MUCH}",
    a_chunk_that_inflates: "'node/nodes/w/weight' has a chunk that holds more than it declares",
    metadata_of_zeros: f"'node/metadata/x' has shape .*: {TOO_MUCH}",
    many_edges: f"'node/edges' has shape .*: {TOO_MUCH}",
    a_long_string_in_many_rows: "'node/edges' holds a string of 2097152 bytes: at most 1024",
    wide_rows: "'node/edges' holds rows of 9 strings: at most 4",
}


def memory(name):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(name))


def refused(read, source, message):
    """Bytes by which the memory of the process grew at most."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the largest memory is that of now
    before = memory("VmRSS")
    with pytest.raises(ValueError, match=message):
        read(source)
    return memory("VmHWM") - before


@pytest.fixture(scope="module", params=HOSTILE, ids=lambda make: make.__name__)
def hostile(request, tmp_path_factory):
    """A path, and what is said of the file."""
    path = tmp_path_factory.mktemp("hostile") / "a.nir"
    nodes = {"in": nir.Input(np.array([3])), "w": nir.Linear(np.eye(3)), "lif": lif()}
    nir.write(path, graph_of(nodes | {"out": nir.Output(np.array([3]))}))
    with h5py.File(path, "r+") as file:
        request.param(file)
    assert path.stat().st_size < 3 << 20
    return path, HOSTILE[request.param]


@pytest.mark.parametrize("read", [from_nir, LoihiSimulator], ids=["from_nir", "simulator"])
def test_small_files_take_little_memory(hostile, read):
    assert refused(read, *hostile) < MOST_BYTES


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (nir.Delay(np.float64(0)), (1 << 27,)),
        (nir.SumPool2d(np.array(1 << 13), np.array(1), np.array(0)), (1, 1 << 13, 1 << 13)),
    ],
    ids=["delay", "pool"],
)
def test_what_small_graphs_would_make(node, shape):
    """One number stands for those of all neurons, or of all taps."""
    message = "it makes a layer of .* numbers; allowed: at most 4194304"
    assert refused(from_nir, between(node, shape), message) < MOST_BYTES


def test_the_files_written_here_can_be_read(tmp_path):
    """Weights that pack a thousand times are written as they are."""
    weight = np.zeros((3000, 1500), np.int16)
    weight[0] = 100
    neuron = IntegerNeuron(4096, 4096, 80)
    population = Population((1500,), neuron, (Connection("in", DenseSynapses(weight)),))
    graph = IntegerGraph({"in": (3000,)}, {"out": population}, ("out",))
    assert 8 * weight.size > FREE_BYTES  # the weights, and the chip's
    writer.write(graph, tmp_path / "a.nir")
    first = np.zeros((1, 2, 3000), np.float32)
    first[0, 0, 0] = 1
    assert LoihiSimulator(tmp_path / "a.nir").run(first).sum(axis=-1).tolist() == [[0, 1500]]
    assert from_nir(tmp_path / "a.nir").predict(first, verbose=0).sum() == 1500
