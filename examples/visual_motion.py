"""Direction and speed of visual motion, from coincidences of delayed events.

    python examples/visual_motion.py             # hand-set delays, then learned ones, three seeds
    python examples/visual_motion.py --quick     # one seed, fewer recordings

A moving edge reaches one pixel after the other. Delay each pixel by what is left of the way,

    delay(x, y) = 124 ms - (x cos a + y sin a) / v        x, y from the middle of the sensor

and all its events arrive at once, if it moves in direction a with speed v. A neuron that fires on
coincidences then detects that motion: the model that was tuned by hand for event cameras (SAVME:
Orchard, Benosman, Etienne-Cummings, Thakor, "A spiking neural network architecture for visual
motion estimation", BioCAS 2013) before SLAYER learned such delays.

    events 12 x 12 x 2 -> relays: a copy of the image for each detector -> DelayLayer(per="neuron")
    -> Flatten -> one neuron for each of 8 directions x 3 speeds

Learning starts from random delays and sees single moving edges only. It is told that the detector
of an edge should fire 124 ms after the edge has passed the middle of the sensor (SpikeTimeLoss).
Weights stay equal. All networks are then tested on edges, gratings and textures
(examples/motion_stimuli.py). All neurons are Loihi's; the learned network is exported with its
delays and runs in the simulator of the chip. examples/savme.py has what is left out here: eight
speeds, inhibition between detectors, and a second stage.
"""

import argparse
import os
import pathlib
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from motion_stimuli import KINDS, MovingPatterns, pixels
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.constraints import OwnChannel
from keras_slayer.export import LoihiSimulator
from keras_slayer.neurons import decay_from_tau
from keras_slayer.optimizers import ScaledAdam
from keras_slayer.visualization.delay_map import plot_delay_maps
from keras_slayer.visualization.event_cloud import EventCloud, draw_space_time
from keras_slayer.visualization.style import heading, new_figure, save

SIZE = 12  # pixels
DT, STEPS = 4.0, 100  # ms; the stimulus takes three quarters of the steps
DIRECTIONS = np.arange(8) * 45.0  # degrees
SPEEDS = (0.08, 0.16, 0.32)  # pixels per ms, every second one of SAVME's
CLASSES = len(DIRECTIONS) * len(SPEEDS)
MAX_DELAY = 62 * DT
ANSWER = MAX_DELAY / 2  # ms from the edge in the middle to the output spike that is asked for
PATTERNS = MovingPatterns(SIZE, DIRECTIONS, SPEEDS, dt=DT, steps=STEPS)

WEIGHT = 0.25
MEMBRANE_TAU = 4.0  # ms
COINCIDENT = 40 / SIZE**2  # share of the pixels whose events must meet
COINCIDENT_IN_TRAINING = 80 / SIZE**2  # more, so that no detector is content with a few of them


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--recordings", type=int, default=480, help="to train on (%(default)s)")
    parser.add_argument("--test", type=int, default=960, help="recordings (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one seed, fewer recordings")
    parser.add_argument("--output", default="out/visual_motion", help="folder (%(default)s)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.epochs, arguments.test = 1, 3, 192
    for name in ("seeds", "epochs"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    for name in ("recordings", "test"):
        if getattr(arguments, name) < CLASSES:
            parser.error(f"--{name} must be at least {CLASSES}, one for each class")
    return arguments


def delays_by_hand():
    """delay(x, y) = ANSWER - (x cos a + y sin a) / v in ms, (SIZE, SIZE, CLASSES)."""
    x, y = (axis[..., None, None] for axis in pixels(SIZE))
    angle = np.deg2rad(DIRECTIONS)
    lead = (x * np.cos(angle) + y * np.sin(angle)) / np.array(SPEEDS)[:, None]
    nearest_step = DT / 2  # the layer rounds down
    return (ANSWER - lead + nearest_step).reshape(SIZE, SIZE, CLASSES)


def build_model(delays, *, coincident=COINCIDENT, learn_delays=False, learn_weights=False):
    """Relays that copy each event to all detectors, delays, detectors with equal weights."""
    relay = ks.LoihiCUBA(64, 4096, 4096)
    threshold = round(64 * WEIGHT * coincident * SIZE**2)
    # The wide surrogate: see examples/delays.py.
    detector = ks.LoihiCUBA(threshold, 4096, decay_from_tau(MEMBRANE_TAU, DT), surrogate_tau=5.0)
    model = keras.Sequential(
        [
            keras.Input((STEPS, SIZE, SIZE, 2)),
            ks.SpikingConv2D(CLASSES, 1, neuron=relay, trainable=False, name="relays"),
            ks.DelayLayer(MAX_DELAY, per="neuron", dt=DT, trainable=learn_delays, name="delays"),
            ks.Flatten(name="flatten"),
            ks.SpikingDense(
                CLASSES,
                neuron=detector,
                trainable=learn_weights,
                kernel_constraint=OwnChannel(),
                name="detectors",
            ),
        ]
    )
    model.get_layer("relays").kernel.assign(np.full((1, 1, 2, CLASSES), 2.0))
    model.get_layer("delays").delay.assign(delays)
    mask = OwnChannel.mask(SIZE * SIZE * CLASSES, CLASSES)
    model.get_layer("detectors").kernel.assign(WEIGHT * mask)
    return model


def train(model, data, epochs, learning_rate, factors=None):
    """Teaches the detectors when to fire."""
    events, labels, middle = data
    target = np.zeros((len(labels), STEPS, CLASSES), np.float32)
    step = np.rint((np.array(middle) + ANSWER) / DT).astype(int) + 2  # one step for each layer
    target[np.arange(len(labels)), step, labels] = 1
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * -(-len(labels) // 16))
    optimizer = ScaledAdam(rate, factors=factors) if factors else keras.optimizers.Adam(rate)
    model.compile(optimizer, loss=ks.SpikeTimeLoss(tau=40.0, dt=DT))
    monitor = ks.FiringRateMonitor(events[:8])
    history = model.fit(
        events, target, batch_size=16, epochs=epochs, callbacks=[monitor], verbose=0
    )
    first, last = (1000 / DT * history.history["rate/detectors"][i] for i in (0, -1))
    print(f"detectors fire at {first:.2f} Hz after the first epoch, {last:.2f} Hz at the end")
    return model


def learned_delays(start, data, epochs):
    """Delays learned from ``start``, weights equal. They move by up to a step of time at once."""
    model = build_model(start, coincident=COINCIDENT_IN_TRAINING, learn_delays=True)
    train(model, data, epochs, 1e-3, factors={"delay": 1000.0 * DT})
    return np.asarray(model.get_layer("delays").delay)


def right(spikes, labels):
    """Whether the class of each recording has fired more than every other."""
    counts = spikes.sum(axis=1)
    truth = np.take_along_axis(counts, labels[:, None], axis=1)
    return (truth > np.where(np.eye(CLASSES)[labels] > 0, -1, counts)).all(axis=1)


def distance(delays):
    """Root mean square of what separates them from those set by hand, ms."""
    return float(np.sqrt(((delays - delays_by_hand()) ** 2).mean()))


def draw(folder, events, delays):
    """An example of each kind of events; delays by hand, at random, learned."""
    figure = new_figure(10, 3.0)
    for number, (kind, recording) in enumerate(zip(KINDS, events, strict=True)):
        ax = figure.add_subplot(1, 3, number + 1, projection="3d")
        draw_space_time(ax, EventCloud.of(recording[: STEPS * 3 // 4], DT), zoom=0.9)
        heading(ax, f"{kind}, {int(recording.sum())} events")
    save(figure, folder / "events.png")
    figure = new_figure(7.6, 8.2)
    names = [f"{a:.0f}°, {v:g}" for v in SPEEDS for a in DIRECTIONS]
    panels = figure.subfigures(len(delays), 1)
    for panel, (title, values) in zip(panels, delays.items(), strict=True):
        title = f"{title}: direction, pixels per ms"
        plot_delay_maps(
            values, dt=DT, names=names, columns=8, longest=MAX_DELAY, title=title, figure=panel
        )
    save(figure, folder / "delays.png")


def main():
    arguments = parse_arguments()
    # Detectors are silent until events arrive together: that is the task, no fault.
    warnings.simplefilter("ignore", ks.FiringRateWarning)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    generator = np.random.default_rng(1000)
    kinds = generator.permutation(np.resize(KINDS, arguments.test))
    test, labels, _ = PATTERNS.record(kinds, generator)
    results, shown = {}, {"Set by hand": delays_by_hand()}

    def measure(name, model):
        spikes = model.predict(test, batch_size=32, verbose=0)
        hits = right(spikes, labels)
        delays = np.asarray(model.get_layer("delays").delay)
        results.setdefault(name, []).append(
            [hits.mean(), *(hits[kinds == kind].mean() for kind in KINDS), distance(delays)]
        )
        print(f"{name}: {hits.mean():.1%}", flush=True)
        return spikes

    measure("set by hand", build_model(delays_by_hand()))
    for seed in range(arguments.seeds):
        keras.utils.set_random_seed(seed)
        generator = np.random.default_rng(seed)
        edges = PATTERNS.record(["edge"] * arguments.recordings, generator)
        random = generator.uniform(0, MAX_DELAY, (SIZE, SIZE, CLASSES))
        fixed = train(build_model(random, learn_weights=True), edges, arguments.epochs, 3e-2)
        measure("random, weights learned", fixed)
        learned = learned_delays(random, edges, arguments.epochs)
        model = build_model(learned)
        spikes = measure("learned from random", model)
        shown.update({"Random, where learning starts": random, "Learned": learned})

    report = model.export_loihi(folder / "motion.net")
    file_spikes = LoihiSimulator(report.path).run(test)
    examples = [test[np.flatnonzero(kinds == kind)[0]] for kind in KINDS]
    draw(folder, examples, shown)

    console = Console()
    table = Table(
        title=f"{CLASSES} motions (chance {1 / CLASSES:.1%}), {arguments.test} recordings"
    )
    table.add_column("delays")
    for column in ("accuracy", "of each seed", *KINDS, "off by hand"):
        table.add_column(column, justify="right")
    for name, rows in results.items():
        total, *of_kind, off = np.mean(rows, axis=0)
        seeds = " ".join(f"{row[0]:.1%}" for row in rows)
        shares = [f"{value:.1%}" for value in of_kind]
        table.add_row(name, f"{total:.1%}", seeds, *shares, f"{off:.1f} ms")
    console.print(table)

    table = Table(title="Beside SAVME (its published code)")
    for column in ("", "here", "SAVME"):
        table.add_column(column)
    table.add_row("directions", "8, by 45 degrees", "8, by 45 degrees")
    table.add_row("speeds, pixels per ms", ", ".join(map(str, SPEEDS)), "8, 0.028 to 0.32, by √2")
    table.add_row("pixels of a detector", f"{SIZE} x {SIZE}", "3 x 3, then 5 x 5")
    table.add_row("weights", "equal", "equal")
    table.add_row("delays", "learned, or by the formula", "by the formula")
    table.add_row("between detectors", "nothing: see savme.py", "mutual inhibition")
    table.add_row(
        "accuracy", f"{np.mean(results['learned from random'], axis=0)[0]:.1%}", "none given"
    )
    console.print(table)

    table = Table(title="The last network with learned delays, on Loihi")
    table.add_column("what")
    table.add_column("result", justify="right")
    table.add_row("accuracy of the exported file", f"{right(file_spikes, labels).mean():.1%}")
    table.add_row("output spikes", f"{int(spikes.sum()):,}")
    table.add_row("output spikes that differ", str(int(np.sum(file_spikes != spikes))))
    table.add_row("longest delay", f"{max(layer.largest_delay for layer in report.layers)} steps")
    table.add_row("cores", str(len(report.mapping.cores)))
    table.add_row("seconds", f"{time.monotonic() - start:.0f}")
    for name in ("motion.net", "events.png", "delays.png"):
        table.add_row("written", str(folder / name))
    console.print(table)


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
