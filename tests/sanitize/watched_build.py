"""Compiles a copy of the package with a sanitizer, for watched.py."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

FLAGS = {
    # Casts of floats are not part of "undefined". Virtual tables are TensorFlow's, without types.
    "address": (
        "-fsanitize=address,undefined,float-cast-overflow",
        "-fno-sanitize=vptr",
        "-fsanitize-recover=all",
    ),
    "thread": ("-fsanitize=thread",),
}
# Of the ops alone, which include TensorFlow's headers. With these checks, addresses of functions
# are no constants to the compiler (GCC bug 71962), and the headers compare such. And where a
# sanitizer says that it is there, Protobuf and Abseil lay objects out otherwise than in
# TensorFlow's library.
OPS_FLAGS = (
    "-U__SANITIZE_ADDRESS__",
    "-U__SANITIZE_THREAD__",
    "-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute",
    "-fdelete-null-pointer-checks",
)
# Of the kernels: with checks of every pointer they take many minutes to compile. AddressSanitizer
# looks at what they point to.
KERNEL_FLAGS = ("-O1", "-fno-sanitize=null,alignment,object-size,pointer-overflow,return")


def compile_package(sanitizer: str, tree: pathlib.Path) -> str:
    """Puts a copy of the package with watched libraries into ``tree``.

    Returns the names of the folders with these libraries, which are others after a change to what
    they are made of. They are kept beside ``tree``, and compiled once.
    """
    ignored = shutil.ignore_patterns("*.so", "*.so.json", "__pycache__", ".building-*")
    for name in ("keras_slayer", "tests", "benchmarks", "examples"):
        shutil.rmtree(tree / name, ignore_errors=True)
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tree)

    from keras_slayer.ops import build, cache, record

    flags, tensorflow = FLAGS[sanitizer], cache.tensorflow_flags()
    isa = build.processor_set()
    ops = tree.parent / f"ops-{build.sources_digest()}-{_digest(sanitizer)}"
    target = ops / build.library_name(tensorflow.version)
    if not target.exists():
        shutil.rmtree(ops, ignore_errors=True)
        build.COMMON_FLAGS = [*build.COMMON_FLAGS, "-g1", *flags]
        build.KERNEL_FLAGS = [*KERNEL_FLAGS, *build.KERNEL_FLAGS[1:]]
        watched = build.TensorFlowFlags(
            tensorflow.version,
            [
                *(*tensorflow.compile, "-O1", "-w", *OPS_FLAGS),
                *(f"-DKS_WATCH_{sanitizer.upper()}", "-include", str(HERE / "watch.h")),
            ],
            [*tensorflow.link, *flags],
        )
        _planted(ops / "planted.so", watched, build)
        build.build_library(target, watched, isa)
    record.write(target)
    shutil.copy(ops / "planted.so", tree)
    for path in ops.glob("_native*"):
        shutil.copy(path, tree / "keras_slayer" / "ops")
    names = [ops.name]
    for name, part in (("_simulator", "export"), ("_decoders", "events")):
        sources = ROOT / "keras_slayer" / part / "csrc"
        extension = tree.parent / f"{part}-{_digest(sanitizer, sources)}"
        _extension(extension, name, sources, flags)
        for path in extension.iterdir():
            shutil.copy(path, tree / "keras_slayer" / part)
        names.append(extension.name)
    return " ".join(names)


def _digest(sanitizer: str, sources: pathlib.Path | None = None) -> str:
    """Of the flags and, for an extension, its sources; the ops' have their own digest."""
    flags = (FLAGS[sanitizer], OPS_FLAGS, KERNEL_FLAGS)
    digest = hashlib.sha256(repr(flags).encode())
    paths = sorted(sources.iterdir()) if sources else [HERE / "watch.h", HERE / "planted.cc"]
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _planted(target: pathlib.Path, flags, build) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [build.compiler(), *build.COMMON_FLAGS, f"-iquote{build.SOURCES}"]
    tensorflow = [f.replace("-I", "-isystem", 1) for f in flags.compile if "std=" not in f]
    # Its kernels are those of one instruction set, of which it has none.
    command += ["-DKS_ONLY_ISA=baseline", *tensorflow, "-shared", str(HERE / "planted.cc")]
    link = [flag for flag in flags.link if not flag.startswith("-f")]  # they are there already
    _run([*command, *link, "-o", str(target)])


def _extension(folder: pathlib.Path, name: str, sources: pathlib.Path, flags) -> None:
    target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if target.exists():
        return
    folder.mkdir(exist_ok=True)
    pybind11 = folder.parent / "pybind11"  # which installs only have while they build
    if not (pybind11 / "pybind11" / "include").is_dir():
        _run([sys.executable, "-m", "pip", "install", "-q", "--target", str(pybind11), "pybind11"])
    found = (pybind11 / "pybind11" / "include", sysconfig.get_path("include"))
    include = [f"-isystem{path}" for path in found]
    files = map(str, sorted(sources.glob("*.cc")))
    common = ["-std=c++17", "-fPIC", "-O1", "-g1", "-fvisibility=hidden", "-pthread", "-shared"]
    _run([os.environ.get("CXX", "g++"), *common, *flags, *include, *files, "-o", str(target)])


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")
