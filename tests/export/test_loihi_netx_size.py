"""Small ``.net`` files that declare much: what reading them takes is bounded by what they hold."""

import functools
import json
import resource
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest
from netx_cases import NEURON, even

from keras_slayer.export import LoihiSimulator, read_net
from keras_slayer.export.formats import hdf5, netx
from keras_slayer.export.network import IntegerDense, IntegerNetwork

ZERO_CHUNK = {"dtype": "i1", "chunks": (1, 1 << 20), "compression": "gzip"}


def cells(file, i):
    for name, value in {"type": "CUBA", "iDecay": 1, "vDecay": 1, "vThMant": 80}.items():
        file[f"layer/{i}/neuron/{name}"] = value


def dense(file, i, outputs, **weight):
    file[f"layer/{i}/type"], file[f"layer/{i}/shape"] = "dense", [outputs]
    if weight:
        file.create_dataset(f"layer/{i}/weight", **weight)
    cells(file, i)


@functools.cache
def deflated():
    """400 MB of ones in 400 kB."""
    packer, block = zlib.compressobj(9), b"\1" * (1 << 24)
    return b"".join(packer.compress(block) for _ in range(24)) + packer.flush()


def compressed_zeros(file):
    """Six layers of 16 million zeros that are a byte in a thousand in the file."""
    side = 1 << 12
    for i in range(6):
        data = np.zeros((side, side), np.int8)
        data[0, 0] = 2
        dense(file, i, side, data=data, compression="gzip", chunks=(side // 4, side))


def absent_chunks(file):
    """Chunks that were never written, and read as zeros: 128 million."""
    dense(file, 0, 128, shape=(128, 1 << 20), **ZERO_CHUNK)
    file["layer/0/weight"][0, 0] = 2


def one_data_set_in_many_layers(file):
    """A weight of 262,144 numbers under 250 names."""
    side = 1 << 9
    dense(file, 0, side, data=np.full((side, side), 2, np.int8))
    for i in range(1, 250):
        dense(file, i, side)
        file[f"layer/{i}/weight"] = file["layer/0/weight"]


def one_large_chunk(file):
    """A chunk of a gigabyte for four numbers."""
    side = 1 << 15
    options = {"maxshape": (None, None), "chunks": (side, side), "compression": "gzip"}
    dense(file, 0, 2, shape=(2, 2), dtype="i1", **options)
    packed = zlib.compress(b"\2" * 100)
    file["layer/0/weight"].id.write_direct_chunk((0, 0), packed)


def a_chunk_that_inflates(file):
    """A chunk of 256 kB that holds 400 MB."""
    shape = (1 << 9, 1 << 9)
    dense(file, 0, 1 << 9, shape=shape, dtype="i1", chunks=shape, compression="gzip")
    file["layer/0/weight"].id.write_direct_chunk((0, 0), deflated())


def packed_twice(file):
    """400 MB in a kilobyte: a deflated deflate stream."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((1 << 10, 1 << 10))
    creation.set_deflate(9)
    creation.set_deflate(9)
    dense(file, 0, 1 << 10)
    space = h5py.h5s.create_simple((1 << 10, 1 << 10))
    h5py.h5d.create(file["layer/0"].id, b"weight", h5py.h5t.STD_I8LE, space, creation)
    file["layer/0/weight"].id.write_direct_chunk((0, 0), zlib.compress(deflated(), 9))


def scale_offset(file):
    """Zeros in no bits at all."""
    options = {"scaleoffset": 0, "chunks": (1 << 10, 1 << 10)}
    dense(file, 0, 1 << 10, data=np.zeros((1 << 10, 1 << 10), np.int8), **options)


def a_pool_of_many_channels(file):
    """A kernel of 8 x 8 for each of 262,144 channels."""
    channels = 1 << 18
    file["layer/0/type"], file["layer/0/shape"] = "input", [channels, 8, 8]
    window = {"stride": 8, "padding": 0, "dilation": 1}
    layer = {"type": "pool", "shape": [channels, 1, 1], "weight": np.full((1, 1, 8, 8), 2)}
    for name, value in (layer | window).items():
        file[f"layer/1/{name}"] = value
    cells(file, 1)


def a_long_shape(file):
    """Sixteen million numbers, of which an error should not print all."""
    shape = {"data": np.ones(1 << 24, np.int8), "chunks": (1 << 20,), "compression": "gzip"}
    file["layer/0/type"] = "input"
    file.create_dataset("layer/0/shape", **shape)


def many_input_neurons(file):
    """A weight for each pair of a million inputs and their neurons."""
    file["layer/0/type"], file["layer/0/shape"] = "input", [1 << 20]
    cells(file, 0)


def large_images(file):
    """A hundred layers of 16 million neurons."""
    file["layer/0/type"], file["layer/0/shape"] = "input", [1, 1 << 12, 1 << 12]
    window = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    for i in range(1, 100):
        layer = {"type": "conv", "shape": [1, 1 << 12, 1 << 12], "weight": [[[[2]]]]}
        for name, value in (layer | window).items():
            file[f"layer/{i}/{name}"] = value
        cells(file, i)


TOO_MUCH = "more than .* 33554432 bytes and 16 for each of the .* bytes of the file"
HOSTILE = {
    compressed_zeros: f"layer 1: 'weight' has shape .*: {TOO_MUCH}",
    absent_chunks: f"layer 0: 'weight' has shape .*: {TOO_MUCH}",
    one_data_set_in_many_layers: f"layer .*: 'weight' has shape .*: {TOO_MUCH}",
    one_large_chunk: rf"layer 0: 'weight' has shape \(2, 2\): {TOO_MUCH}",
    a_chunk_that_inflates: "layer 0: 'weight' has a chunk that holds more than it declares",
    packed_twice: r"layer 0: 'weight' is packed with \['deflate', 'deflate'\]",
    scale_offset: "layer 0: 'weight' is packed with .*scaleoffset.* h5repack -f NONE",
    a_pool_of_many_channels: f"layer 1: a kernel for each of 262144 channels: {TOO_MUCH}",
    a_long_shape: r"layer 0: shape \(1, 1, 1, 1\): expected \(inputs,\) or",
    many_input_neurons: f"layer 0: a weight for each pair of 1048576 inputs .*: {TOO_MUCH}",
    large_images: "layer 2: more than 16777216 neurons up to here",
}
MOST_BYTES = 250 << 20
"""A data set that is let through is there as read, converted, and turned for Keras."""

PROGRAM = """
import json, sys
from keras_slayer.export import LoihiSimulator

def memory(name):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(name))

LoihiSimulator(sys.argv[1])  # imports, and what HDF5 takes to start
results = []
for path in sys.argv[2:]:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the largest memory is that of now
    before = memory("VmRSS")
    try:
        LoihiSimulator(path)
        message = ""
    except ValueError as error:
        message = str(error)
    results.append([message, memory("VmHWM") - before])
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def read_apart(tmp_path_factory):
    """{name: (message, bytes by which the memory of the process grew at most)}."""
    folder = tmp_path_factory.mktemp("hostile")
    harmless = IntegerDense(even(np.random.default_rng(0), 4, 3), NEURON)
    netx.write(IntegerNetwork((4,), (harmless,)), folder / "harmless.net")
    paths = []
    for make in HOSTILE:
        paths.append(folder / f"{make.__name__}.net")
        with h5py.File(paths[-1], "w") as file:
            make(file)
        assert paths[-1].stat().st_size < 3 << 20
    command = [sys.executable, "-c", PROGRAM, folder / "harmless.net", *paths]
    # A limit, so that a failure here does not take the machine with it.
    limit = (6 << 30, 6 << 30)
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(done.stdout.splitlines()[-1])
    return dict(zip((make.__name__ for make in HOSTILE), results, strict=True))


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_small_files_take_little_memory(make, read_apart):
    message, grown = read_apart[make.__name__]
    assert grown < MOST_BYTES
    with pytest.raises(ValueError, match=HOSTILE[make]):
        raise ValueError(message)


@pytest.fixture
def sparse_weight():
    """Mostly zeros, so that it packs well."""
    weight = even(np.random.default_rng(0), 200, 300)
    weight[:, 10:] = 0
    return weight


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": (7, 11)},
        {"chunks": (64, 64)},
        {"fletcher32": True},
        {"dtype": "f2", "compression": "gzip"},
        {"dtype": ">f4"},
        {"dtype": ">i8", "compression": "gzip", "compression_opts": 9},
    ],
)
def test_packed_files_are_read(options, sparse_weight, write_net):
    path = write_net(IntegerNetwork((200,), (IntegerDense(sparse_weight, NEURON),)))
    with h5py.File(path, "a") as file:
        del file["layer/1/weight"]
        file["layer/1"].create_dataset("weight", data=sparse_weight.T, **options)
    (layer,) = read_net(path).layers
    np.testing.assert_array_equal(layer.weight, sparse_weight)
    assert layer.weight.dtype == np.int16


@pytest.mark.parametrize("value", [np.nan, np.inf, 255.5, 1e4])
def test_wrong_numbers_of_16_bits_are_found(value, write_net):
    path = write_net(
        IntegerNetwork((4,), (IntegerDense(even(np.random.default_rng(0), 4, 3), NEURON),))
    )
    with h5py.File(path, "a") as file:
        del file["layer/1/shape"], file["layer/1/weight"]
        file["layer/1/shape"] = np.array([3], np.float16)
        file["layer/1/weight"] = np.full((3, 4), value, np.float16)
    with pytest.raises(ValueError, match="layer 1: 'weight' must hold integers"):
        LoihiSimulator(path)


def test_large_data_sets_are_read_in_parts(write_net, monkeypatch):
    weight = even(np.random.default_rng(0), 30, 50)
    path = write_net(IntegerNetwork((30,), (IntegerDense(weight, NEURON),)))
    parts = []
    whole = hdf5.CheckedGroup._converted

    def converted(self, name, values, *arguments):
        parts.append(np.shape(values))
        return whole(self, name, values, *arguments)

    monkeypatch.setattr(hdf5, "ELEMENTS_AT_ONCE", 100)
    monkeypatch.setattr(hdf5.CheckedGroup, "_converted", converted)
    (layer,) = read_net(path).layers
    np.testing.assert_array_equal(layer.weight, weight)
    assert parts.count((3, 30)) == 16 and (2, 30) in parts
