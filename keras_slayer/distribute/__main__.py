"""Starts a program as several workers on this machine.

    python -m keras_slayer.distribute run --workers 2 script.py [its arguments]

Each worker gets TF_CONFIG, so that tf.distribute.MultiWorkerMirroredStrategy() finds the others.
"""

import argparse
import pathlib
import sys

from keras_slayer.distribute import launch


def main(arguments=None) -> int:
    """The command line. Returns the exit status, that of the first worker that failed."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.distribute",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    run = commands.add_parser("run", help="run a Python program as several workers")
    run.add_argument("--workers", type=int, default=2, metavar="N", help="default: 2")
    run.add_argument("script", type=pathlib.Path, help="a Python program")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="for the program")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        run.error(f"--workers must be at least 1. Received: --workers {options.workers}")
    if not options.script.is_file():
        run.error(f"there is no such file. Received: {options.script}")
    program = [sys.executable, str(options.script), *options.arguments]
    return launch.run(program, options.workers)


if __name__ == "__main__":
    sys.exit(main())
