"""Finding, building and loading the native library, and what happens where that fails."""

import os
import re
import shutil
import sys
import textwrap

import numpy as np
import processes
import pytest
import tensorflow as tf

from keras_slayer import ops
from keras_slayer.ops import __main__ as command
from keras_slayer.ops import build, library

BAD_COMPILER = "/bin/false"


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """As in a new process with an empty cache and no library in the package; returns the cache."""
    package, cache = tmp_path / "package", tmp_path / "cache"
    package.mkdir()
    for variable in ("CXX", "KERAS_SLAYER_OPS", "KERAS_SLAYER_ISA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("KERAS_SLAYER_CACHE", str(cache))
    monkeypatch.setattr(library, "__file__", str(package / "library.py"))
    monkeypatch.setattr(library, "_loaded", None)
    return cache


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """A pretended g++ that is quick, and the file where it notes its command lines."""
    log, script = tmp_path / "commands.log", tmp_path / "fake-g++"
    script.write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        echo "$*" >> {log}
        case "$*" in *-shared*) sleep 0.5 ;; esac
        while [ $# -gt 1 ]; do
          if [ "$1" = -o ]; then echo compiled > "$2"; fi
          shift
        done
        """)
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return log


def test_name_follows_tensorflow_and_sources(monkeypatch, tmp_path):
    name = build.library_name("2.21.0")
    assert re.fullmatch(r"_native-tf2\.21\.0-[0-9a-f]{8}\.so", name)
    assert build.library_name("2.20.0") != name
    copy = tmp_path / "csrc"
    shutil.copytree(build.SOURCES, copy)
    monkeypatch.setattr(build, "SOURCES", copy)
    assert build.library_name("2.21.0") == name
    with open(copy / "dynamics.h", "a") as file:
        file.write("// changed\n")
    assert build.library_name("2.21.0") != name


def test_the_package_comes_before_the_cache(fresh):
    name = build.library_name(tf.__version__)
    assert library.find_library() is None
    for other in ("_native-tf0.0.0-00000000.so", name.replace(tf.__version__, "0.0.0")):
        fresh.mkdir(exist_ok=True)
        (fresh / other).touch()
    assert library.find_library() is None
    (fresh / name).touch()
    assert library.find_library() == fresh / name
    packaged = fresh.parent / "package" / name
    packaged.touch()
    assert library.find_library() == packaged


def test_cache_is_in_the_home_folder_by_default(monkeypatch):
    monkeypatch.delenv("KERAS_SLAYER_CACHE", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(library.cache_folder()) == "/home/someone/.cache/keras_slayer"


def test_every_source_is_compiled_for_every_instruction_set(compiler, tmp_path):
    flags = build.TensorFlowFlags("9.9", ["-Ihas-tensorflow", "-std=c++99", "-DABI"], ["-ltf"])
    build.build_library(tmp_path / "deep" / "out.so", flags)
    *compiles, link = [line.split() for line in compiler.read_text().splitlines()]
    kernels = [line for line in compiles if "_cpu.cc" in line[-3]]
    glue = [line for line in compiles if line[-3].endswith("_op.cc")]
    sets = {flag for line in kernels for flag in line if flag.startswith("-DKS_ISA=")}
    assert sets == {f"-DKS_ISA={isa}" for isa in build.INSTRUCTION_SETS["x86_64"]}
    assert len(kernels) == len(sets) * len(list(build.SOURCES.glob("*_cpu.cc")))
    assert len(glue) == len(list(build.SOURCES.glob("*_op.cc")))
    for line in kernels:
        assert "-ffp-contract=off" in line and "-isystemhas-tensorflow" not in line
    for line in glue:  # TensorFlow's flags but for the language standard, which is ours
        assert {"-isystemhas-tensorflow", "-DABI", "-std=c++17"} <= set(line)
        assert "-std=c++99" not in line
    assert "-ltf" in link and "-shared" in link
    assert len([word for word in link if word.endswith(".o")]) == len(compiles)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out.so"]


@pytest.mark.parametrize(
    ("cxx", "cause"),
    [(BAD_COMPILER, "/bin/false .* failed"), ("no-such-g++", "'no-such-g..' is not on the PATH")],
)
def test_without_a_compiler_one_warning_and_the_reference(fresh, monkeypatch, cxx, cause):
    monkeypatch.setenv("CXX", cxx)
    with pytest.warns(RuntimeWarning) as caught:
        assert ops.backend() == "reference"
    (warning,) = caught
    message = re.sub(r"\s+", " ", str(warning.message))
    assert re.search(f"reference ops, many times slower: .*{cause}", message)
    for remedy in ("apt install g++", "python -m keras_slayer.ops build", "KERAS_SLAYER_OPS"):
        assert remedy in message
    # Not again (a second warning would be an error here), and the ops work.
    spikes, _ = ops.cuba(np.ones((1, 4, 2), np.float32))
    assert np.sum(spikes) > 0
    assert not list(fresh.glob("*.so"))


def test_compile_errors_are_shown(fresh, monkeypatch, tmp_path):
    script = tmp_path / "broken-g++"
    script.write_text('#!/bin/sh\necho "x.cc:1:2: error: no such thing" >&2\nexit 1\n')
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with pytest.raises(build.BuildError, match=r"x\.cc:1:2: error: no such thing"):
        library.build_into_cache()


def test_a_cache_that_cannot_be_written(fresh, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_SLAYER_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(build.BuildError, match=r"cannot write to the cache: .*file"):
        library.build_into_cache()


def test_a_library_that_does_not_load(fresh, compiler):
    """What the pretended compiler makes is no library."""
    with pytest.warns(RuntimeWarning, match="reference ops.*native.*\\.so"):
        assert ops.backend() == "reference"


def test_environment_forces_a_backend(fresh, monkeypatch):
    monkeypatch.setenv("CXX", BAD_COMPILER)
    monkeypatch.setenv("KERAS_SLAYER_OPS", "reference")
    assert ops.backend() == "reference"  # without a warning, which would be an error here
    monkeypatch.setattr(library, "_loaded", None)
    monkeypatch.setenv("KERAS_SLAYER_OPS", "native")
    with pytest.raises(RuntimeError, match=r"native ops are not available: /bin/false"):
        ops.backend()


@pytest.mark.parametrize("variable", ["KERAS_SLAYER_OPS", "KERAS_SLAYER_ISA"])
def test_environment_with_a_typing_error(fresh, monkeypatch, variable):
    monkeypatch.setenv(variable, "bad")
    with pytest.raises(ValueError, match=rf"{variable} must be .* or unset. Received: .*='bad'"):
        ops.backend()


def test_two_processes_build_once(fresh, compiler, monkeypatch, tmp_path):
    program = (
        "from keras_slayer.ops import library; "
        f"library.__file__ = {library.__file__!r}; print(library.build_into_cache())"
    )
    variables = {name: os.environ[name] for name in ("CXX", "KERAS_SLAYER_CACHE")}
    both = [processes.start("-c", program, **variables) for _ in range(2)]
    target = fresh / build.library_name(tf.__version__)
    assert [processes.output_of(process).strip() for process in both] == [str(target)] * 2
    links = [line for line in compiler.read_text().splitlines() if "-shared" in line]
    assert len(links) == 1
    assert target.read_text() == "compiled\n"
    assert {path.suffix for path in fresh.iterdir()} == {".so", ".lock"}


def run_command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["keras_slayer.ops", *arguments])
    command.main()


def test_command_reports_and_builds(fresh, compiler, monkeypatch, capsys):
    monkeypatch.setattr(tf, "load_op_library", lambda path: path)
    run_command(monkeypatch, "build")
    out, errors = capsys.readouterr()
    target = fresh / build.library_name(tf.__version__)
    assert "compiling the native ops" in errors and "compiled in" in errors
    assert out.splitlines() == [
        f"tensorflow  {tf.__version__}",
        "backend     native",
        f"library     {target}",
        f"cache       {fresh}",
    ]
    run_command(monkeypatch, "build")  # there is nothing left to do
    assert capsys.readouterr() == (out, "")


def test_command_says_why_it_cannot_build(fresh, monkeypatch, capsys):
    monkeypatch.setenv("CXX", BAD_COMPILER)
    with pytest.raises(SystemExit) as stop:
        run_command(monkeypatch, "build")
    assert stop.value.code == 1
    assert "cannot be compiled: /bin/false" in capsys.readouterr().err


def test_command_as_a_module():
    out = processes.output_of(
        processes.start("-m", "keras_slayer.ops", KERAS_SLAYER_OPS="reference")
    )
    assert f"tensorflow  {tf.__version__}\nbackend     reference\n" in out
