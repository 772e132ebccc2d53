"""Event files at the command line: what is in them, other formats, films.

    python -m keras_slayer.events inspect FILE
    python -m keras_slayer.events convert IN OUT
    python -m keras_slayer.events play FILE OUT.gif

Each command has its own --help.
"""

import argparse
import sys
import warnings

from keras_slayer.command_lines import status_of
from keras_slayer.events.commands import convert, inspect, play
from keras_slayer.events.files import EventFileWarning

_COMMANDS = {"inspect": inspect, "convert": convert, "play": play}


def main(arguments=None) -> int:
    """The command line: `python -m keras_slayer.events --help`. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.events",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, module in _COMMANDS.items():
        summary = module.__doc__.splitlines()[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(command)
    options = parser.parse_args(arguments)
    return status_of(lambda: _run(options), ImportError, OSError, TypeError, ValueError)


def _run(options: argparse.Namespace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always", EventFileWarning)
        warnings.showwarning = _show
        _COMMANDS[options.command].run(options)


def _show(message, *_) -> None:
    print(f"warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
