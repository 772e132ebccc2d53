"""Compiles the kernels of the GPU for the host, with the emulator in place of CUDA.

``library()`` is an op library whose ops run as they do on a GPU. ``program(...)`` is a program
without TensorFlow, which a sanitizer watches. Both are kept in the cache of the ops, in a folder
named by the state of all sources, so that only the first run after a change compiles.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import tensorflow as tf

from keras_slayer.ops import build, cache

EMULATOR = pathlib.Path(__file__).parent / "emulator"
KEPT_DAYS = 2  # what older states of the sources left is removed after so long

# Neither fused multiply-adds nor anything else that changes a result.
FLAGS = [
    *build.COMMON_FLAGS,
    *("-O1", "-ffp-contract=off", "-DKS_EMULATED", "-Wno-unknown-pragmas"),
    *(f"-iquote{build.SOURCES}", f"-iquote{EMULATOR}"),
]
# Of what runs on the "card", and of the scheduler, which must not be instrumented.
SANITIZERS = {
    "thread": (["-g1", "-fsanitize=thread"], ["-DKS_TSAN"]),
    "address": (
        ["-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
        ["-DKS_ASAN"],
    ),
}


def kernel_sources() -> list[pathlib.Path]:
    return sorted(build.SOURCES.glob("gpu/*.cu"))


def op_sources() -> list[pathlib.Path]:
    """The files of ops that also run on a GPU."""
    return [p for p in sorted(build.SOURCES.rglob("*_op.cc")) if p.name != "driver_op.cc"]


@functools.cache
def folder() -> pathlib.Path:
    """Where all that is compiled from this state of the sources is kept."""
    digest = hashlib.sha256(
        f"{build.sources_digest()} {tf.__version__} {build.compiler()}".encode()
    )
    compiled = (path for path in sorted(EMULATOR.iterdir()) if path.suffix in build.SUFFIXES)
    for path in [pathlib.Path(__file__), *compiled]:
        digest.update(path.read_bytes())
    return cache.cache_folder() / f"emulation-{digest.hexdigest()[:8]}"


@contextlib.contextmanager
def _exclusive():
    """One process compiles, the others wait."""
    folder().mkdir(parents=True, exist_ok=True)
    with open(folder() / "lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove_old() -> None:
    for path in folder().parent.glob("emulation-*"):
        if path.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
            shutil.rmtree(path, ignore_errors=True)


def _built(name: str, units: list[list[str]], link: list[str]) -> pathlib.Path:
    """The file ``name``, linked from the units: compiler options, the last of them the source."""
    target = folder() / name
    with _exclusive():
        os.utime(folder())
        if target.exists():
            return target
        _remove_old()
        with tempfile.TemporaryDirectory(prefix=build.TEMPORARY, dir=folder()) as temporary:
            work = pathlib.Path(temporary)
            objects = [str(work / f"{i}.o") for i in range(len(units))]
            commands = [
                [build.compiler(), *FLAGS, *unit[:-1], "-x", "c++", "-c", unit[-1], "-o", out]
                for unit, out in zip(units, objects, strict=True)
            ]
            build._run(commands, work, lambda done, total: None)
            linked = [build.compiler(), *objects, *link, "-o", str(work / name)]
            build._run([linked], work, lambda done, total: None)
            os.replace(work / name, target)
    return target


def library() -> pathlib.Path:
    """The op library: all ops that have kernels for the GPU, on the emulator."""
    flags = cache.tensorflow_flags()
    tensorflow = [f.replace("-I", "-isystem", 1) for f in flags.compile if "std=" not in f]
    # As one source: TensorFlow's headers take longer than all ops.
    together = [option for path in op_sources() for option in ("-include", str(path))]
    units = [
        [*tensorflow, *together, os.devnull],
        [*tensorflow, str(EMULATOR / "emulated_driver.cc")],
        [str(EMULATOR / "cuda_on_host.cc")],
        *([str(source)] for source in kernel_sources()),
    ]
    return _built("emulated_ops.so", units, ["-shared", *flags.link])


def program(name: str, sources: list[pathlib.Path], sanitizer: str) -> pathlib.Path:
    """A program of these sources and the emulator, watched by "thread" or "address"."""
    watched, told = SANITIZERS[sanitizer]
    units = [
        *([*watched, str(source)] for source in sources),
        [*told, str(EMULATOR / "cuda_on_host.cc")],
    ]
    return _built(f"{name}-{sanitizer}", units, watched)


def golden() -> pathlib.Path:
    """A library without TensorFlow that records the cases of all kernels (emulator/record.cc)."""
    own = [EMULATOR / name for name in ("record.cc", "timed.cc", "cuda_on_host.cc")]
    sources = [*own, *kernel_sources(), *sorted(EMULATOR.glob("*_cases.cc"))]
    return _built("golden.so", [[str(source)] for source in sources], ["-shared"])


@functools.cache
def why_not(sanitizer: str) -> str:
    """Why programs cannot be watched by it here; empty if they can."""
    with tempfile.TemporaryDirectory() as temporary:
        source = pathlib.Path(temporary) / "empty.cc"
        source.write_text("int main() { return 0; }\n")
        watched = SANITIZERS[sanitizer][0]
        command = [build.compiler(), *watched, str(source), "-o", str(source.with_suffix(""))]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return f"{command[0]} has no library for {watched[-1]} (apt install libtsan, libasan)"
    return ""


@functools.cache
def _plain_addresses() -> list[str]:
    """A command before a program that gives it the same addresses each time, where that works.

    ThreadSanitizer of an older compiler does not know all addresses that a newer Linux may give.
    """
    command = ["setarch", "--addr-no-randomize"]
    if shutil.which(command[0]) is None:
        return []
    works = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    return command if works else []


def run(program: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess:
    """Runs a watched program; stdout and stderr are text."""
    options = {
        "TSAN_OPTIONS": "halt_on_error=1:atexit_sleep_ms=0",
        # Fibers end so often that stacks of their own for this check take most of the time.
        "ASAN_OPTIONS": "detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return subprocess.run(
        [*_plain_addresses(), str(program), *arguments],
        env={**os.environ, **options},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
