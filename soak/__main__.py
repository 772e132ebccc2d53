"""Runs the parts and writes the report.

python -m soak --minutes 30 --output out/soak
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time

from soak import report

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Of the time, for each part.
SHARES = {"training": 0.25, "recordings": 0.2, "streams": 0.35, "exports": 0.2}


def one(part: str, seconds: float, folder: pathlib.Path) -> dict:
    """A part in a process of its own, so that its end is a failure like others."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    program = (
        "import importlib, json, pathlib, sys\n"
        "part, seconds, folder = sys.argv[1:]\n"
        "module = importlib.import_module(f'soak.{part}')\n"
        "print(json.dumps(module.run(float(seconds), pathlib.Path(folder))))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, part, str(seconds), str(folder)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            output, errors = process.communicate()
        finally:  # also where a signal ends this program: workers train for days
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode == 0:
        figures = json.loads(output.splitlines()[-1])
    else:
        what = f"the process ended with status {process.returncode}: {errors[-1500:]}"
        figures = {"failures": [what]}
    return {"seconds": round(time.monotonic() - start, 1), **figures}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "out" / "soak")
    parser.add_argument("--part", action="append", choices=tuple(SHARES), default=[])
    arguments = parser.parse_args()
    if not 0 < arguments.minutes < math.inf:
        parser.error(f"--minutes must be above 0. Received: {arguments.minutes}")
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output must be a folder that can be written: {error}")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    parts = arguments.part or list(SHARES)
    whole = sum(SHARES[part] for part in parts)
    folder = arguments.output.resolve() / time.strftime("%Y%m%d-%H%M%S")
    results = {}
    for part in parts:
        seconds = arguments.minutes * 60 * SHARES[part] / whole
        print(f"{part}: {seconds:.0f} s and the start of its processes", flush=True)
        results[part] = one(part, seconds, folder / part)
        for failure in results[part]["failures"]:
            print(f"  failed: {failure}", flush=True)
    found = {
        "minutes": arguments.minutes,
        "machine": {"processor": report.processor(), "cores": len(os.sched_getaffinity(0)),
                    "python": platform.python_version(), **report.versions()},
        "parts": results,
    }  # fmt: skip
    (folder / "soak.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "soak.md").write_text(report.markdown(found))
    print(report.markdown(found))
    print(f"The report is in {folder}")
    return int(any(result["failures"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
