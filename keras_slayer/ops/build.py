"""Compiles the native op library for one TensorFlow.

Used at install time (``setup.py``) and, where the TensorFlow in use is not the
one that the library was built for, on first use (``library.py``). It imports no
TensorFlow: the flags come from ``tensorflow_flags``, which may run in another
process.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

SOURCES = pathlib.Path(__file__).parent / "csrc"

# The kernels are compiled once per instruction set and chosen at run time.
INSTRUCTION_SETS = {
    "x86_64": {
        "baseline": ["-msse4.2"],
        "avx2": ["-mavx2", "-mfma", "-mf16c"],
        "avx512": [
            *("-mavx2", "-mfma", "-mf16c"),
            *("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"),
            "-mprefer-vector-width=512",
        ],
    },
}
# No contraction: fused multiply-adds where the compiler finds them would make spikes depend
# on the processor (where they pay, fused.h asks for them on every one). The other two let
# loops with rint and comparisons vectorise.
KERNEL_FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
COMMON_FLAGS = [
    *(f"-I{SOURCES}", "-std=c++17", "-fPIC"),
    *("-fvisibility=hidden", "-fvisibility-inlines-hidden"),
]

_FLAGS_PROGRAM = """
import json, tensorflow as tf
print(json.dumps({"version": tf.__version__, "compile": tf.sysconfig.get_compile_flags(),
                  "link": tf.sysconfig.get_link_flags()}))
"""


class BuildError(RuntimeError):
    """The native library could not be compiled; the message says why."""


@dataclasses.dataclass(frozen=True)
class TensorFlowFlags:
    """What a compiler must be told to build ops for one TensorFlow."""

    version: str
    compile: list[str]
    link: list[str]


def installed_tensorflow() -> TensorFlowFlags | None:
    """Flags of the TensorFlow of this interpreter's own environment, or None.

    Asks a fresh interpreter, so that it also sees through pip's build isolation,
    which hides the environment that is being installed into.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    result = subprocess.run(
        [sys.executable, "-c", _FLAGS_PROGRAM],
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        return None
    return TensorFlowFlags(**json.loads(result.stdout.splitlines()[-1]))


def sources_digest() -> str:
    """Eight hex digits that change whenever the C++ sources or flags do."""
    digest = hashlib.sha256()
    sources = sorted(path for path in SOURCES.rglob("*") if path.is_file())
    for path in [*sources, pathlib.Path(__file__)]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def library_name(tensorflow_version: str) -> str:
    """File name of the library: one per TensorFlow and state of the sources."""
    return f"_native-tf{tensorflow_version}-{sources_digest()}.so"


def _compiler() -> str:
    wish = os.environ.get("CXX", "g++")
    found = shutil.which(wish)
    if found is None:
        raise BuildError(f"no C++ compiler: {wish!r} is not on the PATH")
    return found


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        errors = [line for line in result.stderr.splitlines() if "error" in line.lower()]
        shown = "\n".join(errors[:5]) or result.stderr[-2000:]
        raise BuildError(f"{' '.join(command[:1] + command[-3:])} failed:\n{shown}")


def _commands(flags: TensorFlowFlags, folder: pathlib.Path) -> list[list[str]]:
    """The compile commands, each ending in ``-c source -o object``."""
    compiler = _compiler()
    # As system headers TensorFlow's do not warn.
    tensorflow = [f.replace("-I", "-isystem", 1) for f in flags.compile if "std=" not in f]
    sets = INSTRUCTION_SETS.get(platform.machine(), {"baseline": []})
    commands = []
    for source in sorted(SOURCES.rglob("*_op.cc")):  # the slow ones first
        target = str(folder / f"{source.stem}.o")
        commands.append(
            [compiler, *COMMON_FLAGS, "-O2", *tensorflow, "-c", str(source), "-o", target]
        )
    for source in sorted(SOURCES.rglob("*_cpu.cc")):
        for name, isa_flags in sets.items():
            target = str(folder / f"{source.stem}_{name}.o")
            options = [*COMMON_FLAGS, *KERNEL_FLAGS, *isa_flags, f"-DKS_ISA={name}"]
            commands.append([compiler, *options, "-c", str(source), "-o", target])
    source = SOURCES / "base" / "instruction_set.cc"
    target = str(folder / "instruction_set.o")
    commands.append([compiler, *COMMON_FLAGS, "-O2", "-c", str(source), "-o", target])
    return commands


def build_library(output: pathlib.Path, flags: TensorFlowFlags) -> None:
    """Compiles and links the library to ``output``, which appears whole or not at all.

    Raises:
        BuildError: no compiler, or it failed; names the command and its errors.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="keras_slayer_build_") as temporary:
        folder = pathlib.Path(temporary)
        commands = _commands(flags, folder)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(_run, commands))
        objects = [command[-1] for command in commands]
        linked = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            _run([commands[0][0], *objects, *flags.link, "-shared", "-o", str(linked)])
            os.replace(linked, output)
        finally:
            linked.unlink(missing_ok=True)
