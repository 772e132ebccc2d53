"""Runs the tests of the ops, the Loihi simulator and the event decoders under a sanitizer.

    python tests/sanitize/watched.py address    AddressSanitizer and UndefinedBehaviorSanitizer
    python tests/sanitize/watched.py thread     ThreadSanitizer

The package is copied to a folder below ``--output``, its native parts are compiled there with the
sanitizer, and pytest runs in the copy, a process for each file of tests. TensorFlow and Python are
not compiled so: a report counts if a place in one of the package's libraries is in it. Bugs planted
in an op (planted.cc) must be reported first; if one is not, nothing that follows would mean
anything.

Each file's result and output are kept as they come. ``--resume`` skips the files that passed,
unless they or the libraries have changed.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import watched_build
import watched_choice
import watched_reports
from watched_build import ROOT

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
        "PYTHONPATH": os.pathsep.join([str(tree), str(tree / "tests" / "sanitize")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        # Python's own allocator joins many objects in one block, in which nothing is watched.
        "PYTHONMALLOC": "malloc" if sanitizer == "address" else "pymalloc",
        "KERAS_SLAYER_CACHE": str(tree / "cache"),
        "KERAS_SLAYER_OPS": "native",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
        # With oneDNN, which newer processors have on, TensorFlow cuts what is larger than 4 kB out
        # of blocks of its own, in which nothing is watched.
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def python(sanitizer: str, tree: pathlib.Path, logs: pathlib.Path, *arguments: str):
    """Runs Python in ``tree``; its status, and its output, which is among the logs as it comes."""
    logs.mkdir(parents=True, exist_ok=True)
    # Without random addresses: an older ThreadSanitizer does not know all that Linux may give.
    start = ["setarch", "--addr-no-randomize"] if shutil.which("setarch") else []
    # Of a library that is loaded late, UndefinedBehaviorSanitizer writes to stderr whatever
    # `log_path` says.
    output = logs / "report-output"
    with output.open("w") as stream:
        result = subprocess.run(
            [*start, sys.executable, *arguments],
            cwd=tree,
            env=environment(sanitizer, tree, logs),
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return result.returncode, output.read_text(errors="replace")


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
            status, output = python(sanitizer, tree, pathlib.Path(logs), "-c", BUG, *bugs)
            found, _ = watched_reports.reports(pathlib.Path(logs))
        if bugs == ("none",) and (found or status != 0):
            wrong.append(f"a report where there is no bug: {(found or [output])[0]}")
        for bug in bugs if bugs != ("none",) else ():
            count = sum(planted[bug] in report for report in found)
            if count < (2 if bug.startswith("past") else 1):
                wrong.append(f"{count} reports of the planted bug {bug!r}: {output}")
    return wrong


def run_file(
    sanitizer: str, tree: pathlib.Path, file: str, logs: pathlib.Path, options: list[str]
) -> dict:
    """The result of one file of tests. Its reports are in reports.txt in ``logs``."""
    shutil.rmtree(logs, ignore_errors=True)
    start, before = time.perf_counter(), _processor_seconds()
    # stderr itself stays open: reports come there, too.
    pytest = ("-m", "pytest", "-p", "watched_choice", "-p", "no:faulthandler", "--capture=sys")
    status, output = python(sanitizer, tree, logs, *pytest, *options, file)
    ours, others = watched_reports.reports(logs)
    (logs / "reports.txt").write_text("\n\n".join(ours))
    return {
        "returncode": status,
        "pytest": (output.strip().splitlines() or [""])[-1],
        "reports": dict(collections.Counter(map(watched_reports.title, ours))),
        "reports of other libraries": others,
        "seconds": round(time.perf_counter() - start, 1),
        "processor seconds": round(_processor_seconds() - before, 1),
    }


def _processor_seconds() -> float:
    """Of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def passed(result: dict) -> bool:
    return result["returncode"] == 0 and not result["reports"]


def key_of(libraries: str, file: pathlib.Path, options: list[str]) -> str:
    """Of a result: another libraries, tests or options ask for another run."""
    return " ".join([libraries, hashlib.sha256(file.read_bytes()).hexdigest()[:16], *options])


def kept(path: pathlib.Path, key: str) -> dict | None:
    """The result in a file, if all passed and it has this key."""
    result = json.loads(path.read_text()) if path.exists() else {}
    return result if result.get("key") == key and passed(result) else None


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sanitizer", choices=tuple(watched_build.FLAGS))
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "out" / "sanitize")
    parser.add_argument("--resume", action="store_true", help="skip the files that passed")
    parser.add_argument(
        "--all-types", action="store_true", help="all tests, not one for each type of number"
    )
    parser.add_argument(
        "--most", type=int, default=24, help="so many cases of a test; 0: all (default: 24)"
    )
    parser.add_argument("tests", nargs="*", help="test files; default: all that run native code")
    return parser.parse_intermixed_args()


def main() -> int:
    arguments = parse()
    sanitizer = arguments.sanitizer
    folder = (arguments.output / sanitizer).resolve()
    tree = folder / "package"
    tree.mkdir(parents=True, exist_ok=True)
    libraries = watched_build.compile_package(sanitizer, tree)
    if wrong := check_planted(sanitizer, tree):
        raise SystemExit("\n".join(wrong))
    print(f"{sanitizer}: {libraries}; all planted bugs are reported", flush=True)
    options = [f"--most={arguments.most}", *(["--all-types"] if arguments.all_types else [])]
    files = arguments.tests or watched_choice.test_files(ROOT)
    results = {}
    for number, file in enumerate(files, 1):
        logs = folder / "logs" / pathlib.Path(file).stem
        path, key = logs / "result.json", key_of(libraries, ROOT / file, options)
        result = kept(path, key) if arguments.resume else None
        if result is None:
            result = {"key": key, **run_file(sanitizer, tree, file, logs, options)}
            path.write_text(json.dumps(result, indent=2) + "\n")
        results[file] = result
        verdict = "" if passed(result) else f" FAILED, status {result['returncode']}: {logs}"
        print(f"[{number}/{len(files)}] {file}: {result['pytest']}{verdict}", flush=True)
        for title, count in result["reports"].items():
            print(f"    {count} times {title}", flush=True)
    print(f"{sanitizer}: {sum(map(passed, results.values()))} of {len(files)} files passed")
    seconds = sum(result["processor seconds"] for result in results.values())
    print(f"{sanitizer}: {seconds:.0f} s of processor time")
    (folder / "summary.json").write_text(json.dumps(results, indent=2) + "\n")
    return int(not all(map(passed, results.values())))


if __name__ == "__main__":
    sys.exit(main())
