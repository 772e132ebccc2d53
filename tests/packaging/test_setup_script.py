"""setup.py: which op libraries it puts into the package."""

import importlib.util
import pathlib
import sys
import types

import pytest
import wheel_tools

from keras_slayer.ops import build, record


class PlainBuildExt:
    """In place of setuptools' own, which compiles the extension modules."""

    inplace = False

    def run(self):
        self.folder = pathlib.Path(self.build_lib, "keras_slayer", "ops")
        self.folder.mkdir(parents=True)

    def announce(self, text, level):
        self.said = text


@pytest.fixture
def script(monkeypatch):
    """setup.py as a module, without setuptools and pybind11."""
    names = ("pybind11", "pybind11.setup_helpers", "setuptools", "setuptools.command")
    modules = {name: types.ModuleType(name) for name in (*names, "setuptools.command.build_ext")}
    modules["pybind11.setup_helpers"].Pybind11Extension = lambda name, sources, **options: name
    modules["setuptools"].setup = lambda **options: None
    modules["setuptools.command.build_ext"].build_ext = PlainBuildExt
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.chdir(wheel_tools.ROOT)
    monkeypatch.delenv("KERAS_SLAYER_PREBUILT", raising=False)
    spec = importlib.util.spec_from_file_location("setup_script", "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script, build_lib):
    command = script.BuildNative()
    command.build_lib = build_lib
    command.run()
    return command, sorted(path.name for path in command.folder.iterdir())


FLAGS = build.TensorFlowFlags("2.99.0", ["-Itf", "-DABI=1"], ["-ltf"])


@pytest.mark.parametrize("flags", [FLAGS, None], ids=["TensorFlow", "no TensorFlow"])
def test_from_source(script, monkeypatch, tmp_path, flags):
    """For the TensorFlow that is there, with its record; or nothing, and first use compiles."""
    load = script.load
    compiled = []

    def load_one(name):
        module = load(name)
        if name == "ops/build":
            module.installed_tensorflow = lambda: flags
            module.build_library = lambda target, flags: (
                compiled.append(flags),
                target.write_text("compiled"),
            )
        return module

    monkeypatch.setattr(script, "load", load_one)
    command, files = run(script, tmp_path)
    name = build.library_name("2.99.0")
    if flags is None:
        assert files == [] and "the ops compile on first use" in command.said
        return
    assert compiled == [FLAGS] and files == [name, f"{name}.json"]
    assert record.fault(command.folder / name, FLAGS.built_for()) == ""
    # Again: there is nothing to do. For another TensorFlow: compiled again.
    command.compile_ops(command.folder)
    assert len(compiled) == 1
    record.write(command.folder / name, {"tensorflow": "2.98.0", "defines": []})
    command.compile_ops(command.folder)
    assert len(compiled) == 2


def test_libraries_for_a_wheel(script, monkeypatch, tmp_path):
    paths = [tmp_path / build.library_name(version) for version in ("2.18.0", "2.21.0")]
    for path in paths:
        path.write_text(path.name)
        record.write(path, FLAGS.built_for())
    monkeypatch.setenv("KERAS_SLAYER_PREBUILT", ":".join(map(str, paths)))
    command, files = run(script, tmp_path / "first")
    assert files == sorted([path.name + end for path in paths for end in ("", ".json")])
    assert all(record.fault(command.folder / path.name) == "" for path in paths)
    paths[1].write_text("other")
    with pytest.raises(SystemExit, match=r"2\.21\.0.* cannot be packed: it has 5 bytes"):
        run(script, tmp_path / "second")
    monkeypatch.setenv("KERAS_SLAYER_PREBUILT", "")
    assert run(script, tmp_path / "third")[1] == []
