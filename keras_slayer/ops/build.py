"""Compiles the native op library for one TensorFlow.

Used at install time (``setup.py``) and, where the TensorFlow in use is not the
one that the library was built for, on first use (``library.py``). It imports no
TensorFlow: the flags come from ``tensorflow_flags``, which may run in another
process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

SOURCES = pathlib.Path(__file__).parent / "csrc"

SUFFIXES = (".h", ".cc", ".cu")  # of the files there that are sources

# The kernels of an installed library are compiled once per instruction set and chosen at run
# time. A library in the user's cache has the one set that it was compiled for, and its name says
# which: a home folder may be shared by machines with different processors.
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
COMMON_FLAGS = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-fvisibility-inlines-hidden"]

TEMPORARY = ".building-"  # how the name of a folder that is compiled in begins
# The last two are of version 0.1.
LEFTOVERS = [f"{TEMPORARY}*", "._native-*.so.*", "_native-*.lock"]

_OTHER_COMPILER = (
    "Another compiler may help (CXX=clang++); 'python -m keras_slayer.ops build' tries again"
)
_ERROR = re.compile(r"error:|undefined reference|cannot find", re.IGNORECASE)
_FLAGS_PROGRAM = """
import json, tensorflow as tf
print(json.dumps({"version": tf.__version__, "compile": tf.sysconfig.get_compile_flags(),
                  "link": tf.sysconfig.get_link_flags()}))
"""


class BuildError(RuntimeError):
    """The native library could not be compiled; the message says why, ``remedy`` what helps."""

    def __init__(self, message: str, remedy: str):
        super().__init__(message)
        self.remedy = remedy


@dataclasses.dataclass(frozen=True)
class TensorFlowFlags:
    """What a compiler must be told to build ops for one TensorFlow."""

    version: str
    compile: list[str]
    link: list[str]

    def built_for(self) -> dict:
        """What a library must have been compiled for to be loaded by this TensorFlow."""
        defines = sorted(flag for flag in self.compile if flag.startswith("-D"))
        return {"tensorflow": self.version, "defines": defines}


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


def instruction_sets(machine: str | None = None) -> dict[str, list[str]]:
    """The instruction sets of a kind of machine, from the least to the most, with flags.

    ``machine`` is as uname prints it; None: this one's.
    """
    return INSTRUCTION_SETS.get(machine or platform.machine(), {"baseline": []})


def processor_flags() -> set[str]:
    """What Linux says of this processor; nothing where it does not."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def processor_set(limit: str = "") -> str:
    """The most that this processor has of the instruction sets, at most ``limit``."""
    has, best = processor_flags(), "baseline"
    for name, flags in list(instruction_sets().items())[1:]:
        needs = {flag.removeprefix("-m") for flag in flags if "=" not in flag}
        if best == limit or not needs <= has:
            break
        best = name
    return best


def sources_digest() -> str:
    """Eight hex digits that change whenever the C++ sources or flags do."""
    digest = hashlib.sha256(pathlib.Path(__file__).read_bytes())
    for path in sorted(path for path in SOURCES.rglob("*") if path.suffix in SUFFIXES):
        digest.update(path.relative_to(SOURCES).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def library_name(
    tensorflow_version: str, instruction_set: str | None = None, machine: str | None = None
) -> str:
    """File name of the library: one per TensorFlow, kind of machine and state of the sources.

    With ``instruction_set``, of the library that has this one alone. ``machine``: None for this
    one.
    """
    kind = machine or platform.machine()
    words = ["_native", f"tf{tensorflow_version}", kind, instruction_set]
    return "-".join([*filter(None, words), sources_digest()]) + ".so"


def compiler() -> str:
    """The path of the C++ compiler.

    Raises:
        BuildError: there is none.
    """
    wish = os.environ.get("CXX", "g++")
    found = shutil.which(wish)
    if found is None:
        raise BuildError(
            f"no C++ compiler: {wish!r} is not on the PATH",
            "Install g++ (for example: apt install g++) and run 'python -m keras_slayer.ops build'",
        )
    return found


def _commands(
    flags: TensorFlowFlags, folder: pathlib.Path, sets: dict[str, list[str]], single: bool
) -> list[list[str]]:
    """The compile commands, each ending in ``-c source -o object``; the slow ones first."""
    start = [compiler(), *COMMON_FLAGS, f"-iquote{SOURCES}"]
    # As system headers TensorFlow's do not warn.
    tensorflow = [f.replace("-I", "-isystem", 1) for f in flags.compile if "std=" not in f]
    sources = sorted(SOURCES.rglob("*.cc"), key=lambda path: (-path.stat().st_size, path))
    ops = [path for path in sources if path.name.endswith("_op.cc")]
    kernels = [path for path in sources if path.name.endswith("_cpu.cc")]
    rest = [path for path in sources if path not in ops and path not in kernels]
    # All ops as one source: TensorFlow's headers take 5 s to read, each of the ops under 1 s.
    together = folder / "ops.cc"
    together.write_text("".join(f'#include "{p.relative_to(SOURCES)}"\n' for p in sorted(ops)))
    only = [f"-DKS_ONLY_ISA={name}" for name in sets if single]
    commands = [[*start, "-O2", *only, *tensorflow, "-c", str(together)]]
    for source in kernels:
        for name, set_flags in sets.items():
            options = [*KERNEL_FLAGS, *set_flags, f"-DKS_ISA={name}"]
            commands.append([*start, *options, "-c", str(source)])
    commands += [[*start, "-O2", *only, "-c", str(source)] for source in rest]
    return [[*command, "-o", str(folder / f"{i}.o")] for i, command in enumerate(commands)]


def _run(
    commands: list[list[str]], folder: pathlib.Path, progress: Callable[[int, int], None]
) -> None:
    """Runs commands, as many at once as there are cores; stops all at the first that fails."""
    waiting, running, done = list(enumerate(commands)), {}, 0
    try:
        while waiting or running:
            while waiting and len(running) < cores():
                index, command = waiting.pop(0)
                # A file: the messages of TensorFlow's headers are more than a pipe holds.
                with open(folder / f"{index}.log", "wb") as log:
                    running[index] = _start(command, log)
            for index in [
                index for index, process in running.items() if process.poll() is not None
            ]:
                if running.pop(index).returncode != 0:
                    raise _failure(commands[index], folder / f"{index}.log")
                done += 1
            progress(done, len(commands))
            time.sleep(0.05)
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _start(command: list[str], log) -> subprocess.Popen:
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    except OSError as error:
        raise BuildError(f"{command[0]} does not run: {error.strerror}", _OTHER_COMPILER) from error


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def _failure(command: list[str], log: pathlib.Path) -> BuildError:
    text = log.read_text(errors="replace")
    # Not any "error": TensorFlow's deprecated tsl::errors fill pages of warnings.
    errors = [line for line in text.splitlines() if _ERROR.search(line)]
    shown = "\n".join(errors[:5]) or text[-2000:]
    return BuildError(
        f"{' '.join(command[:1] + command[-3:])} failed:\n{shown}",
        _OTHER_COMPILER,
    )


def build_library(
    output: pathlib.Path,
    flags: TensorFlowFlags,
    instruction_set: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    machine: str | None = None,
) -> None:
    """Compiles and links the library to ``output``, which appears whole or not at all.

    Args:
        output: the file. Its record is the caller's to write (``record.py``).
        flags: of the TensorFlow that it is for.
        instruction_set: the only one to compile for; default: all, chosen at run time.
        progress: is called many times a second with the number of commands done and of all.
        machine: the kind of machine to compile for; None: this one. For another, the environment
            variable CXX names a cross compiler.

    Raises:
        BuildError: no compiler, or it failed; names the command and its errors.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    single = instruction_set is not None
    with tempfile.TemporaryDirectory(
        prefix=TEMPORARY, dir=output.parent, ignore_cleanup_errors=True
    ) as temporary:
        folder = pathlib.Path(temporary)
        sets = instruction_sets(machine)
        if single:
            sets = {instruction_set: sets[instruction_set]}
        commands = _commands(flags, folder, sets, single)
        _run(commands, folder, progress)
        linked = folder / output.name
        objects = [command[-1] for command in commands]
        _run(
            [[compiler(), "-shared", *objects, *flags.link, "-o", str(linked)]],
            folder,
            lambda done, total: None,
        )
        os.replace(linked, output)


def remove_leftovers(folder: pathlib.Path) -> None:
    """Removes what killed builds left in a folder. No other build may run there meanwhile."""
    for path in [path for pattern in LEFTOVERS for path in folder.glob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
