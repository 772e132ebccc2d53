"""What networks reach with the package's defaults: neurons and optimisers by name, nothing else.

    python benchmarks/defaults.py main --data-dir FOLDER             # 48 runs
    python benchmarks/defaults.py rates dt depth --data-dir FOLDER
    python benchmarks/defaults.py digits gestures density steps      # need no data
    python benchmarks/defaults.py --report                           # from what was run before

FOLDER holds Train.zip and Test.zip of a sample of N-MNIST that fits into memory as bytes, 0.7 MB a
recording. Each run adds a line to OUTPUT/runs.jsonl. A run that is there is not made again: a grid
that was stopped goes on where it was. OUTPUT/report.md has a table for each grid and
OUTPUT/defaults.png the accuracies by learning rate. The grids are in defaults_grids.py, the
networks in defaults_run.py, the data in defaults_tasks.py.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import json
import multiprocessing
import os
import pathlib
import subprocess
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import defaults_report
import defaults_tasks
import host
from defaults_grids import CHOICES, NEURONS, Grid, grids, key
from defaults_run import one_thread, train

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What the outcome of a run depends on.
CODE = (
    "keras_slayer",
    "benchmarks/defaults_run.py",
    "benchmarks/defaults_tasks.py",
    "benchmarks/plain_networks.py",
)


def commit() -> str:
    """The last one that changed what a run depends on; "+" where that has changed since."""

    def git(*arguments):
        command = ["git", "-C", str(ROOT), *arguments, "--", *CODE]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return f"version {host.versions()['keras_slayer']}"


def read(path: pathlib.Path) -> list[dict]:
    """The rows of a file; what a stopped script left of a line is passed over."""
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{path}, line {number}: not a whole row, passed over")
    return rows


def append(path: pathlib.Path, row: dict) -> None:
    """Adds a line, after a new line if the last one broke off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    broken = path.exists() and not path.read_bytes().endswith(b"\n")
    with open(path, "a") as file:
        file.write("\n" * broken + json.dumps(row) + "\n")


def outstanding(runs: list[dict], rows: list[dict]) -> list[dict]:
    """Runs that no row has, each once."""
    done = {key(row["settings"]) for row in rows}
    wanted = {key(settings): settings for settings in runs}
    return [settings for name, settings in wanted.items() if name not in done]


def processes(workers: int) -> concurrent.futures.Executor:
    # Spawned, not forked: TensorFlow's threads do not survive a fork.
    return concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=one_thread,
    )


def work(runs: list[dict], output: pathlib.Path, workers: int) -> list[dict]:
    """Makes the runs and appends their rows; returns the settings of those that failed."""
    failed = []
    about = {"commit": commit(), "host": host.machine(1), "versions": host.versions()}
    with processes(workers) as pool:
        futures = {pool.submit(train, run, output / "cache"): run for run in runs}
        for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
            settings = futures[future]
            try:
                result = future.result()
                date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
                row = {"settings": settings, **result, **about, "date": date}
                append(output / "runs.jsonl", row)
                outcome = f"{result['accuracy']:.1%}, {result['seconds']:.0f} s"
            except Exception as error:
                traceback.print_exception(error)
                failed.append(settings)
                outcome = f"failed: {error}"
            named = ", ".join(f"{name} {value}" for name, value in settings.items())
            print(f"{number}/{len(runs)}: {outcome} ({named})", flush=True)
    return failed


def parse_arguments(argv=None) -> tuple[argparse.Namespace, dict[str, Grid]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(grids(epochs=1, batch_size=1, hold_out=False))
    parser.add_argument("grids", nargs="*", metavar="GRID", help=", ".join(names))
    parser.add_argument("--data-dir", type=pathlib.Path, help="folder of N-MNIST's archives")
    parser.add_argument(
        "--hold-out",
        action="store_true",
        help="test on a fifth of the training recordings instead: to choose settings with",
    )
    choosing = parser.add_argument_group("instead of the values of the grids")
    choosing.add_argument("--networks", dest="network", nargs="+", choices=["dense", "conv"])
    choosing.add_argument("--neurons", dest="neuron", nargs="+", choices=NEURONS)
    choosing.add_argument(
        "--optimizers", dest="optimizer", nargs="+", help="Keras' by name, or ScaledAdam"
    )
    choosing.add_argument("--seeds", dest="seed", type=int, nargs="+")
    parser.add_argument("--epochs", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, help="(%(default)s)")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes of one thread each (%(default)s)"
    )
    parser.add_argument("--output", type=pathlib.Path, default="out/defaults", help="(%(default)s)")
    parser.add_argument(
        "--any-commit", action="store_true", help="take runs of other versions of the code, too"
    )
    parser.add_argument("--report", action="store_true", help="run nothing, write the report")
    arguments = parser.parse_args(argv)
    for name in ("epochs", "batch_size", "workers"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    unknown = [name for name in arguments.grids if name not in names]
    if unknown or not (arguments.grids or arguments.report):
        received = ", ".join(unknown) or "none"
        parser.error(f"grids are {', '.join(names)}. Received: {received}")
    made = grids(
        epochs=arguments.epochs, batch_size=arguments.batch_size, hold_out=arguments.hold_out
    )
    return arguments, made


def main(argv=None) -> None:
    arguments, made = parse_arguments(argv)
    output, failed = arguments.output, []

    def rows():
        found, current = read(output / "runs.jsonl"), commit()
        return [row for row in found if arguments.any_commit or row["commit"] == current]

    if not arguments.report:
        chosen = {name: getattr(arguments, name) for name in CHOICES}
        runs = [settings for name in arguments.grids for settings in made[name].runs(chosen)]
        todo = outstanding(runs, rows())
        print(f"{len(todo)} runs to make, {len(runs) - len(todo)} there", flush=True)
        defaults_tasks.prepare(todo, output / "cache", arguments.data_dir)
        failed = work(todo, output, arguments.workers)
    for path in defaults_report.write(made, rows(), output):
        print(f"written: {path}")
    if failed:
        raise SystemExit(f"{len(failed)} runs failed; the same command tries them again")


if __name__ == "__main__":
    main()
