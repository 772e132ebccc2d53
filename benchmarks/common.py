"""What the benchmarks share: interleaved timing, the machine at hand, tables.

A benchmark lists candidates; `measure` prepares them all, then times one step of
each in turn, over and over, so that whatever else the machine does meets all of
them alike. Compare ratios of one run, never milliseconds of two.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import math
import multiprocessing
import os
import pathlib
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow's fastest products, which are its choice on some processors only.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf
from host import console, machine, print_machine, versions  # noqa: F401 - print_machine for others
from peers.protocol import forget_peak, peak_bytes
from rich.table import Table as Printed


@dataclasses.dataclass(frozen=True)
class Work:
    """What a candidate is once prepared.

    Attributes:
        step: what is timed; returns when it is done.
        facts: called after the timing; raises where the work was not what it
            claims to be, returns figures for the table.
    """

    step: Callable[[], object]
    facts: Callable[[], dict] = dict


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A name and how to prepare it; `prepare` is at module level, so that a process can call it."""

    name: str
    prepare: Callable[..., Work]
    options: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Result:
    """Seconds of each repeat, facts, and the peak memory of the candidate's process in bytes.

    `idle_bytes` is the peak before the candidate was prepared: TensorFlow's own. `peak_bytes` is
    that of the steps.
    """

    name: str
    seconds: tuple[float, ...]
    facts: dict = dataclasses.field(default_factory=dict)
    peak_bytes: int = 0
    idle_bytes: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclasses.dataclass(frozen=True)
class Table:
    """Texts for the terminal, for a file, and from there for the report."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def print(self) -> None:
        printed = Printed(title=self.title, title_justify="left")
        for index, heading in enumerate(self.headings):
            justify = "right" if index else "left"
            printed.add_column(heading, justify=justify, no_wrap=index > 0)
        for row in self.rows:
            printed.add_row(*row)
        console.print(printed)


class _Local:
    """A candidate in this process."""

    def __init__(self, candidate: Candidate, warmup: int):
        self.name = candidate.name
        self.idle_bytes = peak_bytes()
        self.work = candidate.prepare(**candidate.options)
        forget_peak()  # making the data takes more than having it
        for _ in range(warmup):
            self.work.step()
        self.seconds = []

    def wait(self) -> None:
        pass

    def time(self) -> None:
        start = time.perf_counter()
        self.work.step()
        self.seconds.append(time.perf_counter() - start)

    def finish(self) -> Result:
        peak = peak_bytes()  # of the work, not of its checks
        return Result(self.name, tuple(self.seconds), self.work.facts(), peak, self.idle_bytes)


class _Remote:
    """A candidate in a process of its own, which waits while another one is timed."""

    def __init__(self, candidate: Candidate, warmup: int, threads: int):
        self.name = candidate.name
        # Spawned, not forked: TensorFlow's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, candidate, warmup, threads)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()

    def wait(self):
        try:
            return self.connection.recv()
        except EOFError:
            raise SystemExit(f"The process of {self.name!r} ended with an error.") from None

    def time(self) -> None:
        self.connection.send("time")
        self.wait()

    def finish(self) -> Result:
        self.connection.send("finish")
        result = self.wait()
        self.process.join()
        return result


def _serve(connection, candidate: Candidate, warmup: int, threads: int) -> None:
    set_threads(threads)
    local = _Local(candidate, warmup)
    connection.send("ready")
    while connection.recv() == "time":
        local.time()
        connection.send("timed")
    connection.send(local.finish())


def measure(
    candidates: Sequence[Candidate], *, repeats: int, threads: int, separate: bool, warmup: int = 3
) -> list[Result]:
    """Times one step of each candidate in turn, `repeats` times.

    Args:
        candidates: what to compare; ratios are to the first.
        repeats: timed steps of each.
        threads: of TensorFlow, in separate processes (in this one, `set_threads`).
        separate: a process for each candidate: its memory apart, and no
            allocator, cache or thread pool shared.
        warmup: steps before the first timed one, tracing included.
    """
    runners = []
    for candidate in candidates:
        runner = _Remote(candidate, warmup, threads) if separate else _Local(candidate, warmup)
        runners.append(runner)
    for runner in runners:
        runner.wait()
    for _ in range(repeats):
        for runner in runners:
            runner.time()
    return [runner.finish() for runner in runners]


def parser(description: str, *, repeats: int | None) -> argparse.ArgumentParser:
    """Options that every benchmark has; no `--repeats` where `repeats` is None."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if repeats is not None:
        made.add_argument("--repeats", type=int, default=repeats, help="timed steps (%(default)s)")
    made.add_argument("--threads", type=int, default=2, help="of each candidate (%(default)s)")
    return made


def add_output(made: argparse.ArgumentParser) -> None:
    """The option of benchmarks whose figures go into RESULTS.md (report.py)."""
    folder = pathlib.Path("out/benchmarks")
    made.add_argument(
        "--output", type=pathlib.Path, default=folder, help="folder of results (%(default)s)"
    )


def save(folder: pathlib.Path, name: str, threads: int, tables: Sequence[Table], **data) -> None:
    """Writes tables and further data to `folder`/`name`.json, with what they were measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(threads),
        "versions": versions(),
        "tables": [dataclasses.asdict(table) for table in tables],
        **data,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written: {path}")


def set_threads(threads: int) -> None:
    """Before TensorFlow runs anything: its threads within one op, and for ops side by side."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def results_table(
    title: str, results: Sequence[Result], columns: dict[str, Callable[[Result], str]] | None = None
) -> Table:
    """Median, spread and ratio of each result, then `columns` (heading: text of a result)."""
    columns = columns or {}
    rows = []
    for result in results:
        times = (result.median, min(result.seconds), max(result.seconds))
        rows.append(
            (
                result.name,
                *(f"{1e3 * seconds:.2f}" for seconds in times),
                f"{result.median / results[0].median:.2f}",
                *(text(result) for text in columns.values()),
            )
        )
    return Table(title, ("", "median ms", "min", "max", "ratio", *columns), rows)


def print_results(
    title: str, results: Sequence[Result], columns: dict[str, Callable[[Result], str]] | None = None
) -> None:
    results_table(title, results, columns).print()


def megabytes(size: float) -> str:
    return f"{size / 2**20:.0f}"


def check_rate(what: str, rate: float) -> float:
    """Nobody trains a network that is silent or fires all the time: do not time one."""
    if not 1e-4 < rate < 0.5:
        raise RuntimeError(f"{what}: {rate:.3g} spikes per neuron and step, not a usual network's")
    return rate


def check_finite(what: str, value: float) -> float:
    if not math.isfinite(value):
        raise RuntimeError(f"{what} is {value}")
    return value
