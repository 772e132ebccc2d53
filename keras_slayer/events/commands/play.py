"""Makes a film of an event file: OUT is a .gif, .mp4 or .html file.

A frame shows the events of `--dt` ms, and the film has `--fps` frames a second.
"""

import argparse

from keras_slayer.events.commands.reading import add_reading, reading
from keras_slayer.events.files import read_events


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("file", metavar="FILE", help="an event file of any format")
    parser.add_argument("output", metavar="OUT", help="a .gif, .mp4 or .html file")
    parser.add_argument("--dt", type=float, default=20.0, help="ms of a frame (%(default)s)")
    parser.add_argument("--fps", type=float, default=25.0, help="frames a second (%(default)s)")
    add_reading(parser)


def run(options: argparse.Namespace) -> None:
    """Reads the whole file and writes the film."""
    from keras_slayer.visualization.animation import animate_events  # matplotlib, on use

    events = read_events(options.file, **reading(options))
    animate_events(
        events,
        options.output,
        dt=options.dt,
        fps=options.fps,
        sensor_shape=events.sensor_shape,
    )
    print(f"{options.output}: {len(events):,} events")
