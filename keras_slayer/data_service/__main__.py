"""The processes of a `tf.data` service: one dispatcher, and workers that have this package's ops.

    python -m keras_slayer.data_service dispatcher --port 5050
    python -m keras_slayer.data_service worker --dispatcher HOST:5050

Both run until SIGTERM or Ctrl-C. They have no access control: keep their ports inside the cluster.
"""

import argparse
import math
import os
import queue
import signal
import socket
import sys
import time

import tensorflow as tf

from keras_slayer import ops
from keras_slayer.data_service import addresses

_service = tf.data.experimental.service
_PAUSE_SECONDS = 0.5
_LONGEST_SECONDS = 1e6


def _dispatcher(options, backend: str) -> tuple:
    config = _service.DispatcherConfig(
        port=options.port,
        work_dir=options.work_dir,
        fault_tolerant_mode=options.work_dir is not None,
    )
    server = _service.DispatchServer(config)
    return server, f"dispatcher ready at {server.target}"


def _worker(options, backend: str) -> tuple:
    config = _service.WorkerConfig(
        dispatcher_address=options.dispatcher,
        worker_address=f"{options.host}:%port%",
        data_transfer_address=f"{options.host}:%dts_port%",
        port=options.port,
        dispatcher_timeout_ms=round(options.timeout * 1000),
    )
    return _service.WorkerServer(config), f"worker ready, with {backend} ops"


def _port(text: str) -> int:
    last = addresses.LAST_PORT
    if not (text.isdecimal() and int(text) <= last):
        raise argparse.ArgumentTypeError(f"should be 0 to {last}. Received: {text!r}")
    return int(text)


def _address(text: str) -> str:
    try:
        return addresses.without_protocol(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"should be above 0, and at most {_LONGEST_SECONDS:g}. Received: {text!r}"
        )
    return seconds


def _parse(arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.data_service",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    roles = parser.add_subparsers(required=True, metavar="ROLE", dest="role")
    dispatcher = roles.add_parser("dispatcher", help="hands out what is to be read")
    dispatcher.add_argument("--port", type=_port, default=0, help="default: a free one")
    dispatcher.add_argument(
        "--work-dir", metavar="DIR", help="journal, from which a new dispatcher goes on"
    )
    dispatcher.set_defaults(start=_dispatcher)
    worker = roles.add_parser("worker", help="reads, and makes elements")
    worker.add_argument("--dispatcher", required=True, type=_address, metavar="HOST:PORT")
    worker.add_argument("--port", type=_port, default=0, help="default: a free one")
    worker.add_argument(
        "--host",
        default=socket.gethostname(),
        help="by which trainers reach this worker; default: the name of this machine",
    )
    worker.add_argument(
        "--timeout", type=_seconds, default=3600.0, help="seconds to wait for the dispatcher"
    )
    worker.set_defaults(start=_worker)
    return parser.parse_args(arguments)


def _await(address: str, seconds: float) -> None:
    """Waits until something listens at `address`; raises `TimeoutError`."""
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        try:
            addresses.connect(address, max(left, 0.1))
        except OSError as error:
            if left <= _PAUSE_SECONDS:
                raise TimeoutError(
                    f"no dispatcher at {address} within {seconds:g} s (--timeout): {error}"
                ) from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _set_signals(handler) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def main(arguments=None) -> int:
    """The command line. Returns the exit status, if the server did not start."""
    options = _parse(arguments)
    # Before a worker registers: it may be given elements at once. The dispatcher makes the data
    # set as well, to know what its source gives.
    backend = ops.load()
    stop: queue.SimpleQueue = queue.SimpleQueue()  # a signal may put while get runs
    try:
        if options.role == "worker":
            _await(options.dispatcher, options.timeout)
        # TensorFlow's start of a worker holds all threads until its dispatcher answers, however
        # long that takes: Python's own handlers would never run.
        _set_signals(signal.SIG_DFL)
        _server, message = options.start(options, backend)
        _set_signals(lambda *_: stop.put(None))
    except (tf.errors.OpError, TimeoutError) as error:
        print(f"error: {getattr(error, 'message', error)}", file=sys.stderr)
        return 1
    except RuntimeError as error:  # "Could not start gRPC server", whatever the cause
        cause = f"; is port {options.port} in use?" if options.port else ""
        print(f"error: {error}{cause}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    print(message, flush=True)
    stop.get()
    # The server's own stop waits as long as a reader has a call open, and holds all threads.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
