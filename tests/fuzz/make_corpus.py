"""Writes corpus/: a small file of every kind that is read. The fuzzers start from these.

    python tests/fuzz/make_corpus.py

Run it after a format is added or changed. Files of AEDAT 4 need the package faery, those of NIR
the package nir (both in the extra `test`).
"""

from __future__ import annotations

import io
import itertools
import pathlib

import faery
import h5py
import nir
import numpy as np

from keras_slayer.events import Events, formats, write_events
from keras_slayer.export.formats import netx
from keras_slayer.export.formats import nir as nir_of_chip
from keras_slayer.export.graph import (
    Connection,
    ConvSynapses,
    DenseSynapses,
    IntegerGraph,
    Population,
)
from keras_slayer.export.network import (
    IntegerConv,
    IntegerDense,
    IntegerFlatten,
    IntegerNetwork,
    IntegerNeuron,
)

CORPUS = pathlib.Path(__file__).parent / "corpus"
COUNT, HEIGHT, WIDTH = 120, 100, 200
NEURON = IntegerNeuron(1024, 128, 80)


def events(span: int = 60_000, rows: int = HEIGHT) -> Events:
    random = np.random.default_rng(0)
    return Events(
        x=random.integers(0, WIDTH, COUNT),
        y=random.integers(0, rows, COUNT),
        t=np.sort(random.integers(0, span, COUNT)),
        polarity=random.integers(0, 2, COUNT),
        sensor_shape=(HEIGHT, WIDTH),
    )


def table(one: Events) -> np.ndarray:
    """As Prophesee's CD/events."""
    rows = np.zeros(COUNT, [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
    rows["x"], rows["y"], rows["p"], rows["t"] = one.x, one.y, one.polarity, one.t
    return rows


def hdf5(fill) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver="latest") as file:
        fill(file)
    return memory.getvalue()


def prophesee(file) -> None:
    data = file.create_dataset("CD/events", data=table(events()), chunks=(64,), compression="gzip")
    data.attrs["geometry"] = f"{WIDTH}x{HEIGHT}"


def dsec(file) -> None:
    one = events()
    for name, column in {"x": one.x, "y": one.y, "p": one.polarity, "t": one.t}.items():
        file[f"events/{name}"] = column.astype("u4") if name == "t" else column
    file["t_offset"] = np.int64(50_000_000_000)
    file["ms_to_idx"] = np.arange(60, dtype="u8")


def evt21_words() -> np.ndarray:
    """Vectors of pixels, each after the high bits of its time."""
    one = events()
    t, x, y, sign = (c.astype("u8") for c in (one.t, one.x // 32 * 32, one.y, one.polarity))
    pixels = np.random.default_rng(4).integers(1, 1 << 8, COUNT).astype("u8")
    words = np.empty((COUNT, 2), "u8")
    words[:, 0] = np.uint64(8 << 60) | t >> 6 << 32
    words[:, 1] = sign << 60 | (t & 63) << 54 | x << 43 | y << 32 | pixels
    return words.ravel()


def event_files() -> dict[str, bytes]:
    found, one = {}, events()
    for entry in formats():
        if not entry.writes:
            continue
        path = CORPUS / f"{entry.name}{entry.suffixes[0]}"
        flat = Events(x=one.x, t=one.t, polarity=one.polarity)
        # Of EVT 3.0 long enough that its timer overflows.
        own = {"bs1": flat, "evt3": events(17_500_000)}.get(entry.name, one)
        write_events(path, own, format=entry.name)
        found[path.name] = path.read_bytes()
        path.unlink()
    random = np.random.default_rng(1)
    found["aedat2.aedat"] = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.DAVIS346B\r\n" + (
        np.stack([(random.integers(0, 260, 60) << 22) | (random.integers(0, 346, 60) << 12),
                  np.arange(60) * 500], 1).astype(">u4").tobytes()
    )  # fmt: skip
    for name, more in (("evt21", ""), ("evt21-legacy", "% endianness legacy\n")):
        head = f"% format EVT21;height={HEIGHT};width={WIDTH}\n{more}% end\n"
        words = evt21_words()
        if more:  # the halves of a word in the other order
            words = words << 32 | words >> 32
        found[f"{name}.raw"] = head.encode() + words.astype("<u8").tobytes()
    path = CORPUS / "aedat4.aedat4"
    array = np.zeros(COUNT, faery.EVENTS_DTYPE)
    array["t"], array["x"], array["y"], array["on"] = one.t, one.x, one.y, one.polarity
    faery.events_stream_from_array(array, dimensions=(WIDTH, HEIGHT)).to_file(
        path, file_type="aedat"
    )
    found[path.name] = path.read_bytes()
    path.unlink()
    found |= {"prophesee.h5": hdf5(prophesee), "dsec.h5": hdf5(dsec)}
    rows = zip(one.t[:40] / 1e6, one.x, one.y, one.polarity, strict=False)
    lines = "".join(f"{t:.6f} {x} {y} {p}\n" for t, x, y, p in rows)
    found["table.txt"] = f"# t x y p\n{lines}".encode()
    memory = io.BytesIO()
    np.savez(memory, events=table(one)[:60])
    found["table.npz"] = memory.getvalue()
    return found


def weights(*shape) -> np.ndarray:
    return (2 * np.random.default_rng(2).integers(-100, 127, shape)).astype(np.int16)


def net_files() -> dict[str, bytes]:
    dense = IntegerNetwork(
        (6,),
        (
            IntegerDense(weights(6, 4), NEURON, delay=np.full((6, 4), 3, np.uint8)),
            IntegerDense(weights(4, 2), NEURON, bias=np.array([5, -5], np.int32)),
        ),
    )
    image = IntegerNetwork(
        (6, 8, 2),
        (
            IntegerConv(weights(3, 3, 2, 4), NEURON, (1, 1), (1, 1)),
            IntegerConv(np.full((2, 2, 1, 4), 70, np.int16), NEURON, (2, 2), groups=4),
            IntegerFlatten(),
            IntegerDense(weights(48, 3), NEURON),
        ),
    )
    return {"dense.net": netx.to_bytes(dense), "image.net": netx.to_bytes(image)}


def chip_graph() -> IntegerGraph:
    """Windows, a dense population that feeds itself, and two outputs."""
    windows = ConvSynapses(weights(2, 2, 1, 2))
    return IntegerGraph(
        {"in": (4, 3, 1)},
        {
            "windows": Population((3, 2, 2), NEURON, (Connection("in", windows),)),
            "dense": Population(
                (3,),
                NEURON,
                (
                    Connection("windows", DenseSynapses(weights(12, 3))),
                    Connection("dense", DenseSynapses(weights(3, 3), np.full((3, 3), 2, np.uint8))),
                ),
                np.arange(3, dtype=np.int32),
            ),
        },
        ("windows", "dense"),
    )


def full(shape, value) -> np.ndarray:
    return np.full(shape, value, np.float32)


def lif(*shape) -> nir.LIF:
    return nir.LIF(full(shape, 1e-3), full(shape, 10), full(shape, 0), full(shape, 1))


def cuba(*shape) -> nir.CubaLIF:
    return nir.CubaLIF(
        full(shape, 4e-4), full(shape, 8e-4), full(shape, 8), full(shape, 0), full(shape, 1.5)
    )


def graph(shape, last, edges=(), **nodes) -> nir.NIRGraph:
    """A chain of nodes, and edges beside it."""
    nodes = {"input": nir.Input(np.array(shape)), **nodes, "output": nir.Output(np.array(last))}
    names = list(nodes)
    chain = list(itertools.pairwise(names))
    return nir.NIRGraph(nodes, [*chain, *edges], type_check=False)


def nir_files() -> dict[str, bytes]:
    random = np.random.default_rng(3)
    image = graph(
        [2, 6, 5],
        [3],
        conv=nir.Conv2d((6, 5), random.normal(size=(3, 2, 3, 3)).astype("f4"), 1, 1, 1, 1,
                        full(3, 0.1)),
        lif=lif(3, 6, 5),
        pool=nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        flatten=nir.Flatten({"input": np.array([3, 3, 2])}, 0, -1),
        affine=nir.Affine(random.normal(size=(3, 18)).astype("f4"), full(3, 0.5)),
        cuba=cuba(3),
    )  # fmt: skip
    loop = graph(
        [4],
        [3],
        [("lif", "back"), ("back", "lif")],
        linear=nir.Linear(random.normal(size=(3, 4)).astype("f4")),
        lif=lif(3),
    )
    loop.nodes["back"] = nir.Linear(random.normal(size=(3, 3)).astype("f4"))
    found = {"chip.nir": smaller(nir_of_chip.to_bytes(chip_graph()))}
    for name, one in {"image.nir": image, "loop.nir": loop}.items():
        path = CORPUS / name
        nir.write(path, one)
        found[name] = path.read_bytes() if one is loop else smaller(path.read_bytes())
        path.unlink()
    return found


def smaller(data: bytes) -> bytes:
    """The same in HDF5's newer form, with texts of fixed length: a tenth of the size."""

    def fill(file):
        def copy(name, item):
            if isinstance(item, h5py.Group):
                file.create_group(name)
            elif h5py.check_string_dtype(item.dtype) and item.size:
                file[name] = np.array(item[()]).astype("S")
            else:
                file[name] = item[()]

        with h5py.File(io.BytesIO(data)) as old:
            old.visititems(copy)

    return hdf5(fill)


def main() -> None:
    for kind, files in {"events": event_files(), "net": net_files(), "nir": nir_files()}.items():
        folder = CORPUS / kind
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for name, data in files.items():
            (folder / name).write_bytes(data)
            print(f"{len(data):7} {kind}/{name}")


if __name__ == "__main__":
    main()
