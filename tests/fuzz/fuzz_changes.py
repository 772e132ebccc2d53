"""Damage at random: to bytes, and to what an HDF5 file or an archive of NumPy says.

The same random numbers make the same changes. (In what HDF5 writes, the bytes between the data may
differ.)
"""

from __future__ import annotations

import contextlib
import io
import random
import zipfile
import zlib

import h5py
import numpy as np

EDGES = (0, 1, 2, *(2**bits - less for bits in (7, 8, 15, 16, 31, 32, 63, 64) for less in (0, 1)))
WORDS = (
    *(
        b"nan",
        b"inf",
        b"-1",
        b"1e400",
        b"99999999999999999999",
        b"",
        b"0x10",
        b"1_0",
        b"1.5",
        b"-0",
    ),
    *(b'"', b"#", b",,", b"\n\n", b"\x00", b"\xff\xfe", b"%", b"t,x,y,p", b"\xd9\xa3"),
)
BROKEN = (OSError, RuntimeError, ValueError, KeyError, EOFError, NotImplementedError,
          zipfile.BadZipFile, zlib.error)  # fmt: skip
MOST_BYTES = 1 << 16
GIANT = 1 << 40


def mutated(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A damaged copy of ``data``; ``others`` are files to take parts of."""
    if data[:4] == b"\x89HDF" and rng.random() < 0.6:
        data = _harmed_hdf5(rng, data)
    elif data[:2] == b"PK" and rng.random() < 0.5:
        with contextlib.suppress(*BROKEN):  # changed before, by another's hand (fuzz_guided.py)
            data = _harmed_archive(rng, data)
    if rng.random() < 0.7 or data[:4] not in (b"\x89HDF", b"PK\x03\x04"):
        for _ in range(rng.choice((1, 1, 1, 2, 4, 8, 16))):
            data = rng.choice(CHANGES)(rng, data, others)
    return data[:MOST_BYTES]


def _place(rng, data, size=0) -> int:
    """Often in the head of the file, where what counts is."""
    last = max(len(data) - size, 0)
    return min(int(rng.expovariate(1 / 64)), last) if rng.random() < 0.3 else rng.randint(0, last)


def _flip(rng, data, others):
    if not data:
        return data
    data, at = bytearray(data), _place(rng, data, 1)
    data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def _byte(rng, data, others):
    at = _place(rng, data, 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _edge(rng, data, others):
    """A number at the edge of its type, in one of both orders of bytes."""
    size = rng.choice((1, 2, 4, 8))
    value = (rng.choice(EDGES) + rng.choice((0, 0, 1, -1))) % (1 << 8 * size)
    at = _place(rng, data, size)
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


def _cut(rng, data, others):
    return data[: _place(rng, data)]


def _remove(rng, data, others):
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 2, 4, rng.randint(1, 64))) :]


def _repeat(rng, data, others):
    at, size = _place(rng, data), rng.choice((1, 4, 16, 256))
    return data[:at] + data[at : at + size] * rng.randint(2, 40) + data[at + size :]


def _insert(rng, data, others):
    at = _place(rng, data)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 16))) + data[at:]


def _splice(rng, data, others):
    """Goes on as another file, from the same place or from any."""
    other = rng.choice(others) if others else data
    at = _place(rng, data)
    return data[:at] + other[at if rng.random() < 0.5 else _place(rng, other) :]


def _word(rng, data, others):
    """For formats of text: something in place of a number."""
    at = _place(rng, data)
    end = next((i for i in range(at, len(data)) if data[i] in b", \t;\n="), len(data))
    return data[:at] + rng.choice(WORDS) + data[end:]


CHANGES = (
    *(_flip, _flip, _byte, _byte, _edge, _edge),
    *(_cut, _remove, _repeat, _insert, _splice, _word),
)


def random_array(rng: random.Random, like=None) -> np.ndarray:
    """Of a type, rank and size at random; or ``like`` another with some of its numbers changed."""
    source = np.random.default_rng(rng.randrange(1 << 32))
    if like is not None and like.size and like.dtype.kind in "iuf" and rng.random() < 0.6:
        array = np.array(like)
        value = rng.choice((0, -1, 1, 63, 300, 2**31, -(2**63), float("nan"), float("inf"), 0.5))
        if array.dtype.kind != "f":
            value = 7 if value != value or abs(value) == float("inf") else int(value)
            info = np.iinfo(array.dtype)
            value = min(max(value, info.min), info.max)
        array.reshape(-1)[source.integers(0, array.size, rng.choice((1, array.size)))] = value
        return array
    shape = tuple(rng.choice((0, 1, 1, 2, 3, 7, 40)) for _ in range(rng.randint(0, 4)))
    kind = rng.choice(("u1", "i2", "<i8", ">u4", "u8", "f2", "f4", "f8", "c16", "S5", "?", "V3"))
    if kind[0] in "SV":
        return np.full(shape, b"abc", kind)
    with np.errstate(all="ignore"):
        return source.normal(0, rng.choice((1, 100, 1e6)), shape).astype(kind)


def _harmed_hdf5(rng, data) -> bytes:
    memory = io.BytesIO(data)
    try:
        with h5py.File(memory, "r+") as file:
            for _ in range(rng.choice((1, 1, 2, 3))):
                names = []
                file.visit(names.append)
                if names:
                    _harm_member(rng, file, rng.choice(names), names)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):  # the library refused to
        return data
    return memory.getvalue()


def _harm_member(rng, file, name, names) -> None:
    item, way = file[name], rng.randrange(10)
    old = None
    if isinstance(item, h5py.Dataset) and item.dtype.kind in "iufb" and (item.size or 0) < 1 << 20:
        old = item[()]
    if way == 0:
        item.attrs[rng.choice(("geometry", "height", "width", "x"))] = rng.choice(
            ("0x0", "99999999x9", "3x4", -1, np.zeros(3), b"\xff")
        )
        return
    other = file[rng.choice(names)]
    if way == 1 and other.name != item.name:
        del file[name]
        file[name] = other  # one under two names, a circle
        return
    del file[name]
    if way == 2:
        file[name] = rng.choice((h5py.SoftLink("/"), h5py.ExternalLink("/etc/passwd", "/")))
    elif way == 3:
        file.create_group(name + rng.choice(("", "/x", "/x" * 40)))
    elif way == 4:
        shape = rng.choice(((GIANT,), (1 << 31, 8), (1 << 24,), (9, 9)))
        chunks = tuple(min(n, 8) for n in shape)
        file.create_dataset(name, shape, rng.choice(("f4", "i8", "u1")), chunks=chunks)
    elif way == 5:
        file[name] = rng.choice(("x", "CUBA", "conv", "x" * 5000, "", b"\xff\x00"))
    elif way == 6:
        file[name] = h5py.Empty("f")
    elif way == 7:
        array = np.zeros(1 << 18, rng.choice(("u1", "i8")))  # a thousandth of it is in the file
        file.create_dataset(name, data=array, compression="gzip", compression_opts=9)
    elif way == 8 and old is not None:
        file.create_dataset(name, data=np.resize(old, rng.choice(((1,), (2, 2), (200,), (0,)))))
    elif way > 4:
        file[name] = random_array(rng, old)


def _harmed_archive(rng, data) -> bytes:
    """An array of a .npz file replaced, or a member that is no array."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", 8) as new:
        names = old.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = old.read(name)
            if name == chosen:
                array = io.BytesIO()
                np.save(array, random_array(rng, np.load(io.BytesIO(content))))
                content = array.getvalue()
                if rng.random() < 0.3:
                    content = rng.choice(CHANGES)(rng, content, [])
                name = rng.choice((name, name, name, "x", "../x.npy", "arr.npy"))
            new.writestr(name, content)
    return out.getvalue()
