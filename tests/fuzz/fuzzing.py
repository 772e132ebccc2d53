"""Reads damaged event files, ``.net`` and ``.nir`` files for a while, and reports what is wrong.

    python tests/fuzz/fuzzing.py --seconds 600
    python tests/fuzz/fuzzing.py --again out/fuzz/1234-damaged-of-dsec.h5    one of the findings

Each file is a damaged copy of one in corpus/. Readers may read it, or refuse it with the ValueError
that their documentation names. A finding is any other exception or warning, a crash of the process,
a file that takes longer than ``HANG`` seconds, or more memory than ``fuzz_worker.py`` states.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HANG = 20.0
START = 120.0  # until the first case: TensorFlow is imported
# HDF5's own library ends the process on some damaged files. Nothing here can mend that: such
# crashes, inside a call of h5py, are counted by themselves.
LIBRARY = f"{os.sep}h5py{os.sep}"
STRIDE = 10_000_000  # of cases, from one seed to the next


def fuzz(
    folder: pathlib.Path,
    *,
    first: int = 0,
    count: int = STRIDE,
    seconds: float = 600.0,
    kinds=(),
    readers: pathlib.Path = HERE / "fuzz_readers.py",
    hang: float = HANG,
) -> dict:
    """Runs workers one after the other until the cases or the seconds are done.

    Returns:
        figures, with the lists "findings" and "crashes_of_hdf5": for each the number of the case,
        kind, what, where and the file, which is in ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    findings = folder / "findings.jsonl"
    findings.write_text("")
    total = {
        "read": 0, "refused": 0, "slowest_seconds": 0.0, "most_bytes": 0, "processes": 0,
        "crashes_of_hdf5": [],
    }  # fmt: skip
    end, number, last = time.monotonic() + seconds, first, first + count
    started = time.monotonic()
    while number < last and (left := end - time.monotonic()) > 0:
        number = _one_worker(folder, readers, number, last - number, left, kinds, hang, total)
    total["cases"] = number - first
    total["seconds"] = round(time.monotonic() - started, 1)
    total["findings"] = [json.loads(line) for line in findings.read_text().splitlines()]
    return total


def _one_worker(folder, readers, first, count, seconds, kinds, hang, total) -> int:
    """The number of the next case."""
    state = folder / "case"
    state.write_bytes(b"")
    arguments = [str(readers), str(folder), str(first), str(count), str(seconds), *kinds]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(HERE / "fuzz_worker.py"), *arguments],
            stdout=out,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        hung = not _ended(process, state, hang)
        total["processes"] += 1
        out.seek(0), errors.seek(0)
        lines, said = out.read().splitlines(), errors.read()
    if process.returncode == 0 and not hung:
        summary = json.loads(lines[-1])
        _add(summary, total)
        return summary["next"]
    if not state.read_text():
        raise RuntimeError(f"the fuzzing process did not start:\n{said[-2000:]}")
    last = json.loads(state.read_text())
    _add(last, total)
    case, name = last["case"], last["name"]
    what = f"longer than {hang:g} s" if hung else f"the process ended with {_status(process)}"
    kept = folder / f"{case}-{name}"
    shutil.copy(folder / name, kept)
    places = [text.strip() for text in said.splitlines() if text.startswith("  File ")]
    line = {"case": case, "kind": "", "what": what, "where": "; ".join(places[:4]),
            "file": str(kept)}  # fmt: skip
    if not hung and places and LIBRARY in places[0]:
        total["crashes_of_hdf5"].append(line)
    else:
        with open(folder / "findings.jsonl", "a") as file:
            print(json.dumps(line), file=file)
    return case + 1


def _add(figures: dict, total: dict) -> None:
    for name in ("read", "refused"):
        total[name] += figures[name]
    for name in ("slowest_seconds", "most_bytes"):
        total[name] = max(total[name], figures[name])


def _status(process) -> str:
    if process.returncode < 0:
        return signal.Signals(-process.returncode).name
    return f"status {process.returncode}"


def _ended(process, state: pathlib.Path, hang: float) -> bool:
    """Waits for the process; kills it and returns False where a case takes too long."""
    before, since = b"", time.monotonic()
    while process.poll() is None:
        now = state.read_bytes()
        if now != before:
            before, since = now, time.monotonic()
        if time.monotonic() - since > (hang if now else START):
            process.kill()
            process.wait()
            return False
        time.sleep(0.05)
    return True


def distinct(findings: list[dict]) -> list[dict]:
    """The first of each place and kind of error."""
    seen = {}
    for finding in findings:
        seen.setdefault((finding["where"], finding["what"].split(":")[0]), finding)
    return list(seen.values())


def again(path: pathlib.Path) -> None:
    """Reads the file of a finding in this process, as it was read then."""
    import fuzz_readers
    import fuzz_worker

    number, _, name = path.name.partition("-")
    original = name.removeprefix("damaged-of-")
    kinds = [kind for kind, other, _ in fuzz_worker.corpus(()) if other.name == original]
    if not (number.isdecimal() and kinds):
        raise ValueError(
            "The file of a finding is named NUMBER-damaged-of-FILE, after a file of the corpus. "
            f"Received: {path}"
        )
    (kind,) = kinds
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, pathlib.Path(folder) / name)
        fuzz_readers.READERS[kind](pathlib.Path(copy), fuzz_worker.options_of(int(number)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0, help="other cases")
    parser.add_argument("--kind", action="append", choices=("events", "net", "nir"), default=[])
    parser.add_argument("--again", type=pathlib.Path, help="the file of a finding, alone")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "out" / "fuzz")
    arguments = parser.parse_args()
    if not 0 < arguments.seconds < math.inf:
        parser.error(f"--seconds must be above 0. Received: {arguments.seconds}")
    if arguments.again is not None:
        if not arguments.again.is_file():
            parser.error(f"--again: there is no file {arguments.again}")
        again(arguments.again)
        return 0
    result = fuzz(
        arguments.output,
        first=arguments.seed * STRIDE,
        seconds=arguments.seconds,
        kinds=arguments.kind,
    )
    findings = result.pop("findings")
    result["findings"] = len(findings)
    result["crashes_of_hdf5"] = [crash["file"] for crash in result["crashes_of_hdf5"]]
    print(json.dumps(result, indent=2))
    for finding in distinct(findings):
        print(json.dumps(finding))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
