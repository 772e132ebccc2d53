"""What make test-sanitize chooses, finds in reports, and skips when it goes on."""

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import watched
import watched_choice
import watched_reports

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_types_take_turns_and_nothing_else_is_left_out():
    tests = [
        ("file::plain", {}),
        *(("file::grid", {"n": n, "dtype": t}) for n in range(3) for t in ("float32", "uint8")),
        *(("file::both", {"backend": b, "dtype": "bool"}) for b in ("native", "reference")),
        *(("file::words", {"kind": kind}) for kind in ("one", "two")),
    ]
    kept = [test for test, keep in zip(tests, watched_choice.choice(tests), strict=True) if keep]
    assert kept == [
        ("file::plain", {}),
        ("file::grid", {"n": 0, "dtype": "float32"}),
        ("file::grid", {"n": 1, "dtype": "uint8"}),
        ("file::grid", {"n": 2, "dtype": "float32"}),
        ("file::both", {"backend": "native", "dtype": "bool"}),
        *tests[-2:],
    ]


def test_some_cases_of_a_test_are_always_the_same():
    names = [f"file::grid[{n}]" for n in range(50)] + ["file::plain", "file::left_out"]
    kept = [True] * 51 + [False]
    chosen = watched_choice.some(kept, names, 8)
    assert sum(chosen[:50]) == 8 and chosen[50:] == [True, False]
    turned = watched_choice.some(kept[::-1], names[::-1], 8)
    assert turned == chosen[::-1]
    assert not all(chosen[:8])  # spread over the parameters
    assert watched_choice.some(kept, names, 60) == kept


def test_the_files_are_there():
    files = watched_choice.test_files(ROOT)
    assert all((ROOT / file).is_file() for file in files) and len(files) == len(set(files)) > 30
    assert {"tests/ops/test_ops_raw.py", "tests/events/test_files_fuzz.py"} < set(files)
    assert "tests/ops/test_ops_build.py" not in files
    for name in watched_choice.LEFT_OUT:  # or the name has changed, and nothing is left out
        assert list(ROOT.glob(f"tests/*/{name}*")), name


OURS = """==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60
READ of size 4 at 0x60 thread T0
    #0 0x7f01 in kernel keras_slayer/ops/csrc/filters/filters_cpu.cc:30
    #1 0x7f02 in main (/usr/bin/python3+0x1)
"""
THEIRS = """==7==ERROR: AddressSanitizer: SEGV on unknown address
    #0 0x7f03 in other (/lib/libother.so+0x1)
"""
OVERFLOW = "keras_slayer/export/csrc/neuron.h:9:3: runtime error: signed integer overflow: 2 + 3\n"


def test_reports_of_the_package_count(tmp_path):
    (tmp_path / "report.7").write_text(OURS + THEIRS + OURS)
    (tmp_path / "report-output").write_text("12 passed\n" + OVERFLOW)
    ours, others = watched_reports.reports(tmp_path)
    assert others == 1
    assert [watched_reports.title(report) for report in ours] == [
        "runtime error: signed integer overflow: 2 + 3 at " + OVERFLOW.strip(),
        *["AddressSanitizer: heap-buffer-overflow at in kernel " + OURS.split()[-6]] * 2,
    ]


@pytest.mark.parametrize(
    ("change", "skipped"),
    [
        ({}, True),
        ({"returncode": -11}, False),
        ({"reports": {"data race": 1}}, False),
        ({"key": "other"}, False),
    ],
)
def test_only_what_passed_is_skipped(change, skipped, tmp_path):
    result = {"key": "key", "returncode": 0, "reports": {}} | change
    path = tmp_path / "result.json"
    assert watched.kept(path, "key") is None
    path.write_text(json.dumps(result))
    assert watched.kept(path, "key") == (result if skipped else None)


def test_other_libraries_tests_or_options_are_another_run(tmp_path):
    file = tmp_path / "test_one.py"
    file.write_text("1")
    keys = [watched.key_of(name, file, options) for name in "ab" for options in ([], ["--all"])]
    file.write_text("2")
    assert len({*keys, watched.key_of("a", file, [])}) == 5
