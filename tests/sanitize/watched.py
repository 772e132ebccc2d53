"""Runs the tests of the ops, the Loihi simulator and the event decoders under a sanitizer.

    python tests/sanitize/watched.py address    AddressSanitizer and UndefinedBehaviorSanitizer
    python tests/sanitize/watched.py thread     ThreadSanitizer

The package is copied to a folder below ``--output``, its native parts are compiled there with the
sanitizer, and pytest runs in the copy. TensorFlow and Python are not compiled so: a report counts
if a place in one of the package's libraries is in it. Bugs planted in an op (planted.cc) must be
reported first; if one is not, nothing that follows would mean anything.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time

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
LIBRARY = {"address": "libasan.so", "thread": "libtsan.so"}
OPTIONS = {
    "address": {
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=0:detect_stack_use_after_return=0:"
        "allocator_may_return_null=1:suppress_equal_pcs=0:log_path={log}",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=0",
    },
    "thread": {
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=0:"
        "report_thread_leaks=0:report_signal_unsafe=0:history_size=5:log_path={log}",
    },
}
OURS = re.compile(r"_native-|_simulator|_decoders|planted|keras_slayer/(ops|export|events)/csrc")
REPORT = re.compile(
    r"==\d+==ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:|CHECK failed"
)
# What each planted bug is reported as.
PLANTED = {
    "address": {
        "past input": "READ of size 4",
        "past output": "WRITE of size 4",
        "overflow": "signed integer overflow",
        "cast": "outside the range of representable values",
    },
    "thread": {"race": "data race"},
}
# Threads find races only in what several of them do: not the grids of shapes and types.
TESTS = {
    "address": ["tests/ops", "tests/stream/test_stream_steps.py", "tests/export", "tests/events"],
    "thread": ["tests/ops", "tests/stream/test_stream_steps.py", "tests/export", "tests/events"],
}
CHOSEN = {
    "tests/export": "test_loihi_simulator*.py",
    "tests/events": "test_files_*.py",
}
LEFT_OUT = (
    # They compile, load and damage libraries of their own, start processes or measure memory.
    *("test_ops_build.py", "test_ops_library.py", "test_ops_memory.py", "test_ops_neuron_headers"),
    *("test_ops_gpu_", "test_ops_determinism.py"),
    # Panics of the library aedat unwind through frames that a sanitizer does not know.
    "test_files_commands.py",
)


def compile_package(sanitizer: str, tree: pathlib.Path) -> float:
    """Puts a copy of the package with watched libraries into ``tree``; returns seconds."""
    start = time.perf_counter()
    ignored = shutil.ignore_patterns("*.so", "*.so.json", "__pycache__", ".building-*")
    for name in ("keras_slayer", "tests", "benchmarks", "examples"):
        shutil.rmtree(tree / name, ignore_errors=True)
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tree)

    from keras_slayer.ops import build, cache, record

    flags, tensorflow = FLAGS[sanitizer], cache.tensorflow_flags()
    isa = build.processor_set()
    state = tree.parent / f"libraries-{build.sources_digest()}-{_digest(sanitizer)}"
    target = state / build.library_name(tensorflow.version)
    if not target.exists():
        shutil.rmtree(state, ignore_errors=True)
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
        _planted(state / "planted.so", watched, build)
        _extension(state, "_simulator", ROOT / "keras_slayer/export/csrc", flags)
        _extension(state, "_decoders", ROOT / "keras_slayer/events/csrc", flags)
        build.build_library(target, watched, isa)
    record.write(target)
    for path in state.iterdir():
        folder = "events" if "_decoders" in path.name else "export"
        folder = "ops" if "_native" in path.name else folder
        shutil.copy(path, tree / "keras_slayer" / folder if path.stem != "planted" else tree)
    return time.perf_counter() - start


def _digest(sanitizer: str) -> str:
    """Of what else the libraries are made of than the ops' sources."""
    digest = hashlib.sha256(repr((FLAGS[sanitizer], OPS_FLAGS, KERNEL_FLAGS)).encode())
    folders = (ROOT / "keras_slayer/export/csrc", ROOT / "keras_slayer/events/csrc")
    sources = sorted(path for folder in folders for path in folder.iterdir())
    for path in (HERE / "watch.h", HERE / "planted.cc", *sources):
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
    pybind11 = folder.parent / "pybind11"  # which installs only have while they build
    if not (pybind11 / "pybind11" / "include").is_dir():
        _run([sys.executable, "-m", "pip", "install", "-q", "--target", str(pybind11), "pybind11"])
    found = (pybind11 / "pybind11" / "include", sysconfig.get_path("include"))
    include = [f"-isystem{path}" for path in found]
    target = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    files = map(str, sorted(sources.glob("*.cc")))
    common = ["-std=c++17", "-fPIC", "-O1", "-g1", "-fvisibility=hidden", "-pthread", "-shared"]
    _run([os.environ.get("CXX", "g++"), *common, *flags, *include, *files, "-o", str(target)])


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")


def environment(sanitizer: str, tree: pathlib.Path, logs: pathlib.Path) -> dict[str, str]:
    """Of a Python process in ``tree`` whose reports go to files in ``logs``."""
    # Without the C++ library beside it, the sanitizer finds no exceptions to watch.
    names = [LIBRARY[sanitizer], "libstdc++.so"]
    found = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True).stdout
        for name in names
    ]
    options = {
        name: value.format(log=logs / "report") for name, value in OPTIONS[sanitizer].items()
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("KERAS_")},
        **options,
        "LD_PRELOAD": " ".join(path.strip() for path in found),
        "PYTHONPATH": os.pathsep.join([str(tree)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Python's own allocator joins many objects in one block, in which nothing is watched.
        "PYTHONMALLOC": "malloc" if sanitizer == "address" else "pymalloc",
        "KERAS_SLAYER_CACHE": str(tree / "cache"),
        "KERAS_SLAYER_OPS": "native",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
    }


def python(sanitizer: str, tree: pathlib.Path, logs: pathlib.Path, *arguments: str):
    """Runs Python in ``tree``; stdout and stderr are text, and among the logs."""
    logs.mkdir(parents=True, exist_ok=True)
    # Without random addresses: an older ThreadSanitizer does not know all that Linux may give.
    start = ["setarch", "--addr-no-randomize"] if shutil.which("setarch") else []
    result = subprocess.run(
        [*start, sys.executable, *arguments],
        cwd=tree,
        env=environment(sanitizer, tree, logs),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # Of a library that is loaded late, UndefinedBehaviorSanitizer writes to stderr whatever
    # `log_path` says.
    (logs / "report-output").write_text(result.stdout)
    return result


def reports(logs: pathlib.Path) -> tuple[list[str], int]:
    """The reports that name a place in the package's libraries, and how many others there are."""
    ours, others = [], 0
    for path in sorted(logs.glob("report*")):
        text = path.read_text(errors="replace")
        starts = [match.start() for match in REPORT.finditer(text)]
        for start, stop in itertools.pairwise([*starts, len(text)]):
            start = text.rfind("\n", 0, start) + 1
            report = text[start:stop]
            if OURS.search(report):
                ours.append(report)
            else:
                others += 1
    return ours, others


BUG = """
import sys
import tensorflow as tf
ops = tf.load_op_library("./planted.so")
for bug in sys.argv[1:]:
    # Small ones come from TensorFlow's allocator, large ones from the memory that is kept.
    for size in (1000, 1 << 19):
        ops.keras_slayer_planted(tf.ones(size), bug=bug)
"""


def check_planted(sanitizer: str, tree: pathlib.Path) -> list[str]:
    """What is wrong: planted bugs that are not reported, and reports where there is no bug."""
    wrong, planted = [], PLANTED[sanitizer]
    for bugs in (("none",), tuple(planted)):
        with tempfile.TemporaryDirectory() as logs:
            result = python(sanitizer, tree, pathlib.Path(logs), "-c", BUG, *bugs)
            found, _ = reports(pathlib.Path(logs))
        if bugs == ("none",) and (found or result.returncode != 0):
            wrong.append(f"a report where there is no bug: {(found or [result.stdout])[0]}")
        for bug in bugs if bugs != ("none",) else ():
            count = sum(planted[bug] in report for report in found)
            if count < (2 if bug.startswith("past") else 1):
                wrong.append(f"{count} reports of the planted bug {bug!r}: {result.stdout}")
    return wrong


def test_files(sanitizer: str) -> list[str]:
    files = []
    for name in TESTS[sanitizer]:
        path = ROOT / name
        files += sorted(path.glob(CHOSEN.get(name, "test_*.py"))) if path.is_dir() else [path]
    return [
        str(path.relative_to(ROOT))
        for path in files
        if not any(path.name.startswith(left_out) for left_out in LEFT_OUT)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sanitizer", choices=tuple(FLAGS))
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "out" / "sanitize")
    parser.add_argument("tests", nargs="*", help="test files; default: all that run native code")
    arguments = parser.parse_args()
    sanitizer = arguments.sanitizer
    tree = (arguments.output / sanitizer / "package").resolve()
    tree.mkdir(parents=True, exist_ok=True)
    seconds = {"compile": compile_package(sanitizer, tree)}
    start = time.perf_counter()
    if wrong := check_planted(sanitizer, tree):
        raise SystemExit("\n".join(wrong))
    seconds["planted bugs"] = time.perf_counter() - start
    logs = tree.parent / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    start = time.perf_counter()
    files = arguments.tests or test_files(sanitizer)
    # stderr itself stays open: reports come there, too.
    options = ("-p", "no:faulthandler", "--capture=sys", "--durations=10")
    run = python(sanitizer, tree, logs, "-m", "pytest", *options, *files)
    seconds["tests"] = time.perf_counter() - start
    (tree.parent / "pytest.log").write_text(run.stdout)
    ours, others = reports(logs)
    (tree.parent / "reports.txt").write_text("\n\n".join(ours))
    kinds = collections.Counter(_title(report) for report in ours)
    summary = {
        "sanitizer": sanitizer,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "files": len(files),
        "pytest": run.stdout.strip().splitlines()[-1:],
        "returncode": run.returncode,
        "reports": dict(kinds),
        "reports of other libraries": others,
    }
    (tree.parent / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))
    return int(bool(ours) or run.returncode != 0)


def _title(report: str) -> str:
    """Kind and first place of a report, in a line."""
    places = [line for line in report.splitlines() if OURS.search(line)]
    kinds = r"AddressSanitizer: [\w-]+|ThreadSanitizer: [\w -]+|runtime error: .*"
    what = re.search(kinds, report)
    place = re.sub(r"^ *#[0-9]+ 0x[0-9a-f]+ ", "", places[0])
    return f"{what[0] if what else 'report'} at {place}"


if __name__ == "__main__":
    sys.exit(main())
