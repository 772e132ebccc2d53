"""Makes events of a moving picture, as an event camera would see it.

    python examples/video_to_events.py
    python examples/video_to_events.py --camera noisy --fps 2000

A disc circles before a pattern of stripes. The frames are drawn one by one and never kept.
Writes the recording as an N-MNIST file, and a picture of it.
"""

import argparse
import pathlib
import time

import numpy as np

from keras_slayer.events import EventCamera, simulate, write_events
from keras_slayer.visualization import plot_events

SIZE = 96  # pixels
RADIUS = 12.0
ORBIT = 26.0
TURNS_PER_SECOND = 2.5
STRIPES_PER_SECOND = 1.0
CAMERAS = {
    "default": EventCamera(),
    "clean": EventCamera.clean(),
    "noisy": EventCamera.noisy(),
}


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--camera", choices=CAMERAS, default="default")
    parser.add_argument("--fps", type=float, default=1000.0, help="frames/s (%(default)s)")
    parser.add_argument("--duration", type=float, default=400.0, help="ms (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (%(default)s)")
    parser.add_argument("--output", default="out/video_to_events", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.fps <= 0 or arguments.duration * arguments.fps < 2000:
        parser.error("--fps and --duration must make two frames or more")
    return arguments


def draw_frames(fps, duration):
    """The video, frame by frame: brightness from 0 to 1, with soft edges."""
    y, x = np.mgrid[:SIZE, :SIZE]
    for frame in range(round(duration / 1000 * fps)):
        t = frame / fps
        angle = 2 * np.pi * TURNS_PER_SECOND * t
        column, row = SIZE / 2 + ORBIT * np.cos(angle), SIZE / 2 + ORBIT * np.sin(angle)
        disc = np.clip(RADIUS + 0.5 - np.hypot(x - column, y - row), 0, 1)
        stripes = 0.3 + 0.1 * np.sin(2 * np.pi * (x / 24 - STRIPES_PER_SECOND * t))
        yield disc * 0.9 + (1 - disc) * stripes


def main(argv=None):
    arguments = parse_arguments(argv)
    camera = CAMERAS[arguments.camera]
    start = time.monotonic()
    frames = draw_frames(arguments.fps, arguments.duration)
    events = simulate(frames, arguments.fps, camera=camera, seed=arguments.seed)
    seconds = time.monotonic() - start
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_events(folder / "recording.bin", events)
    title = f"{len(events):,} events of a disc that circles before stripes"
    plot_events(events, title=title).savefig(folder / "recording.png", dpi=150)
    print(f"{len(events):,} events, {events.polarity.mean():.0%} ON, in {seconds:.1f} s")
    print(f"{len(events) / arguments.duration:.0f} events per ms of {SIZE} x {SIZE} pixels")
    print(folder / "recording.bin")
    print(folder / "recording.png")
    return events


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    run(main)
