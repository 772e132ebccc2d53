"""GPU kernels in the cache: compiled once, whole, and by one process."""

import os
import pathlib
import time

import processes
import pytest

from keras_slayer.ops import build, record
from keras_slayer.ops.gpu import kernels, nvrtc


@pytest.fixture
def compiled(monkeypatch):
    """The parts that were compiled since the list was last cleared."""
    parts, compile_ = [], kernels.Kernels.compile

    def noted(self, part, *arguments):
        parts.append(part)
        return compile_(self, part, *arguments)

    monkeypatch.setattr(kernels.Kernels, "compile", noted)
    return parts


def test_files_are_named_as_the_library_looks_for_them():
    part = kernels.Part("neurons", "Half", 86)
    assert part.file == "neurons-Half-sm_86.cubin"
    driver = (build.SOURCES / "gpu" / "driver_op.cc").read_text()
    assert 'std::string(kernel.source) + "-" + type' in driver
    assert '"-sm_" + std::to_string(10 * major + minor)' in driver and '".cubin"' in driver
    names = (build.SOURCES / "gpu" / "driver.h").read_text()
    assert all(f'return "{type}";' in names for type in kernels.TYPES)


def test_compiled_once(fresh, tiny_kernels, compiled, capsys):
    here = kernels.Kernels(nvrtc.load())
    folder = here.compile_missing([75, 90])
    assert folder == here.folder() and folder.parent == fresh
    parts = kernels.parts([75, 90])
    assert len(parts) == 8 and set(compiled) == set(parts)
    for part in parts:
        assert record.fault(folder / part.file) == ""
        assert f"tiny_{part.type}".encode() in (folder / part.file).read_bytes()
    errors = capsys.readouterr().err
    assert "compiling the GPU kernels for sm_75, sm_90 with NVRTC" in errors
    assert errors.endswith(f" s: {folder}\n")
    compiled.clear()
    assert kernels.Kernels(nvrtc.load()).compile_missing([90, 75]) == folder
    assert compiled == [] and capsys.readouterr().err == ""
    here.compile_missing([75, 80])  # a card more
    assert {part.architecture for part in compiled} == {80} and len(compiled) == 4


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def change(path):
    path.write_bytes(path.read_bytes()[::-1])


def lose_record(path):
    record.path_of(path).unlink()


@pytest.mark.parametrize("damage", [cut, change, lose_record, pathlib.Path.unlink])
def test_a_damaged_file_is_compiled_again(fresh, tiny_kernels, compiled, damage):
    here, part = kernels.Kernels(nvrtc.load()), kernels.Part("tiny", "double", 90)
    path = here.compile_missing([90]) / part.file
    whole = path.read_bytes()
    compiled.clear()
    damage(path)
    assert here.missing([90]) == [part]
    here.compile_missing([90])
    assert compiled == [part] and path.read_bytes() == whole and record.fault(path) == ""


def test_the_folder_follows_compiler_options_and_sources(fresh, tiny_kernels, monkeypatch):
    here = kernels.Kernels(nvrtc.load())
    folders = [here.folder()]
    assert folders[0].name.startswith("gpu-nvrtc{}.{}-".format(*nvrtc.load().version))
    with monkeypatch.context() as patch:
        patch.setattr(here.nvrtc, "version", (11, 8))
        folders.append(here.folder())
    monkeypatch.setattr(kernels, "OPTIONS", [*kernels.OPTIONS, "--fmad=true"])
    folders.append(kernels.Kernels(nvrtc.load()).folder())
    for name in ("gpu/tiny.cu", "deep/new.h"):
        (tiny_kernels / name).parent.mkdir(exist_ok=True)
        with open(tiny_kernels / name, "a") as file:
            file.write("// new\n")
        folders.append(kernels.Kernels(nvrtc.load()).folder())
    assert len(set(folders)) == 5
    (tiny_kernels / "more_op.cc").write_text("// of the CPU\n")
    assert kernels.Kernels(nvrtc.load()).folder() == folders[-1]


def test_the_first_error_ends_all(fresh, tiny_kernels, compiled, monkeypatch):
    (tiny_kernels / "gpu" / "wrong.cu").write_text("nonsense;\n" + "//\n" * 500)
    monkeypatch.setattr(build, "cores", lambda: 1)
    here = kernels.Kernels(nvrtc.load())
    with pytest.raises(build.BuildError, match=r"does not compile gpu/wrong\.cu for sm_90:\n"):
        here.compile_missing([90])
    assert len(compiled) < 8  # the largest source comes first
    assert not list(here.folder().glob("*.cubin"))


def test_a_cache_that_cannot_be_written(fresh, tiny_kernels, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_SLAYER_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(build.BuildError, match=r"the cache folder '.*' cannot be written") as error:
        kernels.Kernels(nvrtc.load()).compile_missing([90])
    assert "KERAS_SLAYER_CACHE" in error.value.remedy


def test_kernels_that_are_long_unused_are_removed(fresh, tiny_kernels):
    old, recent, other = (fresh / n for n in ("gpu-nvrtc11.8-a", "gpu-nvrtc12.0-b", "older"))
    for folder in (old, recent, other):
        folder.mkdir(parents=True)
        (folder / "kernel.cubin").touch()
    day = 24 * 3600
    for folder, days in ((old, 91), (recent, 89), (other, 1000)):
        os.utime(folder, (time.time() - days * day,) * 2)
    here = kernels.Kernels(nvrtc.load())
    folder = here.compile_missing([90])
    assert not old.exists() and recent.exists() and other.exists()
    os.utime(folder, (0, 0))
    here.compile_missing([90])  # nothing is compiled, but it is used
    assert time.time() - folder.stat().st_mtime < day


def test_a_newer_card_of_a_known_generation_runs_the_nearest_code(fresh, tiny_kernels):
    compiler = nvrtc.load()
    assert [compiler.nearest(a) for a in (90, 91, 47)] == [90, 90, None]
    here, newer = kernels.Kernels(compiler), kernels.Part("tiny", "float", 91)
    assert here.compile(newer).code == here.compile(kernels.Part("tiny", "float", 90)).code
    assert (here.compile_missing([91]) / newer.file).is_file()


TOGETHER = """
import pathlib, sys, time
from keras_slayer.ops import build
from keras_slayer.ops.gpu import kernels, nvrtc
build.SOURCES, ready = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
compile_ = kernels.Kernels.compile
def slow(*arguments):
    time.sleep(0.5)
    return compile_(*arguments)
kernels.Kernels.compile = slow
here = kernels.Kernels(nvrtc.load())
(ready / sys.argv[3]).touch()
while len(list(ready.iterdir())) < 2:
    time.sleep(0.01)
print(here.compile_missing([90]))
"""


def test_two_processes_compile_once(fresh, tiny_kernels, tmp_path):
    (tmp_path / "ready").mkdir()
    arguments = ("-c", TOGETHER, str(tiny_kernels), str(tmp_path / "ready"))
    started = [processes.start(*arguments, name) for name in "ab"]
    ended = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    assert sum(errors.count("compiling the GPU kernels") for _, errors in ended) == 1
    (folder,) = {out.strip() for out, _ in ended}
    assert len([name for name in os.listdir(folder) if name.endswith(".cubin")]) == 4
