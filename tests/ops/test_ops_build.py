"""Compiling the native library: what is compiled, into which file, and by how many processes."""

import os
import re
import shutil
import signal
import sys
import textwrap
import time

import processes
import pytest
import tensorflow as tf

from keras_slayer.ops import __main__ as command
from keras_slayer.ops import build, cache, library, progress, record

FLAGS = build.TensorFlowFlags("9.9", ["-Ihas-tensorflow", "-std=c++99", "-DABI"], ["-ltf"])


def test_name_follows_tensorflow_machine_and_sources(monkeypatch, tmp_path):
    name = build.library_name("2.21.0")
    assert re.fullmatch(r"_native-tf2\.21\.0-\w+-[0-9a-f]{8}\.so", name)
    assert build.library_name("2.20.0") != name
    assert build.library_name("2.21.0", "avx2") == f"{name[:-11]}avx2-{name[-11:]}"
    monkeypatch.setattr(build.platform, "machine", lambda: "aarch64")
    assert build.library_name("2.21.0") != name
    monkeypatch.undo()
    copy = tmp_path / "csrc"
    shutil.copytree(build.SOURCES, copy)
    monkeypatch.setattr(build, "SOURCES", copy)
    assert build.library_name("2.21.0") == name
    (copy / "deep").mkdir()
    (copy / "deep" / "new.h").write_text("// new\n")
    added = build.library_name("2.21.0")
    (copy / "deep").rename(copy / "moved")
    assert len({name, added, build.library_name("2.21.0")}) == 3


AVX2 = {"avx2", "fma", "f16c"}
AVX512 = AVX2 | {"avx512f", "avx512dq", "avx512bw", "avx512vl"}


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        (set(), "", "baseline"),
        ({"avx2", "fma"}, "", "baseline"),
        (AVX2, "", "avx2"),
        (AVX2, "avx512", "avx2"),
        (AVX512 - {"avx512bw"}, "", "avx2"),
        (AVX512, "", "avx512"),
        (AVX512, "avx2", "avx2"),
        (AVX512, "baseline", "baseline"),
    ],
)
def test_instruction_set_of_a_processor(monkeypatch, flags, limit, expected):
    monkeypatch.setattr(build.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(build, "processor_flags", lambda: flags)
    assert build.processor_set(limit) == expected
    monkeypatch.setenv("KERAS_SLAYER_ISA", limit)
    assert f"-x86_64-{expected}-" in cache.cached_library().name


def test_cache_is_in_the_home_folder_by_default(monkeypatch):
    monkeypatch.delenv("KERAS_SLAYER_CACHE", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(cache.cache_folder()) == "/home/someone/.cache/keras_slayer"


@pytest.mark.parametrize("only", [None, "avx2"])
def test_every_source_is_compiled(compiler, monkeypatch, tmp_path, only):
    monkeypatch.setattr(build.platform, "machine", lambda: "x86_64")
    together = []
    run = build._run

    def keep(commands, folder, progress):
        together.extend(path.read_text() for path in folder.glob("ops.cc"))
        run(commands, folder, progress)

    monkeypatch.setattr(build, "_run", keep)
    build.build_library(tmp_path / "deep" / "out.so", FLAGS, only)
    *compiles, link = [line.split() for line in compiler.read_text().splitlines()]
    kernels = [line for line in compiles if line[-3].endswith("_cpu.cc")]
    (glue,) = [line for line in compiles if line[-3].endswith("/ops.cc")]
    sets = {flag for line in kernels for flag in line if flag.startswith("-DKS_ISA=")}
    wanted = [only] if only else build.INSTRUCTION_SETS["x86_64"]
    assert sets == {f"-DKS_ISA={isa}" for isa in wanted}
    assert len(kernels) == len(sets) * len(list(build.SOURCES.rglob("*_cpu.cc")))
    included = re.findall(r'#include "(.*)"', together[0])
    ops = [str(path.relative_to(build.SOURCES)) for path in build.SOURCES.rglob("*_op.cc")]
    assert len(ops) > 1 and sorted(included) == sorted(ops)
    for line in kernels:
        assert "-ffp-contract=off" in line and "-isystemhas-tensorflow" not in line
    # TensorFlow's flags but for the language standard, which is ours.
    assert {"-isystemhas-tensorflow", "-DABI", "-std=c++17"} <= set(glue)
    assert "-std=c++99" not in glue
    (dispatch,) = [line for line in compiles if line[-3].endswith("instruction_set.cc")]
    assert ("-DKS_ONLY_ISA=avx2" in dispatch) == (only == "avx2")
    assert "-ltf" in link and "-shared" in link
    assert len([word for word in link if word.endswith(".o")]) == len(compiles)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out.so"]


def script(path, text):
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)
    return str(path)


def test_compile_errors_are_shown(fresh, monkeypatch, tmp_path):
    broken = """\
        #!/bin/sh
        for i in 1 2 3 4 5 6; do echo "x.cc:9:9: warning: tsl::errors::Internal is old" >&2; done
        echo "x.cc:1:2: error: no such thing" >&2
        exit 1
        """
    monkeypatch.setenv("CXX", script(tmp_path / "broken-g++", broken))
    with pytest.raises(build.BuildError, match=r"failed:\nx\.cc:1:2: error: no such thing$"):
        cache.build_into_cache()


def test_a_compiler_that_is_no_program(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", script(tmp_path / "odd-g++", "\0"))
    with pytest.raises(build.BuildError, match=r"odd-g\+\+ does not run: Exec format error"):
        cache.build_into_cache()


def test_the_first_failure_ends_all(fresh, monkeypatch, tmp_path):
    slow = '#!/bin/sh\ncase "$*" in *ops.cc*) exit 1;; *) exec sleep 60;; esac\n'
    monkeypatch.setenv("CXX", script(tmp_path / "slow-g++", slow))
    monkeypatch.setattr(build, "cores", lambda: 3)
    start = time.monotonic()
    with pytest.raises(build.BuildError, match=r"ops\.cc .* failed"):
        cache.build_into_cache()
    assert time.monotonic() - start < 30
    assert [path.name for path in fresh.iterdir()] == ["build.lock"]


BUILD = """
from keras_slayer.ops import cache
print(cache.build_into_cache())
"""


@pytest.mark.parametrize("damaged", [False, True], ids=["none there", "damaged one there"])
def test_two_processes_build_once(fresh, compiler, damaged):
    target = cache.cached_library()
    if damaged:
        fresh.mkdir()
        target.write_text("compi")
    variables = {name: os.environ[name] for name in ("CXX", "KERAS_SLAYER_CACHE")}
    both = [processes.start("-c", BUILD, **variables) for _ in range(2)]
    assert [processes.output_of(process).strip() for process in both] == [str(target)] * 2
    links = [line for line in compiler.read_text().splitlines() if "-shared" in line]
    assert len(links) == 1
    assert target.read_text() == "compiled\n" and record.fault(target) == ""
    assert {path.suffix for path in fresh.iterdir()} == {".so", ".json", ".lock"}


def test_what_a_killed_build_leaves_is_removed(fresh, compiler, monkeypatch, tmp_path):
    variables = {
        "CXX": script(tmp_path / "hanging-g++", "#!/bin/sh\nexec sleep 30\n"),
        "KERAS_SLAYER_CACHE": str(fresh),
    }
    killed = processes.start("-c", BUILD, **variables)
    deadline = time.monotonic() + 120
    while not list(fresh.glob(".building-*/*.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    (left,) = fresh.glob(".building-*")
    old = [fresh / "._native-tf2.21.0-76a680d7.so.123", fresh / "_native-tf2.21.0-76a680d7.lock"]
    other = fresh / "_native-tf2.20.0-76a680d7.so"
    for path in (*old, other):
        path.touch()
    target = cache.build_into_cache()
    assert not left.exists()
    assert {*fresh.iterdir()} == {target, record.path_of(target), other, fresh / "build.lock"}


def test_progress_in_plain_lines(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = progress.Progress()
    for second in range(12):
        now[0] = 100.0 + second
        shown(second, 20)
    shown.end()
    assert capsys.readouterr().err.splitlines() == [
        "keras_slayer: 5 of 20 parts compiled, 5 s",
        "keras_slayer: 10 of 20 parts compiled, 10 s",
    ]


def test_progress_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    shown = progress.Progress()
    shown(1, 20)
    shown.end()
    text = capsys.readouterr().err
    assert "\n" not in text and text.startswith("\rkeras_slayer: 1 of 20 parts compiled, 0 s")
    assert text.endswith("\r\x1b[K")


def run_command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["keras_slayer.ops", *arguments])
    command.main()


def test_command_reports_and_builds(fresh, tiny_sources, monkeypatch, capsys):
    head = [f"tensorflow  {tf.__version__}", f"package     {command.PACKAGE}"]
    run_command(monkeypatch)  # only says that there is none
    out, errors = capsys.readouterr()
    assert errors == "" and not fresh.exists()
    assert out.splitlines()[:2] == head and "backend     none yet: first use compiles it" in out
    run_command(monkeypatch, "build")
    out, errors = capsys.readouterr()
    target = cache.cached_library()
    assert "compiling the native ops" in errors and "compiled in" in errors
    assert out.splitlines()[:6] == [
        *head,
        "backend     native",
        f"library     {target}",
        f"cache       {fresh}",
        "gpu         none",
    ]
    run_command(monkeypatch, "build")  # there is nothing left to do
    assert capsys.readouterr() == (out, "")
    for path in (target, library.packaged_library()):
        path.write_bytes(b"")
    run_command(monkeypatch)
    assert f"not used    {target}: it has 0 bytes" in capsys.readouterr().out
    run_command(monkeypatch, "build")
    assert record.fault(target) == "" and library.find_library() == target
    assert f"not used    {library.packaged_library()}: " in capsys.readouterr().out


def test_command_says_why_it_cannot_build(fresh, monkeypatch, capsys):
    monkeypatch.setenv("CXX", "/bin/false")
    with pytest.raises(SystemExit) as stop:
        run_command(monkeypatch, "build")
    assert stop.value.code == 1
    assert "not available: /bin/false" in capsys.readouterr().err


def test_command_in_a_checkout_is_about_the_installed_package(tmp_path):
    shutil.copytree(
        command.PACKAGE, tmp_path / "keras_slayer", ignore=shutil.ignore_patterns("*.so*")
    )
    process = processes.start(
        "-m", "keras_slayer.ops", folder=tmp_path, KERAS_SLAYER_OPS="reference"
    )
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert f"The sources in {tmp_path / 'keras_slayer'} are ignored" in errors
    assert out.splitlines()[:3] == [
        f"tensorflow  {tf.__version__}",
        f"package     {command.PACKAGE}",
        "backend     reference",
    ]


def test_command_without_an_installed_package(monkeypatch):
    monkeypatch.setattr(command, "installed_package", lambda: None)
    with pytest.raises(SystemExit, match=r"not installed in this Python .* only its source tree"):
        command.use_installed_package()
