"""Starts a program as several workers on one machine, to try it before it gets many."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

_GRACE_SECONDS = 5.0
"""How long workers have to end when they are told to, before they are killed."""


def run(program: Sequence[str], workers: int, output=None) -> int:
    """Runs `program` as `workers` processes, and waits for all of them.

    Each gets a `TF_CONFIG` that names all workers, at free ports of this machine, and itself. Their
    output comes line by line, each with `[worker N] ` at its front. A worker that fails ends the
    others. So do SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal closes), where this runs in the
    main thread, and a reader of the output that leaves, as `| head` does.

    Args:
        program: a command.
        workers: how many processes.
        output: text stream; standard output by default.

    Returns:
        0 if all ended well; else the exit status of the first worker that failed, 128 + n for one
        that signal n ended, and so for a signal to this process.
    """
    output = sys.stdout if output is None else output
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_reserve()) for _ in range(workers)]
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
        ended: queue.SimpleQueue = queue.SimpleQueue()  # a signal may put while get runs
        stack.enter_context(_signals_to(ended))
        processes, readers = [], []
        try:
            for index in range(workers):
                process = _start(program, addresses, index)
                processes.append(process)
                readers += [
                    threading.Thread(target=_read, args=(index, process, output, ended)),
                    threading.Thread(target=_await, args=(process, ended)),
                ]
                for reader in readers[-2:]:
                    reader.start()
            return _wait(ended, workers)
        finally:
            _end(processes)
            for reader in readers:
                reader.join()


def _reserve() -> socket.socket:
    """A port that nobody else is given as long as this is open.

    The socket does not listen, and lets the port be reused: Linux then gives it to a server that
    asks for this very port, as TensorFlow's does, and to no program that asks for any.
    """
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def _start(program, addresses: list[str], index: int) -> subprocess.Popen:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        program,
        env={**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C in a terminal comes to this process alone
    )


def _read(index: int, process: subprocess.Popen, output, ended: queue.SimpleQueue) -> None:
    with process.stdout:
        try:
            for line in process.stdout:
                output.write(f"[worker {index}] {line.rstrip()}\n")
                output.flush()
        except BrokenPipeError:
            ended.put(128 + signal.SIGPIPE)


def _await(process: subprocess.Popen, ended: queue.SimpleQueue) -> None:
    status = process.wait()
    ended.put(128 - status if status < 0 else status)


@contextlib.contextmanager
def _signals_to(ended: queue.SimpleQueue):
    """Puts 128 + n into the queue when signal n comes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # SIGHUP too: workers have sessions of their own, and would outlive a terminal that closes.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(n, lambda n, _: ended.put(128 + n)) for n in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _wait(ended: queue.Queue, workers: int) -> int:
    for _ in range(workers):
        status = ended.get()
        if status:
            return status
    return 0


def _end(processes: list[subprocess.Popen]) -> None:
    """Ends those that still run, with all that they started."""
    for process in processes:
        _send(process, signal.SIGTERM)
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        _send(process, signal.SIGKILL)  # also what it has left behind
        process.wait()


def _send(process: subprocess.Popen, number: int) -> None:
    """To all processes of its session; there may be some when the first has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
