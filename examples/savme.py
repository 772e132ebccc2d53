"""Direction and speed of visual motion with both stages of SAVME, and its inhibition.

    python examples/savme.py             # 384 recordings
    python examples/savme.py --quick     # 128 recordings, and no network without inhibition

SAVME (Orchard, Benosman, Etienne-Cummings, Thakor, "A spiking neural network architecture for
visual motion estimation", BioCAS 2013) has a detector for each of eight directions and eight speeds
at every place. examples/visual_motion.py learns the delays of such detectors; this network has
them by the formula, and has what that one leaves out:

    relays      a copy of the image for each of 50 delay lines, 0 to 49 steps late
    detectors   at each of 5 x 5 places, 64 neurons over 3 x 3 pixels. A pixel reaches a detector by
                the lines that make its events arrive together with those of the other pixels, if
                the motion is the detector's. Seven of nine pixels make it fire.
                The detectors of one place inhibit each other (SpikingRecurrentDense).
    pool        64 neurons, each over the detectors of one motion at all 5 x 5 places

So the network is one unit of the second stage, and sees 7 x 7 pixels. A slow edge is less precise
in time, so a line is open to a detector for a time around its delay, which grows as 1 / speed, and
a spike of a detector counts for as much as its lines are few.

All neurons are Loihi's. The loop makes the network a graph: it is exported as .nir, and runs in the
simulator of the chip. No weight is learned. Stimuli are those of examples/motion_stimuli.py.
"""

import argparse
import dataclasses
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from motion_stimuli import KINDS, MovingPatterns, pixels
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.export import LoihiSimulator
from keras_slayer.neurons import decay_from_tau
from keras_slayer.visualization.event_cloud import EventCloud, draw_space_time
from keras_slayer.visualization.style import INK, OFF, heading, new_figure, save

SIZE, PATCH = 7, 3  # pixels of the sensor, and of what a detector sees
PLACES = (SIZE - PATCH + 1) ** 2
DIRECTIONS = np.arange(8) * 45.0  # degrees
SPEEDS = 0.32 / np.sqrt(2) ** np.arange(7, -1, -1)  # pixels per ms, as SAVME's: 0.028 to 0.32
MOTIONS = len(DIRECTIONS) * len(SPEEDS)
DT, STEPS = 2.0, 320  # ms; the stimulus takes three quarters of the steps
LINES = 50  # 0 to 49 steps late: the slowest edge takes 101 ms over 3 x 3 pixels
PATTERNS = MovingPatterns(SIZE, DIRECTIONS, SPEEDS, dt=DT, steps=STEPS)

COINCIDENT = 7  # pixels
WEIGHT = 0.5
OPEN, LEAST_OPEN = 0.2, 1.5  # pixels; ms: a line is open for OPEN / speed before and after
INHIBITION = 2  # pixels: so many more it takes after another detector of the place has fired
POOL_TAU = 100.0  # ms
POOL_THRESHOLD = 1.5  # spikes of detectors of the fastest motion


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=384, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the stimuli (%(default)s)")
    parser.add_argument("--chip", choices=["loihi1", "loihi2"], default="loihi1")
    parser.add_argument("--quick", action="store_true", help="128 recordings, one network")
    parser.add_argument("--output", default="out/savme", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.recordings = min(arguments.recordings, 2 * MOTIONS)
    if arguments.recordings < MOTIONS:
        parser.error(f"--recordings must be at least {MOTIONS}, one for each motion")
    return arguments


def open_lines():
    """Which lines take which pixels to which detectors, (PATCH, PATCH, LINES, MOTIONS).

    The delay of a pixel is what is left of the way when the edge is there:

        delay(x, y) = middle - (x cos a + y sin a) / v     x, y from the middle of the patch
    """
    x, y = (axis[..., None, None] for axis in pixels(PATCH))
    angle, speed = np.deg2rad(DIRECTIONS), SPEEDS[:, None]
    middle = (LINES - 1) // 2 * DT
    delay = middle - (x * np.cos(angle) + y * np.sin(angle)) / speed
    delay = delay.reshape(PATCH, PATCH, 1, MOTIONS)
    off = np.abs(DT * np.arange(LINES)[:, None] - delay)
    half = np.repeat(np.maximum(OPEN / SPEEDS, LEAST_OPEN), len(DIRECTIONS))
    return (off <= half) | (off == off.min(axis=2, keepdims=True))


def build_model(inhibition=True):
    """Relays, delay lines, detectors that inhibit each other, and the pool over all places."""
    lines = open_lines()
    relay = ks.LoihiCUBA(64, 4096, 4096, dt=DT)
    # A detector forgets at once: what must coincide, the lines have brought together. The chip
    # compares with >.
    detector = ks.LoihiCUBA(round(64 * WEIGHT * COINCIDENT) - 1, 4096, 4096, dt=DT)
    pool = ks.LoihiCUBA(round(64 * POOL_THRESHOLD), 4096, decay_from_tau(POOL_TAU, DT), dt=DT)
    model = keras.Sequential(
        [
            keras.Input((STEPS, SIZE, SIZE, 2)),
            ks.SpikingConv2D(LINES, 1, neuron=relay, name="relays"),
            ks.DelayLayer(LINES * DT, dt=DT, name="lines"),
            ks.Flatten(name="flatten"),
            ks.SpikingRecurrentDense(PLACES * MOTIONS, neuron=detector, name="detectors"),
            ks.SpikingDense(MOTIONS, neuron=pool, name="pool"),
        ]
    )
    model.get_layer("relays").kernel.assign(np.full((1, 1, 2, LINES), 2.0))
    nearest_step = DT / 2  # the layer rounds down
    model.get_layer("lines").delay.assign(DT * np.arange(LINES) + nearest_step)
    side = SIZE - PATCH + 1
    kernel = np.zeros((SIZE, SIZE, LINES, side, side, MOTIONS), np.float32)
    for row, column in np.ndindex(side, side):
        kernel[row : row + PATCH, column : column + PATCH, :, row, column] = WEIGHT * lines
    model.get_layer("detectors").kernel.assign(kernel.reshape(-1, PLACES * MOTIONS))
    others = np.ones((MOTIONS, MOTIONS)) - np.eye(MOTIONS)
    inhibiting = -INHIBITION * WEIGHT * others if inhibition else 0 * others
    model.get_layer("detectors").recurrent_kernel.assign(np.kron(np.eye(PLACES), inhibiting))
    each = np.diag(worth(lines))
    model.get_layer("pool").kernel.assign(np.tile(each, (PLACES, 1)))
    return model


def worth(lines):
    """What a spike of each detector counts for: it fires as often as its lines are many."""
    width = lines.sum(axis=2).mean(axis=(0, 1))
    return width.min() / width


def is_decided(counts):
    """Whether one motion has more spikes than every other, (recordings,)."""
    return (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1


@dataclasses.dataclass(frozen=True)
class Hits:
    """Which recordings were estimated correctly, by the motion whose neuron fired most."""

    motion: np.ndarray
    direction: np.ndarray
    speed: np.ndarray
    near: np.ndarray  # the speed, or the next slower or faster one

    @classmethod
    def of(cls, counts, labels):
        """``counts`` (recordings, MOTIONS). No spike, or two that fire most: not correct."""
        decided = is_decided(counts)
        answer, count = counts.argmax(axis=1), len(DIRECTIONS)
        off = np.abs(answer // count - labels // count)
        return cls(
            decided & (answer == labels),
            decided & (answer % count == labels % count),
            decided & (off == 0),
            decided & (off <= 1),
        )

    def shares(self, of=slice(None)):
        return [f"{getattr(self, f.name)[of].mean():.1%}" for f in dataclasses.fields(self)]


def run(model, x):
    """Spikes of the detectors, counted (recordings, PLACES, MOTIONS), and of the pool, in time."""
    both = keras.Model(model.inputs, [model.get_layer("pool").input, model.outputs[0]])
    counts, trains = [], []
    for start in range(0, len(x), 16):
        detectors, pool = both.predict_on_batch(x[start : start + 16])
        counts.append(detectors.sum(axis=1).reshape(-1, PLACES, MOTIONS))
        trains.append(pool)
    return np.concatenate(counts), np.concatenate(trains)


def draw(path, x, labels, kinds, spikes):
    """The events of an edge, what the pool says of it, and all answers by direction and speed."""
    figure = new_figure(13, 3.4)
    grid = figure.add_gridspec(1, 4, width_ratios=(1.2, 1, 1, 1))
    example = int(np.flatnonzero((kinds == "edge") & (labels // len(DIRECTIONS) == 3))[0])
    ax = figure.add_subplot(grid[0], projection="3d")
    draw_space_time(ax, EventCloud.of(x[example, : STEPS * 3 // 4], DT), zoom=0.75)
    heading(ax, f"An edge, {int(x[example].sum())} events")
    counts = spikes.sum(axis=1)
    motions = counts[example].reshape(len(SPEEDS), len(DIRECTIONS))
    of_speed, direction = divmod(int(labels[example]), len(DIRECTIONS))
    ax = figure.add_subplot(grid[1])
    ax.imshow(motions, cmap="Blues", origin="lower", aspect="auto")
    ax.plot(direction, of_speed, "s", mfc="none", mec=OFF, mew=2, ms=14)
    _ticks(ax, x=_degrees(), y=_speeds(), xlabel="direction", ylabel="speed, pixels per ms")
    heading(ax, "Spikes of the pool (square: true)")
    answers = counts.argmax(axis=1)
    parts = (
        ("direction", lambda v: v % len(DIRECTIONS), _degrees()),
        ("speed, pixels per ms", lambda v: v // len(DIRECTIONS), _speeds()),
    )
    for number, (what, part, names) in enumerate(parts, start=2):
        matrix = np.zeros((8, 8))
        shown = np.flatnonzero((kinds != "texture") & is_decided(counts))
        np.add.at(matrix, (part(labels[shown]), part(answers[shown])), 1)
        ax = figure.add_subplot(grid[number])
        ax.imshow(matrix, cmap="Blues", origin="lower", aspect="auto")
        _ticks(ax, x=names, y=names, xlabel=f"answer: {what}", ylabel="true")
        heading(ax, "Edges and gratings")
    save(figure, path)


def _degrees():
    return [f"{angle:.0f}°" for angle in DIRECTIONS]


def _speeds():
    return [f"{speed:.3f}" for speed in SPEEDS]


def _ticks(ax, *, x, y, xlabel, ylabel):
    ax.set_xticks(range(8), x, rotation=90)
    ax.set_yticks(range(8), y)
    ax.set_xlabel(xlabel, fontsize=8)
    ax.set_ylabel(ylabel, fontsize=8)
    ax.tick_params(labelsize=7, colors=INK)


def main(argv=None):
    arguments = parse_arguments(argv)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    start, processor = time.monotonic(), time.process_time()
    generator = np.random.default_rng(arguments.seed)
    kinds = generator.permutation(np.resize(KINDS, arguments.recordings))
    x, labels, _ = PATTERNS.record(kinds, generator)

    console = Console()
    table = Table(title=f"{MOTIONS} motions (chance {1 / MOTIONS:.1%}), {len(x)} recordings")
    table.add_column("answer of")
    for column in ("motion", "direction", "speed", "speed ± 1", "spikes each"):
        table.add_column(column, justify="right")
    spikes = None
    for inhibition in (True,) if arguments.quick else (True, False):
        model = build_model(inhibition)
        detectors, out = run(model, x)
        if spikes is None:
            spikes, exported = out, model
        name = "" if inhibition else ", no inhibition"
        middle = detectors[:, PLACES // 2] * worth(open_lines())
        fired = f"{detectors.sum() / len(x):,.0f}"
        table.add_row(f"one place{name}", *Hits.of(middle, labels).shares(), fired)
        hits = Hits.of(out.sum(axis=1), labels)
        table.add_row(f"pool{name}", *hits.shares(), f"{out.sum() / len(x):,.0f}")
        if inhibition:
            for kind in KINDS:
                shown = kinds == kind
                count = f"{out[shown].sum() / shown.sum():,.0f}"
                table.add_row(f"pool, {kind}s", *hits.shares(shown), count)
    console.print(table)
    print(
        "spikes each: of all detectors, or of the pool, per recording; speed ± 1: or the next one"
    )

    report = exported.export_loihi(folder / "savme.nir", chip=arguments.chip)
    some = x[:: max(1, len(x) // 32)]
    file_spikes = LoihiSimulator(report.path).run(some)
    differing = int(np.sum(file_spikes != exported.predict(some, batch_size=16, verbose=0)))
    draw(folder / "savme.png", x, labels, kinds, spikes)
    table = Table(title=f"On the chip ({report.chip}, simulated)")
    table.add_column("what")
    table.add_column("result", justify="right")
    table.add_row("cores", str(len(report.mapping.cores)))
    table.add_row("neurons", f"{sum(layer.neurons for layer in report.layers):,}")
    table.add_row("recordings run from the file", str(len(some)))
    table.add_row("output spikes", f"{int(file_spikes.sum()):,}")
    table.add_row("output spikes that differ", f"{differing:,}")
    table.add_row("seconds of processor time", f"{time.process_time() - processor:.0f}")
    table.add_row("seconds", f"{time.monotonic() - start:.0f}")
    for name in ("savme.nir", "savme.png"):
        table.add_row("written", str(folder / name))
    console.print(table)


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
