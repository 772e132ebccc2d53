"""Which tests run under a sanitizer: a plugin of pytest, and the list of files, for watched.py.

Of tests that differ in types of numbers alone one runs, and the types take turns: a kernel is one
template for all of them. What runs on reference ops alone is left out, as nothing watched runs. Of
what is left of a test, some cases run, always the same ones.
"""

from __future__ import annotations

import hashlib
import pathlib

TYPES = {
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
}
TESTS = ("tests/ops", "tests/stream/test_stream_steps.py", "tests/export", "tests/events")
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


def test_files(root: pathlib.Path) -> list[str]:
    """The files with tests of native code, relative to ``root``."""
    files = []
    for name in TESTS:
        path = root / name
        files += sorted(path.glob(CHOSEN.get(name, "test_*.py"))) if path.is_dir() else [path]
    return [
        str(path.relative_to(root))
        for path in files
        if not any(path.name.startswith(left_out) for left_out in LEFT_OUT)
    ]


def pytest_addoption(parser):
    parser.addoption("--all-types", action="store_true", help="no choice among types of numbers")
    parser.addoption("--most", type=int, default=0, help="so many cases of a test; 0: all")


def pytest_collection_modifyitems(config, items):
    tests = [(item.nodeid.split("[")[0], _parameters(item)) for item in items]
    kept = [True] * len(items) if config.getoption("all_types") else choice(tests)
    if most := config.getoption("most"):
        kept = some(kept, [item.nodeid for item in items], most)
    left_out = [item for item, keep in zip(items, kept, strict=True) if not keep]
    items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]
    config.hook.pytest_deselected(items=left_out)


def _parameters(item) -> dict:
    return item.callspec.params if hasattr(item, "callspec") else {}


def choice(tests: list[tuple[str, dict]]) -> list[bool]:
    """Which of these tests to run, each given by its name and its parameters."""
    groups: dict[tuple, list[int]] = {}
    for number, (name, parameters) in enumerate(tests):
        if parameters.get("backend") == "reference":
            continue
        others = [f"{k}={v!r}" for k, v in parameters.items() if not _is_type(v)]
        groups.setdefault((name, *others), []).append(number)
    kept = [False] * len(tests)
    turns: dict[str, int] = {}
    for (name, *_), numbers in groups.items():
        turn = turns.get(name, 0)
        turns[name] = turn + 1
        kept[numbers[turn % len(numbers)]] = True
    return kept


def some(kept: list[bool], names: list[str], most: int) -> list[bool]:
    """At most so many of each test's cases; which ones, only their names decide."""
    cases: dict[str, list[str]] = {}
    for keep, name in zip(kept, names, strict=True):
        if keep:
            cases.setdefault(name.split("[")[0], []).append(name)
    order = {name: hashlib.sha256(name.encode()).digest() for name in names}
    chosen = {name for group in cases.values() for name in sorted(group, key=order.get)[:most]}
    return [keep and name in chosen for keep, name in zip(kept, names, strict=True)]


def _is_type(value) -> bool:
    return isinstance(value, str) and value in TYPES
