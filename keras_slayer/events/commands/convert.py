"""Writes the events of a file in another format.

The new format is that of the suffix of OUT; `.raw` is EVT 3.0.
"""

import argparse

from keras_slayer.events.commands.reading import add_reading, reading
from keras_slayer.events.files import read_events, registry, write_events


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("file", metavar="IN", help="an event file of any format")
    parser.add_argument("output", metavar="OUT", help="replaced if it is there")
    written = sorted(name for name, one in registry.FORMATS.items() if one.writes)
    parser.add_argument(
        "--to",
        choices=written,
        metavar="NAME",
        help=f"format of OUT (default: by its suffix): {', '.join(written)}",
    )
    parser.add_argument("--fix-time", action="store_true", help="sort the events by time")
    parser.add_argument(
        "--from-zero", action="store_true", help="count times from the earliest event"
    )
    add_reading(parser)


def run(options: argparse.Namespace) -> None:
    """Reads, and writes whole or not at all."""
    events = read_events(options.file, fix_time=options.fix_time, **reading(options))
    if options.from_zero and len(events):
        fields = {**events.to_dict(), "t": events.t - events.t.min()}
        events = type(events)(**fields, sensor_shape=events.sensor_shape)
    write_events(options.output, events, format=options.to)
    print(f"{options.output}: {len(events):,} events")
