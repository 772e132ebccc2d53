"""The processes of a `tf.data` service: one dispatcher, and workers that have this package's ops.

    python -m keras_slayer.data_service dispatcher --port 5050
    python -m keras_slayer.data_service worker --dispatcher HOST:5050

Both run until SIGTERM or Ctrl-C. They have no access control: keep their ports inside the cluster.
"""

import argparse
import os
import signal
import socket
import sys
import threading

import tensorflow as tf

from keras_slayer import ops

_service = tf.data.experimental.service


def _dispatcher(options) -> tuple:
    ops.load()  # it makes the data set as well, to know what its source gives
    config = _service.DispatcherConfig(
        port=options.port,
        work_dir=options.work_dir,
        fault_tolerant_mode=options.work_dir is not None,
    )
    server = _service.DispatchServer(config)
    return server, f"dispatcher ready at {server.target}"


def _worker(options) -> tuple:
    # Before it registers: it may be given elements at once.
    backend = ops.load()
    config = _service.WorkerConfig(
        dispatcher_address=options.dispatcher.split("://")[-1],
        worker_address=f"{options.host}:%port%",
        data_transfer_address=f"{options.host}:%dts_port%",
        port=options.port,
        dispatcher_timeout_ms=round(options.timeout * 1000),
    )
    return _service.WorkerServer(config), f"worker ready, with {backend} ops"


def main(arguments=None) -> int:
    """The command line. Returns the exit status, if the server did not start."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.data_service",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    roles = parser.add_subparsers(required=True, metavar="ROLE", dest="role")
    dispatcher = roles.add_parser("dispatcher", help="hands out what is to be read")
    dispatcher.add_argument("--port", type=int, default=0, help="default: a free one")
    dispatcher.add_argument(
        "--work-dir", metavar="DIR", help="journal, from which a new dispatcher goes on"
    )
    dispatcher.set_defaults(start=_dispatcher)
    worker = roles.add_parser("worker", help="reads, and makes elements")
    worker.add_argument("--dispatcher", required=True, metavar="HOST:PORT")
    worker.add_argument("--port", type=int, default=0, help="default: a free one")
    worker.add_argument(
        "--host",
        default=socket.gethostname(),
        help="by which trainers reach this worker; default: the name of this machine",
    )
    worker.add_argument(
        "--timeout", type=float, default=3600.0, help="seconds to wait for the dispatcher"
    )
    worker.set_defaults(start=_worker)
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        _server, message = options.start(options)
    except tf.errors.OpError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    print(message, flush=True)
    stop.wait()
    # The server's own stop waits as long as a reader has a call open, and holds all threads.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
