"""Shows what is in an event file: sensor, duration, rate, polarity, hot pixels, order of time.

The file is read in chunks, so it may be larger than the memory.
"""

from __future__ import annotations

import argparse
import pathlib

from keras_slayer.events.commands.reading import add_reading, reading
from keras_slayer.events.commands.statistics import Statistics
from keras_slayer.events.files import read_events, registry

_CHUNK = 1_000_000
_SHOWN_PIXELS = 5
# A picture of more points says no more, and takes long.
_PLOTTED = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("file", metavar="FILE", help="an event file of any format")
    parser.add_argument("--plot", metavar="OUT.png", help="also draw the recording")
    add_reading(parser)


def run(options: argparse.Namespace) -> None:
    """Prints the figures, and draws where it is asked to."""
    path = pathlib.Path(options.file)
    one = registry.of_file(path, options.format)
    statistics = Statistics.of(read_events(path, chunk=_CHUNK, **reading(options)))
    rows = {"file": f"{path} ({_bytes(path.stat().st_size)})", "format": f"{one.name}, {one.title}"}
    rows.update(_described(statistics))
    for name, text in rows.items():
        print(f"{name:<12}{text}")
    if options.plot:
        _plot(path, options)


def _described(counts: Statistics) -> dict[str, str]:
    if not counts.events:
        return {"events": "none"}
    if counts.sensor_shape is not None:
        height, width = counts.sensor_shape
        sensor = f"{width} x {height} pixels"
    else:
        sensor = f"not in the file; events reach {counts.width} x {counts.height} pixels"
    rate = "-" if counts.mean_rate is None else f"{_short(counts.mean_rate)} events/s"
    peak, when = counts.peak
    hot = counts.hot_pixels()
    places = ", ".join(f"({x}, {y}): {_short(count)}" for x, y, count in hot[:_SHOWN_PIXELS])
    more = f" and {len(hot) - _SHOWN_PIXELS} more" if len(hot) > _SHOWN_PIXELS else ""
    late = f"no: {counts.backwards:,} events are earlier than the one before"
    return {
        "sensor": sensor,
        "events": f"{counts.events:,}",
        "time": f"{counts.seconds:.6g} s, from {counts.first:,} to {counts.last:,} us",
        "rate": f"{rate}; at most {_short(peak)} events/s in 10 ms, {when:.2f} s after the first",
        "polarity": f"{counts.on / counts.events:.1%} ON",
        "pixels": f"{len(counts.pixels):,} active; hot ones (x, y): {places or 'none'}{more}",
        "in order": late if counts.backwards else "yes",
    }


def _short(number: float) -> str:
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def _bytes(number: int) -> str:
    return f"{_short(number)}B" if number >= 1000 else f"{number} B"


def _plot(path: pathlib.Path, options: argparse.Namespace) -> None:
    from keras_slayer.visualization import plot_events, style  # matplotlib, on use

    events = read_events(path, **reading(options))
    every = -(-len(events) // _PLOTTED) or 1
    shown = events[::every].to_dict()
    shown["t"] = shown["t"] - (events.t.min() if len(events) else 0)
    title = path.name + (f", one event of {every}" if every > 1 else "")
    style.save(plot_events(shown, title=title), pathlib.Path(options.plot))
    print(f"{'picture':<12}{options.plot}")
