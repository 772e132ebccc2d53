"""Teaches one output neuron to fire at given times, from Poisson inputs.

    python examples/poisson_spike_times.py
    python examples/poisson_spike_times.py --times 10 20 30 --gradient exodus
    python examples/poisson_spike_times.py --defaults      # neurons and optimiser as they are

A network of 250-25-1 neurons, 50 ms in steps of 0.1 ms: SLAYER's first test of
precise spike times. It is repeated with other inputs and other initial weights.
Prints a table of how soon each learned, and draws the first one's output spikes
as they move to their places.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from progress import OccasionalMonitor  # the module beside this one
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.metrics import match_spikes

DT = 0.1  # ms per step
TAU = 1.0  # ms, of the response and of the refractory response, as the authors have it
LOSS_TAU = 0.5  # ms
TOLERANCE = 0.5  # ms, within which a spike counts as in its place
MONITORED = 50  # epochs from one look at the firing rates to the next
# The defaults start silent, and wake within 300 steps. An epoch is one step.
MONITORED_DEFAULTS = 300
DISTANCE = "van_rossum_distance"

# Of the neurons, unless --defaults leaves them as they are.
# SLAYER's gradient leaves the refractory response out. With the width of 1 that EXODUS, the exact
# gradient, likes best, it leaves spikes missing for good; with 4 all come to their places.
SURROGATES = {
    "slayer": {"surrogate_tau": 4.0, "surrogate_scale": 1.0},
    "exodus": {"surrogate_tau": 1.0, "surrogate_scale": 0.25},
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    task = parser.add_argument_group("task")
    task.add_argument(
        "--times",
        type=float,
        nargs="+",
        default=[8.6, 14.5, 22.8, 30.1, 41.3],
        help="when the output neuron should fire, ms (%(default)s)",
    )
    task.add_argument("--duration", type=float, default=50.0, help="ms (%(default)s)")
    task.add_argument("--inputs", type=int, default=250, help="(%(default)s)")
    task.add_argument("--rate", type=float, default=50.0, help="of an input, in Hz (%(default)s)")
    network = parser.add_argument_group("network and training")
    network.add_argument("--hidden", type=int, default=25, help="(%(default)s)")
    network.add_argument("--gradient", choices=sorted(SURROGATES), default="slayer")
    network.add_argument(
        "--defaults",
        action="store_true",
        help="the package's surrogate and Keras' \"adam\": slower",
    )
    network.add_argument("--epochs", type=int, help="at most (1000; --defaults: 4000)")
    network.add_argument("--learning-rate", type=float, help="(0.003, falling to 0)")
    network.add_argument("--seed", type=int, default=1, help="of the first (%(default)s)")
    network.add_argument("--repeats", type=int, default=5, help="networks (%(default)s)")
    parser.add_argument("--output", default="out/poisson_spike_times", help="(%(default)s)")
    arguments = parser.parse_args()
    if arguments.defaults and arguments.learning_rate is not None:
        parser.error("--defaults has the learning rate of Keras: no --learning-rate beside it")
    if arguments.epochs is None:
        arguments.epochs = 4000 if arguments.defaults else 1000
    if arguments.learning_rate is None:
        arguments.learning_rate = 0.003
    for name in ("inputs", "hidden", "epochs", "repeats", "rate", "duration", "learning_rate"):
        if not getattr(arguments, name) > 0:
            parser.error(f"--{name.replace('_', '-')} must be positive")
    if not all(0 <= t < arguments.duration for t in arguments.times):
        parser.error(f"--times must lie within the duration, 0 to {arguments.duration:g} ms")
    return arguments


def make_task(arguments, seed):
    """(input spikes, target spikes), each (1, time, neurons)."""
    steps = round(arguments.duration / DT)
    rng = np.random.default_rng(seed)
    inputs = rng.random((1, steps, arguments.inputs)) < arguments.rate * DT / 1000
    target = np.zeros((1, steps, 1), "float32")
    target[0, np.floor(np.array(arguments.times) / DT + 1e-6).astype(int)] = 1.0
    return inputs.astype("float32"), target


def build_model(arguments, shape):
    neuron = ks.SRM(
        tau_response=TAU,
        tau_refractory=TAU,
        dt=DT,
        gradient=arguments.gradient,
        **({} if arguments.defaults else SURROGATES[arguments.gradient]),
    )
    hidden = ks.SpikingDense(arguments.hidden, neuron=neuron, name="hidden")
    output = ks.SpikingDense(1, neuron=neuron, name="output")
    model = keras.Sequential([keras.Input(shape), hidden, output])
    if arguments.defaults:
        optimizer = "adam"
    else:
        rate = keras.optimizers.schedules.CosineDecay(arguments.learning_rate, arguments.epochs)
        optimizer = keras.optimizers.Adam(rate)
    model.compile(
        optimizer,
        loss=ks.SpikeTimeLoss(tau=LOSS_TAU, dt=DT),
        metrics=[ks.VanRossumDistance(tau=TAU, dt=DT, name=DISTANCE)],
    )
    return model


class OutputRecorder(keras.callbacks.Callback):
    """Keeps the output of each epoch, and at the end the weights of the best.

    An epoch is one step, and its logs describe the weights it started with. Training ends
    when every spike is in its step.
    """

    def __init__(self, inputs):
        super().__init__()
        self.inputs = inputs
        self.outputs = []
        self._distance, self._best = np.inf, None

    def on_epoch_begin(self, epoch, logs=None):
        self._weights = self.model.get_weights()
        self.outputs.append(self.model(self.inputs).numpy()[0])

    def on_epoch_end(self, epoch, logs=None):
        if logs[DISTANCE] < self._distance:
            self._distance, self._best = logs[DISTANCE], self._weights
        self.model.stop_training = logs[DISTANCE] == 0

    def on_train_end(self, logs=None):
        self.model.set_weights(self._best)


def train(arguments, seed):
    """Trains one network: (inputs, target, outputs of the epochs, history, row of the table)."""
    keras.utils.set_random_seed(seed)
    inputs, target = make_task(arguments, seed)
    model = build_model(arguments, inputs.shape[1:])
    recorder = OutputRecorder(tf.constant(inputs))
    data = tf.data.Dataset.from_tensors((inputs, target))
    every = MONITORED_DEFAULTS if arguments.defaults else MONITORED
    start = time.monotonic()
    history = model.fit(
        data,
        epochs=arguments.epochs,
        shuffle=False,
        callbacks=[recorder, OccasionalMonitor(recorder.inputs, every)],
        verbose=0,
    )
    seconds = time.monotonic() - start

    output = model.predict_on_batch(inputs)
    matches = match_spikes(output, target, TOLERANCE, DT)
    outputs = np.stack(recorder.outputs)
    rates = ks.firing_rates(model, inputs)
    row = {
        "seed": f"{seed}",
        "distance, first": f"{history.history[DISTANCE][0]:.3f}",
        "best": f"{min(history.history[DISTANCE]):.3f}",
        f"all within {TOLERANCE:g} ms": first_epoch(outputs, target[0], TOLERANCE),
        f"within {DT:g} ms": first_epoch(outputs, target[0], DT),
        "exact": first_epoch(outputs, target[0], 0.0),
        "matched": f"{matches.matched:.0%}",
        "spurious": f"{matches.spurious:.0%}",
        "hidden, Hz": f"{rates['hidden'].rate * 1000 / DT:.0f}",
        "seconds": f"{seconds:.0f}",
    }
    return inputs[0], target[0], outputs, history, row


def first_epoch(outputs, target, tolerance) -> str:
    """The first epoch in which each target spike has its output spike, and no other is there."""
    for epoch, output in enumerate(outputs):
        matches = match_spikes(output, target, tolerance, DT)
        if matches.matched == 1.0 and matches.spurious == 0.0:
            return f"epoch {epoch}"
    return "never"


def main():
    arguments = parse_arguments()
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    sizes = f"{arguments.inputs}-{arguments.hidden}-1"
    table = Table(title=f"{sizes}, {len(arguments.times)} spikes in {arguments.duration:g} ms")
    for repeat in range(arguments.repeats):
        inputs, target, outputs, history, row = train(arguments, arguments.seed + repeat)
        if repeat == 0:
            figure = draw(output / "spike_times.png", inputs, target, outputs, history)
            for name in row:
                table.add_column(name, justify="right")
        table.add_row(*row.values())
    Console().print(table)
    print(f"picture: {figure}")


def draw(path, inputs, target, outputs, history):
    """Draws the inputs, the output spikes of each epoch over their targets, and the distance."""
    from matplotlib.figure import Figure

    from keras_slayer.visualization import plot_history, plot_raster

    figure = Figure(figsize=(13, 4), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=[1.2, 1.6, 1])
    plot_raster(inputs, dt=DT, title="Input spikes", ax=left.add_subplot())
    ax = middle.add_subplot()
    epoch, step, _ = np.nonzero(outputs)
    for moment in np.flatnonzero(target[:, 0]) * DT:
        ax.axvspan(moment - TOLERANCE, moment + TOLERANCE, color="#CC3311", alpha=0.2, linewidth=0)
    ax.scatter(step * DT, epoch, s=2, color="#33383D", linewidths=0, rasterized=True)
    ax.set(xlim=(0, len(target) * DT), ylim=(0, len(outputs)), xlabel="time (ms)", ylabel="epoch")
    ax.spines[["top", "right"]].set_visible(False)
    title = f"Output spikes over the epochs; red: target, {TOLERANCE:g} ms to each side"
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    plot_history(history, metric=DISTANCE, title="Learning", figure=right)
    figure.savefig(path, dpi=150)
    return path


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
