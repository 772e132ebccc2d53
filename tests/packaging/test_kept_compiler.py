"""Objects that see no TensorFlow are compiled once for all of them."""

import os
import pathlib
import subprocess
import textwrap

import op_libraries
import tensorflow_releases
import wheel_tools

WRAPPER = wheel_tools.ROOT / "packaging" / "kept_compiler.sh"


def fake_compiler(folder):
    """Writes its arguments where it is told to, and notes each call."""
    script, log = folder / "fake-g++", folder / "calls"
    script.write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        echo "$*" >> {log}
        case "$*" in *broken*) exit 3;; esac
        while [ $# -gt 1 ]; do if [ "$1" = -o ]; then echo compiled > "$2"; fi; shift; done
        """)
    )
    script.chmod(0o755)
    return script, log


def test_what_is_kept(tmp_path):
    script, log = fake_compiler(tmp_path)
    objects = tmp_path / "objects"
    objects.mkdir()
    environment = {"KEPT_COMPILER": str(script), "KEPT_OBJECTS": str(objects)}

    def compile_(*arguments):
        output = tmp_path / "out"
        output.unlink(missing_ok=True)
        command = [WRAPPER, *arguments, "-o", output]
        code = subprocess.run(command, env={**os.environ, **environment}).returncode
        return code, output.read_text() if output.exists() else None

    def calls():
        return len(log.read_text().splitlines())

    for arguments in (["-c", "a.cc"], ["-O3", "-c", "a.cc"]):
        before = calls() if log.exists() else 0
        assert compile_(*arguments) == compile_(*arguments) == (0, "compiled\n")
        assert calls() == before + 1
    # What sees TensorFlow, and linking, is done each time.
    for arguments in (["-isystem/tf/include", "-c", "ops.cc"], ["-shared", "a.o"]):
        before = calls()
        assert compile_(*arguments) == compile_(*arguments) == (0, "compiled\n")
        assert calls() == before + 2
    assert compile_("-c", "broken.cc") == compile_("-c", "broken.cc") == (3, None)
    assert [path.suffix for path in objects.iterdir()] == [".o", ".o"]


def test_a_library_for_each_tensorflow(tmp_path, monkeypatch):
    """With a record that names it; compiled once."""
    script, log = fake_compiler(tmp_path)
    monkeypatch.setenv("CXX", str(script))
    unpacked = []

    def unpack(version, python, machine, cache):
        unpacked.append((version, python, machine))
        return wheel_tools.build.TensorFlowFlags(
            version, ["-Itf", *tensorflow_releases.DEFINES], ["-ltf"]
        )

    monkeypatch.setattr(tensorflow_releases, "unpack", unpack)
    made = [
        op_libraries.compile_for(version, "3.11", "aarch64", tmp_path / "cache")
        for version in ("2.18.0", "2.21.0", "2.21.0")
    ]
    assert unpacked == [("2.18.0", "3.11", "aarch64"), ("2.21.0", "3.11", "aarch64")]
    assert made[1] == made[2] and os.environ["CXX"] == str(script)
    for path, version in zip(made, ("2.18.0", "2.21.0"), strict=False):
        assert wheel_tools.tensorflow_of(path.name) == version and "-aarch64-" in path.name
        built_for = wheel_tools.record.read(path)["built_for"]
        assert built_for == {"tensorflow": version, "defines": sorted(tensorflow_releases.DEFINES)}
    lines = log.read_text().splitlines()
    seeing = [line for line in lines if "-isystemtf" in line]
    assert len(seeing) == 2 == len([line for line in lines if "-shared" in line])
    kernels = [line for line in lines if "_cpu.cc" in line]
    sources = list(pathlib.Path(wheel_tools.build.SOURCES).rglob("*_cpu.cc"))
    assert len(kernels) == len(sources) > 5  # once, and for the one instruction set of this kind
    assert not any("-mavx" in line for line in kernels)
