"""A short run of the fuzzers; and that they find what they are there for. Long: `make fuzz`."""

import pathlib
import random
import subprocess
import sys

import fuzz_changes
import fuzz_readers
import fuzz_worker
import fuzzing
import pytest

from keras_slayer.events import formats, read_events
from keras_slayer.export import LoihiSimulator, from_nir

HERE = pathlib.Path(__file__).parent
CASES = 400
PLANTED = {
    "crash": "SIGABRT",
    "hang": "longer than 2 s",
    "undocumented": "KeyError: 'x'",
    "nameless": "ValueError: somewhere something is wrong",
    "warning": "RuntimeWarning: divide",
    "memory": "MiB for",
    "wish": "MemoryError",
}


def test_damaged_files_are_read_or_refused(tmp_path):
    """Nothing but the documented errors, no crash, no hang, no more memory than is stated."""
    found = fuzzing.fuzz(tmp_path, count=CASES, seconds=1200)
    assert found["findings"] == [], fuzzing.distinct(found["findings"])
    done = found["read"] + found["refused"] + len(found["crashes_of_hdf5"])
    assert done == found["cases"] == CASES
    # Damage is often neither harmless nor fatal to all that can be read.
    assert min(found["read"], found["refused"]) > CASES // 10


def fuzz_planted(bug, folder, count):
    """Of readers with this bug."""
    text = (HERE / "fuzz_planted.py").read_text().replace("BUG = None", f"BUG = {bug!r}")
    (folder / "planted.py").write_text(text)
    return fuzzing.fuzz(
        folder / "out", count=count, seconds=600, kinds=("net",),
        hang=2.0 if bug == "hang" else 30.0, readers=folder / "planted.py",
    )  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug, tmp_path):
    found = fuzz_planted(bug, tmp_path, 2)
    first = found["findings"][0]
    assert PLANTED[bug] in first["what"]
    kept = pathlib.Path(first["file"])
    assert kept.name == f"{first['case']}-damaged-of-{kept.name.partition('-of-')[2]}"
    assert found["cases"] == 2  # it goes on behind a crash


def test_crashes_of_hdf5_are_counted_apart(tmp_path):
    """Its library ends the process on some damaged files, which is not ours to mend."""
    found = fuzz_planted("library", tmp_path, 1)
    assert found["findings"] == []
    assert [crash["case"] for crash in found["crashes_of_hdf5"]] == [0]


def test_the_corpus_has_each_format_and_is_small():
    files = fuzz_worker.corpus(())
    assert {kind for kind, _, _ in files} == set(fuzz_readers.READERS)
    assert sum(len(data) for _, _, data in files) < 300_000
    names = {path.stem for kind, path, _ in files if kind == "events"}
    assert {entry.name for entry in formats()} <= names


def test_the_corpus_is_whole():
    for kind, path, _ in fuzz_worker.corpus(()):
        if kind == "events":
            options = {"time_unit": "s"} if path.suffix == ".txt" else {}
            if path.stem in fuzz_readers.FORMATS:
                options["format"] = fuzz_readers.FORMATS[path.stem]
            assert len(read_events(path, **options)) >= 40, path
        elif path.stem in ("image", "loop") and kind == "nir":
            assert from_nir(path).output_shape == (None, None, 3)
        else:
            assert LoihiSimulator(path).output_shape


def test_a_case_is_the_same_each_time():
    files = [
        data for _, path, data in fuzz_worker.corpus(()) if path.suffix in (".raw", ".csv", ".es")
    ]
    for number in range(40):
        data = files[number % len(files)]
        one, two = (fuzz_changes.mutated(random.Random(number), data, files) for _ in "12")
        assert one == two
        assert len(one) <= fuzz_changes.MOST_BYTES


def test_a_finding_is_read_again(tmp_path):
    """By the name of its file, with the options that it had."""
    (kept,) = [path for _, path, _ in fuzz_worker.corpus(("net",)) if path.name == "dense.net"]
    path = tmp_path / "17-damaged-of-dense.net"
    path.write_bytes(kept.read_bytes()[:-100])
    with pytest.raises(fuzz_readers.Refused):
        fuzzing.again(path)


def test_an_unknown_file_format_has_no_reader():
    result = subprocess.run(
        [sys.executable, str(HERE / "fuzzing.py"), "--kind", "other"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2 and "invalid choice" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seconds", "nan"], "--seconds must be above 0. Received: nan"),
        (["--again", "none.h5"], "--again: there is no file none.h5"),
    ],
)
def test_wrong_options_are_no_run_without_findings(options, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fuzzing.py", *options])
    with pytest.raises(SystemExit, match="2"):
        fuzzing.main()
    assert message in capsys.readouterr().err


def test_only_the_file_of_a_finding_is_read_again():
    with pytest.raises(ValueError, match=r"named NUMBER-damaged-of-FILE.*Received: .*/test_fuzz"):
        fuzzing.again(pathlib.Path(__file__))
