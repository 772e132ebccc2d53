"""Exported networks at the command line.

    python -m keras_slayer.export flat NETWORK.net NETWORK.ksn
    python -m keras_slayer.export include-path

`flat` writes a .net or .nir file as a flat file, for programs in C++. `include-path` prints where
the headers are that such programs need.
"""

import argparse
import sys

from keras_slayer.command_lines import status_of
from keras_slayer.export.cpp import include_path, write_flat
from keras_slayer.export.simulation.simulator import READERS


def main(arguments=None) -> int:
    """The command line: `python -m keras_slayer.export --help`. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    flat = commands.add_parser("flat", help="write a network as a flat file, for C++")
    flat.add_argument("network", metavar="IN", help="a .net or .nir file of model.export_loihi")
    flat.add_argument("output", metavar="OUT", help="the flat file; replaced if it is there")
    flat.add_argument(
        "--input-shape",
        type=int,
        nargs="+",
        metavar="N",
        help="inputs, or height width channels, where a .net file does not say it",
    )
    flat.add_argument(
        "--format", choices=tuple(READERS), help="of the network's file; default: its suffix"
    )
    commands.add_parser("include-path", help="print the folder of the simulator's headers")
    options = parser.parse_args(arguments)
    return status_of(lambda: _run(options), OSError, ValueError)


def _run(options: argparse.Namespace) -> None:
    if options.command == "include-path":
        print(include_path())
    else:
        write_flat(options.network, options.output, options.input_shape, options.format)


if __name__ == "__main__":
    sys.exit(main())
