"""``make check-aarch64``: the native parts compiled for 64-bit ARM on this machine.

The ops are compiled and linked against TensorFlow's own aarch64 wheel, and so are the simulator and
the decoders. Every symbol of the ops must be found. Nothing is run: this needs such a machine.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import sys
import sysconfig

import op_libraries
import pybind11
from wheel_tools import ROOT, build, megabytes, run, say, supported_versions

MACHINE = "aarch64"
MODULES = {"_simulator": "keras_slayer/export/csrc", "_decoders": "keras_slayer/events/csrc"}


def machine_of(library: pathlib.Path) -> str:
    """The kind of machine that a library is for, as readelf names it."""
    header = run("readelf", "--file-header", library)
    return re.search(r"Machine: +(.*)", header)[1]


def compile_module(name: str, sources: str, folder: pathlib.Path) -> pathlib.Path:
    """A module of Python. Python's own symbols stay open: an extension finds them when loaded."""
    target = folder / f"{name}-{MACHINE}.so"
    include = [f"-I{pybind11.get_include()}", f"-I{sysconfig.get_path('include')}"]
    files = sorted(ROOT.glob(f"{sources}/*.cc"))
    options = ["-O3", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-shared", "-pthread"]
    run(build.compiler(), *options, *include, *files, "-o", target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(prog="make check-aarch64", description=__doc__)
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / ".packaging" / "cache")
    newest = supported_versions()["newest"]
    parser.add_argument("--tensorflow", default=newest["TensorFlow"])
    options = parser.parse_args()
    cache = options.cache.resolve()
    os.environ.setdefault("CXX", "aarch64-linux-gnu-g++")
    library = op_libraries.compile_for(options.tensorflow, newest["Python"], MACHINE, cache)
    made = [library, *(compile_module(name, path, cache) for name, path in MODULES.items())]
    for path in made:
        say(f"{path.name}: {machine_of(path)}, {megabytes(path)}")
        if machine_of(path) != "AArch64":
            sys.exit(f"{path} is not for {MACHINE}")
    say("Compiled and linked. Nothing of it was run.")


if __name__ == "__main__":
    main()
