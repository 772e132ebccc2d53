"""Finding and loading the native library, and what happens where that fails."""

import dataclasses
import json
import re

import keras
import numpy as np
import processes
import pytest
import tensorflow as tf

import keras_slayer as ks
from keras_slayer import ops
from keras_slayer.ops import build, cache, library, record

BAD_COMPILER = "/bin/false"


def make_library(path, content=b"a library"):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    record.write(path)


def test_the_package_comes_before_the_cache(fresh):
    name, processor = build.library_name(tf.__version__), build.processor_set()
    assert library.find_library() is None
    for other in ("_native-tf0.0.0-00000000.so", name.replace(tf.__version__, "0.0.0"), name):
        make_library(fresh / other)
    assert library.find_library() is None
    cached = fresh / build.library_name(tf.__version__, processor)
    make_library(cached)
    assert library.find_library() == cached
    packaged = fresh.parent / "package" / name
    make_library(packaged)
    assert library.find_library() == packaged
    packaged.write_bytes(b"a library")
    assert library.find_library() == packaged  # as it was written
    packaged.write_bytes(b"a librarz")
    assert library.find_library() == cached
    assert library.damaged_libraries() == {packaged: "its content is not what was compiled"}


def test_faults_of_a_file(tmp_path):
    path = tmp_path / "lib.so"
    assert "lib.so.json is missing or damaged" in record.fault(path)
    make_library(path, b"content")
    assert record.fault(path) == "" and record.read(path)["size"] == 7
    for text in ("", "[]", "{", '{"size": 7}'):
        record.path_of(path).write_text(text)
        assert "lib.so.json is missing or damaged" in record.fault(path)
    record.write(path)
    path.write_bytes(b"cont")
    assert record.fault(path) == "it has 4 bytes instead of 7"
    path.unlink()
    assert record.fault(path) == "it cannot be read (No such file or directory)"


OTHER_FLAGS = {
    "version": lambda flags: dataclasses.replace(flags, version="2.20.0"),
    "layout": lambda flags: dataclasses.replace(flags, compile=["-DEIGEN_MAX_ALIGN_BYTES=16"]),
}


@pytest.mark.parametrize("other", OTHER_FLAGS)
def test_a_library_of_another_tensorflow_is_not_loaded(fresh, tiny_sources, capsys, other):
    """Even if its name fits, in the package or in the cache. That in the cache is replaced."""
    flags = cache.tensorflow_flags()
    packaged, cached = library.packaged_library(), cache.cached_library()
    for path in (packaged, cached):
        build.build_library(path, flags, build.processor_set())
        record.write(path, OTHER_FLAGS[other](flags).built_for())
    assert library.find_library() is None
    defines = " ".join(flags.built_for()["defines"])
    why = library.damaged_libraries()[packaged]
    assert why.startswith("it was built for TensorFlow 2.2")
    assert why.endswith(f", and here is TensorFlow {tf.__version__} {defines}")
    assert library.load() == "native" and library.library_path() == cached
    assert f"{cached} is replaced: it was built for" in capsys.readouterr().err
    assert record.read(cached)["built_for"] == flags.built_for()
    record.write(packaged, flags.built_for())
    assert library.find_library() == packaged


def empty(path, folder):
    path.write_bytes(b"")


def foreign(path, folder):
    path.write_bytes(path.read_bytes()[::-1])


def without_record(path, folder):
    record.path_of(path).unlink()


def undefined_symbol(path, folder):
    """Whole, as its record says, but compiled for something else."""
    (folder / "instruction_set.cc").write_text("extern int absent; int chosen() { return absent; }")
    build.build_library(path, cache.tensorflow_flags(), build.processor_set())
    record.write(path)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (empty, "it has 0 bytes instead of"),
        (foreign, "its content is not what was compiled"),
        (without_record, "is missing or damaged"),
        (undefined_symbol, "it does not load"),
    ],
)
def test_a_damaged_library_is_compiled_again(fresh, tiny_sources, monkeypatch, capsys, damage, why):
    name = build.library_name(tf.__version__, build.processor_set())
    # The sources change below; the name must not.
    monkeypatch.setattr(build, "library_name", lambda version, only=None: name if only else "none")
    # Not opened here before: it would stay open, whatever becomes of the file.
    assert cache.build_into_cache() == fresh / name
    capsys.readouterr()
    whole, good = record.read(fresh / name), read_all(tiny_sources)
    damage(fresh / name, tiny_sources)
    for path, text in good.items():
        path.write_text(text)
    assert library.load() == "native" and library.library_path() == fresh / name
    assert record.fault(fresh / name) == "" and record.read(fresh / name)["size"] == whole["size"]
    errors = capsys.readouterr().err
    assert f"{fresh / name} is replaced: " in errors and why in errors
    monkeypatch.setattr(library, "_loaded", None)
    assert library.load() == "native"
    assert capsys.readouterr().err == ""


def read_all(folder):
    return {path: path.read_text() for path in folder.rglob("*.cc")}


LOAD = """
import pathlib, sys
from keras_slayer.ops import build, library
build.SOURCES = pathlib.Path(sys.argv[1])
print(library.load(), library.library_path())
"""


@pytest.mark.parametrize("where", ["cache", "package"])
def test_a_library_cut_short_does_not_end_the_interpreter(fresh, tiny_sources, where):
    """Opening it would: SIGBUS. In a process of its own, therefore."""
    cached = cache.cached_library()
    broken = cached if where == "cache" else library.packaged_library()
    build.build_library(broken, cache.tensorflow_flags(), build.processor_set())
    record.write(broken)
    with open(broken, "r+b") as file:
        file.truncate(broken.stat().st_size // 2)
    program = f"from keras_slayer.ops import library\nlibrary.__file__ = {library.__file__!r}\n"
    process = processes.start("-c", program + LOAD, str(tiny_sources))
    assert processes.output_of(process).split() == ["native", str(cached)]
    assert record.fault(cached) == ""


def test_a_library_that_never_loads_is_compiled_once(fresh, tiny_sources, monkeypatch, capsys):
    (tiny_sources / "instruction_set.cc").write_text(
        "extern int absent; int chosen() { return absent; }"
    )
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=r"does not load: .*absent.* compiles it again"):
            assert ops.backend() == "reference"
        monkeypatch.setattr(library, "_loaded", None)
    assert capsys.readouterr().err.count("compiling the native ops") == 1
    target = cache.cached_library()
    assert "absent" in library.damaged_libraries()[target]
    with pytest.raises(build.BuildError, match="absent"):
        library.load_or_compile()  # asked to, it tries again
    assert capsys.readouterr().err.count("compiling the native ops") == 1


def test_a_packaged_library_that_does_not_load(fresh, tiny_sources):
    """It cannot be mended where it is; the cache has one then."""
    make_library(library.packaged_library(), b"no library at all")
    assert library.load() == "native"
    assert library.library_path() == cache.cached_library()


@pytest.mark.parametrize(
    ("cxx", "cause", "remedy"),
    [
        (BAD_COMPILER, "/bin/false .* failed", "Another compiler may help"),
        ("no-such-g++", "'no-such-g..' is not on the PATH", "apt install g"),
    ],
)
def test_without_a_compiler_one_warning_and_the_reference(
    fresh, monkeypatch, capsys, cxx, cause, remedy
):
    monkeypatch.setenv("CXX", cxx)
    with pytest.warns(RuntimeWarning) as caught:
        assert ops.backend() == "reference"
    (warning,) = caught
    message = re.sub(r"\s+", " ", str(warning.message))
    assert re.search(f"reference ops, many times slower: .*{cause}.*{remedy}", message)
    for help_ in ("python -m keras_slayer.ops build", "KERAS_SLAYER_OPS=reference"):
        assert help_ in message
    assert library.library_path() is None
    # Not again (a second warning would be an error here), and the ops work.
    spikes, _ = ops.cuba(np.ones((1, 4, 2), np.float32))
    assert np.sum(spikes) > 0
    assert not list(fresh.glob("*.so"))
    # Without a compiler it does not say first that it compiles, and touches no folder.
    assert ("compiling" in capsys.readouterr().err) == fresh.exists() == (cxx == BAD_COMPILER)


def test_a_cache_that_cannot_be_written(fresh, monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "cache"
    monkeypatch.setenv("KERAS_SLAYER_CACHE", str(folder))
    with pytest.warns(RuntimeWarning) as caught:
        assert ops.backend() == "reference"
    message = str(caught[0].message)
    assert f"the cache folder '{folder}' cannot be written: " in message
    assert "Set KERAS_SLAYER_CACHE to a folder that can be written" in message
    assert "g++" not in message and capsys.readouterr().err == ""


def test_environment_forces_a_backend(fresh, monkeypatch):
    monkeypatch.setenv("CXX", BAD_COMPILER)
    monkeypatch.setenv("KERAS_SLAYER_OPS", "reference")
    assert library.load() == "reference"  # without a warning, which would be an error here
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setenv("KERAS_SLAYER_OPS", "native")
    with pytest.raises(RuntimeError, match=r"native ops are not available: /bin/false"):
        library.load()


@pytest.mark.parametrize("variable", ["KERAS_SLAYER_OPS", "KERAS_SLAYER_ISA"])
def test_environment_with_a_typing_error(fresh, monkeypatch, variable):
    monkeypatch.setenv(variable, "bad")
    with pytest.raises(ValueError, match=rf"{variable} must be .* or unset. Received: .*='bad'"):
        ops.backend()


SERVE = """
import json, sys
import numpy as np
import keras_slayer as ks
import tensorflow as tf
folder, spikes = sys.argv[1], np.asarray(json.loads(sys.argv[2]), np.float32)
try:
    tf.saved_model.load(folder)
    message = ""
except Exception as error:
    message = str(error)
backend = ks.ops.load()
network = tf.saved_model.load(folder)
out = network.serve(spikes).numpy().tolist()
print(json.dumps({"message": message, "backend": backend, "out": out}))
"""


def test_a_saved_model_in_another_process(tmp_path):
    """``load`` makes the ops known; without it, TensorFlow cannot read the model."""
    weights = keras.initializers.RandomNormal(0.2, 0.5, seed=5)
    model = keras.Sequential(
        [
            keras.Input((12, 6)),
            ks.SpikingDense(4, ks.SRM(threshold=0.8), kernel_initializer=weights),
        ]
    )
    spikes = (np.random.default_rng(0).random((2, 12, 6)) < 0.4).astype("float32")
    expected = model.predict(spikes, verbose=0)
    model.export(tmp_path / "net", verbose=False)
    found = json.loads(
        processes.output_of(
            processes.start("-c", SERVE, str(tmp_path / "net"), json.dumps(spikes.tolist()))
        ).splitlines()[-1]
    )
    assert "Op type not registered 'KerasSlayer>" in found["message"]
    assert found["backend"] == "native"
    assert np.sum(expected) > 0
    np.testing.assert_array_equal(np.asarray(found["out"], np.float32), expected)
