"""Options of all commands that read a file."""

import argparse

from keras_slayer.events.files import fields, registry
from keras_slayer.events.files.aedat2 import CAMERAS
from keras_slayer.events.files.recording import DAMAGED


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Adds what `read_events` takes besides the path."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--format",
        choices=sorted(registry.FORMATS),
        metavar="NAME",
        help=f"of the file (default: recognised): {', '.join(registry.FORMATS)}",
    )
    group.add_argument(
        "--sensor", type=_size, metavar="WIDTHxHEIGHT", help="size of the sensor, 640x480"
    )
    group.add_argument("--columns", help='of a text file without names: "t,x,y,p"')
    group.add_argument("--time-unit", choices=list(fields.TIME_UNITS), help="of text, NumPy, HDF5")
    group.add_argument("--camera", choices=list(CAMERAS), help="of an AEDAT 2.0 file")
    group.add_argument("--group", help="of an HDF5 file with several sets of events")
    group.add_argument("--stream", type=int, help="of an AEDAT 4 file with several streams")
    group.add_argument(
        "--damaged", choices=DAMAGED, default="error", help="what to do with damage (%(default)s)"
    )


def reading(options: argparse.Namespace) -> dict:
    """The arguments of `read_events` that were given."""
    arguments = {"format": options.format, "damaged": options.damaged}
    if options.sensor is not None:
        arguments["sensor_shape"] = options.sensor
    for name in ("columns", "time_unit", "camera", "group", "stream"):
        if getattr(options, name) is not None:
            arguments[name] = getattr(options, name)
    return arguments


def _size(text: str) -> tuple[int, int]:
    """`(height, width)` of a text like 640x480."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"should be WIDTHxHEIGHT, as 640x480. Received: {text!r}")
    return int(height), int(width)
