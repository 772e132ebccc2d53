"""Plays event recordings to a network in real time: the answer comes while the events come.

    python examples/live.py                                  # simulated events: no download
    python examples/live.py --data-dir FOLDER                # N-MNIST: Train.zip and Test.zip
    python examples/live.py --model out/live/model.keras --file 00042.bin --label 7
    python examples/live.py --quick                          # small, and not in real time

Trains a small network of Loihi's neurons on event-camera digits and exports it. Then plays
recordings that it has not seen, or a file of 34 x 34 pixels in any format that `read_events` knows,
step by step: `Stream.step` takes the places of a step's events and gives the places of the output
spikes. The exported file takes the same steps in `LoihiSimulator.stream()`, and the spikes that
differ are counted. The answer is the class with most spikes so far.

Prints a line for each recording and a table. Draws the last recording, what the outputs say to it,
and the accuracy as the events come.
"""

import argparse
import dataclasses
import itertools
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import nmnist  # the example beside this one
import numpy as np
import tensorflow as tf
from progress import OccasionalMonitor, Progress
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.events import Events, read_events, spike_pipeline
from keras_slayer.export import LoihiSimulator
from keras_slayer.visualization import plot_raster
from keras_slayer.visualization.event_cloud import EventCloud, draw_image, full_count
from keras_slayer.visualization.style import FAINT, ON, heading, new_figure, save, style_axes

SENSOR, CLASSES = nmnist.SENSOR, 10
DURATION = nmnist.DURATION  # ms of a recording of the data set
IMAGES = 6  # in the picture
READ_AT = (30, 60, 100, 200, 300)  # ms, of the accuracies in the table


@dataclasses.dataclass
class Played:
    """What came of a recording.

    Attributes:
        events, label: of the recording; -1: no label.
        outputs: spikes (steps, classes).
        differing: output spikes that the chip's simulator had otherwise.
        seconds, chip_seconds: that each step took.
        late: seconds from when a step's events were there to when its output spikes were.
    """

    events: Events
    label: int
    outputs: np.ndarray
    differing: int
    seconds: list[float]
    chip_seconds: list[float]
    late: list[float]


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="2 epochs, 20 recordings, --speed 0")
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--file", help="a recording to play (the test recordings)")
    parser.add_argument("--label", type=int, default=-1, help="its class, if known")
    parser.add_argument("--recordings", type=int, default=50, help="to play (%(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time; 0: no waiting")
    parser.add_argument("--model", help="a saved model (.keras) of this example; else trains one")
    parser.add_argument(
        "--dt", type=float, default=2.0, help="ms per step, of training (%(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=8, help="of training (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--output", default="out/live", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    arguments.data = "auto"
    if arguments.quick:
        arguments.epochs, arguments.recordings, arguments.speed = 2, 20, 0.0
    if arguments.speed < 0:
        parser.error("--speed must not be negative")
    for name in ("recordings", "epochs"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if not 0.5 <= arguments.dt <= 10:
        parser.error("--dt must be 0.5 to 10")
    for name in ("file", "model"):
        path = getattr(arguments, name)
        if path and not pathlib.Path(path).is_file():
            parser.error(f"--{name}: there is no file {path}")
    return arguments


def train(arguments, train_events, test_events):
    """A network 2312-128-10 of Loihi's neurons."""
    neuron = ks.LoihiCUBA(dt=arguments.dt)
    binning = {"sensor_shape": SENSOR, "steps": int(DURATION / arguments.dt), "dt": arguments.dt}
    data = spike_pipeline(
        train_events, batch_size=8, shuffle=True, shift=1, seed=arguments.seed, **binning
    )
    monitored = spike_pipeline(test_events, batch_size=20, cache=False, **binning)
    model = keras.Sequential(
        [
            keras.Input((binning["steps"], *SENSOR)),
            ks.Flatten(),
            ks.SpikingDense(128, neuron=neuron),
            ks.SpikingDense(CLASSES, neuron=neuron),
        ]
    )
    metrics = [ks.SpikeCountAccuracy(name="accuracy")]
    model.compile(keras.optimizers.Adam(3e-3), loss=ks.SpikeMaxLoss(), metrics=metrics)
    callbacks = [OccasionalMonitor(monitored), Progress()]
    model.fit(data, epochs=arguments.epochs, shuffle=False, callbacks=callbacks, verbose=0)
    return model


def from_start(events):
    """Times in us from the start of the recording; a camera counts from when it was switched on."""
    if not len(events) or events.t.min() <= max(np.ptp(events.t), 1e6):  # as EventCloud.of
        return events.t
    return events.t - events.t.min()


def places_of(events, dt, steps):
    """For each step the places of its events in the flattened image."""
    _, width, channels = SENSOR
    step = (from_start(events) / (1000 * dt)).astype(int)
    place = (events.y.astype(int) * width + events.x) * channels + events.polarity
    order = np.argsort(step, kind="stable")
    return np.split(place[order], np.searchsorted(step[order], np.arange(1, steps + 1)))[:steps]


def play(events, label, network, chip, dt, steps, speed):
    """Gives the events of one step after the other to network and chip, as time passes."""
    network.reset()
    chip.reset()
    played = Played(events, label, np.zeros((steps, CLASSES), np.float32), 0, [], [], [])
    begin = time.perf_counter()
    for t, places in enumerate(places_of(events, dt, steps)):
        due = begin + (t + 1) * dt / 1000 / speed if speed else time.perf_counter()
        time.sleep(max(0.0, due - time.perf_counter()))  # the step is over, its events are there
        start = time.perf_counter()
        spikes = network.step(places)
        answered = time.perf_counter()
        same = chip.step(places)
        played.chip_seconds.append(time.perf_counter() - answered)
        played.seconds.append(answered - start)
        played.late.append(answered - due)
        played.outputs[t, spikes] = 1
        played.differing += len(np.setxor1d(spikes, same))
    return played


def describe(played, dt):
    """A line on a recording: its answer, and since when it has been that."""
    counts = np.cumsum(played.outputs, axis=0)
    best, fired = counts.argmax(axis=1), counts[-1].any()
    answer = f"answer {best[-1]}" if fired else "no answer"
    if fired:
        other = np.flatnonzero((best != best[-1]) | ~counts.any(axis=1))
        since = other[-1] + 1 if len(other) else 0
        answer += f" from {since * dt:.0f} ms on"
    label = f"label {played.label}, " if played.label >= 0 else ""
    return f"{label}{answer}; {len(played.events):,} events, {counts[-1].sum():.0f} output spikes"


def recordings(arguments, test_events):
    """(events, label) of what is to be played, and how many steps."""
    if arguments.file:
        events = read_events(arguments.file, sensor_shape=SENSOR[:2])
        last = from_start(events).max(initial=0) / 1000  # ms
        steps = int(max(last / arguments.dt + 1, DURATION / arguments.dt))
        yield events, arguments.label, steps
        return
    for events, label in test_events.take(arguments.recordings):
        fields = {name: field.numpy() for name, field in events.items()}
        yield Events.from_dict(fields), int(label), int(DURATION / arguments.dt)


def report(all_played, arguments, accuracy):
    table = Table(title="Live")
    table.add_column("what")
    table.add_column("result", justify="right")
    dt = arguments.dt
    if accuracy is not None:
        for after in READ_AT:
            value = accuracy[min(int(after / dt), len(accuracy)) - 1]
            table.add_row(f"accuracy after {after} ms", f"{value:.1%}")
    for what, field in (("network", "seconds"), ("simulator", "chip_seconds")):
        times = 1e3 * np.concatenate([getattr(played, field) for played in all_played])
        median, worst = np.percentile(times, [50, 99])
        table.add_row(
            f"a step of {dt:g} ms, {what}: median (99 %)", f"{median:.3f} ({worst:.3f}) ms"
        )
    if arguments.speed:
        late = 1e3 * np.concatenate([played.late for played in all_played])
        median, worst = np.percentile(late, [50, 99])
        table.add_row("output after its events: median (99 %)", f"{median:.2f} ({worst:.2f}) ms")
    differing = sum(played.differing for played in all_played)
    table.add_row("output spikes that differ on the chip", f"{differing}")
    Console().print(table)


def draw(path, played, dt, accuracy, count):
    """The events of a recording, the outputs, and the accuracy over all recordings played."""
    figure = new_figure(9, 6.5 if accuracy is not None else 4.5)
    rows = [1.1, 1.6, 1.2][: 3 if accuracy is not None else 2]
    grid = figure.add_gridspec(len(rows), IMAGES, height_ratios=rows)
    duration = dt * len(played.outputs)
    cloud = EventCloud.of(played.events, dt, SENSOR)
    edges = np.linspace(0, duration, IMAGES + 1)
    parts = [cloud.between(*pair) for pair in itertools.pairwise(edges)]
    full = max(full_count(part.counts().sum(axis=0)) for part in parts)
    for column, part in enumerate(parts):
        ax = figure.add_subplot(grid[0, column])
        draw_image(ax, part, full)
        ax.set(xticks=[], yticks=[])
        heading(ax, f"{edges[column]:.0f} to {edges[column + 1]:.0f} ms")
    ax = figure.add_subplot(grid[1, :])
    winner = int(played.outputs.sum(axis=0).argmax())
    label = played.label if played.label >= 0 else None
    plot_raster(played.outputs, dt=dt, winner=winner, label=label, ax=ax)
    ax.set(ylabel="class", xlim=(0, duration))
    heading(ax, f"Outputs: {describe(played, dt)}")
    if accuracy is not None:
        ax = figure.add_subplot(grid[2, :])
        ax.plot(dt * np.arange(1, len(accuracy) + 1), accuracy, color=ON, lw=1.8)
        ax.axhline(1 / CLASSES, color=FAINT, lw=1)
        ax.set(xlim=(0, duration), ylim=(0, 1.02), xlabel="time (ms)", ylabel="accuracy")
        style_axes(ax)
        heading(ax, f"Right so far, of {count} recordings (grey: chance)")
    save(figure, path)


def main(argv=None):
    arguments = parse_arguments(argv)
    keras.utils.set_random_seed(arguments.seed)
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    test_events = None
    if not (arguments.model and arguments.file):
        _, train_events, test_events = nmnist.load_data(arguments)
    if arguments.model:
        model = keras.saving.load_model(arguments.model)
        arguments.dt = model.layers[-1].neuron.dt
    else:
        model = train(arguments, train_events, test_events)
        model.save(output / "model.keras")
    model.export_loihi(output / "network.net")
    network = ks.Stream(model)
    chip = LoihiSimulator(output / "network.net", threads=1).stream()

    all_played = []
    for events, label, steps in recordings(arguments, test_events):
        played = play(events, label, network, chip, arguments.dt, steps, arguments.speed)
        all_played.append(played)
        print(f"{len(all_played):3}: {describe(played, arguments.dt)}", flush=True)
    labels, accuracy = np.array([played.label for played in all_played]), None
    if (labels >= 0).all():
        outputs = np.stack([played.outputs for played in all_played])
        accuracy = ks.accuracy_over_time(outputs, labels, readout="count")
    report(all_played, arguments, accuracy)
    draw(output / "live.png", all_played[-1], arguments.dt, accuracy, len(all_played))
    for name in ("network.net", "live.png"):
        print(output / name)
    return all_played, accuracy


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
