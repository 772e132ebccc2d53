"""from_nir: damaged and hostile files."""

import importlib
import sys

import h5py
import nir
import numpy as np
import pytest
from damage import damaged
from test_nir_refusals import graph_of, lif

from keras_slayer.export import from_nir
from keras_slayer.export.formats import nir_file, nir_graph


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.nir"
    nodes = {"in": nir.Input(np.array([3])), "w": nir.Linear(np.eye(3)), "lif": lif()}
    nir.write(path, graph_of(nodes | {"out": nir.Output(np.array([3]))}))
    return path


def put(group, name, data, **options):
    del group[name]
    group.create_dataset(name, data=data, **options)


BIG = 2**40
HARM = {
    "no graph": (lambda f: f.move("node", "other"), "the group 'node' is missing"),
    "no nodes": (lambda f: f["node"].pop("nodes"), "it has no nodes"),
    "no edges": (lambda f: f["node"].pop("edges"), "it has no edges"),
    "edges of numbers": (lambda f: put(f["node"], "edges", np.ones((2, 2))), "it has no edges"),
    "no type": (lambda f: f["node/nodes/w"].pop("type"), r"w \(no type\)"),
    "type of numbers": (lambda f: put(f["node/nodes/w"], "type", 3), r"w \(no type\)"),
    "no weight": (lambda f: f["node/nodes/w"].pop("weight"), "'weight' is missing"),
    "no threshold": (lambda f: f["node/nodes/lif"].pop("v_threshold"), "'v_threshold' is missing"),
    "text": (lambda f: put(f["node/nodes/lif"], "tau", "fast"), "'tau' holds no numbers"),
    "a group": (
        lambda f: (f["node/nodes/w"].pop("weight"), f["node/nodes/w"].create_group("weight")),
        "'weight' holds no numbers",
    ),
    "complex": (lambda f: put(f["node/nodes/w"], "weight", np.eye(3) + 1j), "numbers or text"),
    "nothing": (
        lambda f: put(f["node/nodes/w"], "weight", h5py.Empty("f")),
        "holds no data of its own",
    ),
    "declared only": (
        lambda f: put(f["node/nodes/w"], "weight", None, shape=(9, 9), dtype="f", chunks=(3, 3)),
        "declares shape .9, 9. but holds no data",
    ),
    "giant": (
        lambda f: put(f["node/nodes/w"], "weight", None, shape=(BIG,), dtype="f", chunks=(8,)),
        "more than 134217728 numbers",
    ),
    "long text": (lambda f: put(f["node/nodes/w"], "type", "x" * 5000), "a string of 5000 bytes"),
    "link": (
        lambda f: f["node/nodes"].__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")),
        "a link to elsewhere",
    ),
    "circle": (
        lambda f: f["node/nodes"].__setitem__("x", f["node"]),
        "is there under two names",
    ),
}


@pytest.mark.parametrize("name", HARM)
def test_files_that_lie(name, path):
    harm, what = HARM[name]
    with h5py.File(path, "r+") as file:
        harm(file)
    with pytest.raises(ValueError, match=what) as caught:
        from_nir(path)
    assert str(path) in str(caught.value)


def test_groups_within_groups(path):
    with h5py.File(path, "r+") as file:
        file.create_group("x" + "/x" * 30)
    with pytest.raises(ValueError, match="within more than 24 groups"):
        from_nir(path)


def test_members_are_counted(path, monkeypatch):
    monkeypatch.setattr(nir_file, "MAX_MEMBERS", 10)
    with pytest.raises(ValueError, match="one member too many: at most 10"):
        from_nir(path)
    monkeypatch.undo()
    monkeypatch.setattr(nir_graph, "MAX_NODES", 2)
    with pytest.raises(ValueError, match="it has 4 nodes; allowed: at most 2"):
        from_nir(path)


def test_damaged_files_are_errors_that_name_the_file(path):
    """Cut off, or with bytes changed; never another exception than the two."""
    good = path.read_bytes()
    failures = 0
    for data in damaged(good, changes=8):
        path.write_bytes(data)
        try:
            from_nir(path)
        except ValueError as error:
            failures += 1
            assert str(path) in str(error)
    assert failures > 20


def test_the_package_nir_is_not_needed(path, monkeypatch):
    for name in list(sys.modules):
        if name.startswith("keras_slayer.export.formats.nir_"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nir", None)
    reader = importlib.import_module("keras_slayer.export.formats.nir_reader")
    assert reader.from_nir is not from_nir
    assert reader.from_nir(path).output_shape == (None, None, 3)
