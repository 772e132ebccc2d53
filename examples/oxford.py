"""Trains a spiking network to draw a picture with precisely timed spikes.

    python examples/oxford.py                                    # a dome, drawn here: no data
    python examples/oxford.py --picture PHOTO.png                # any picture
    python examples/oxford.py --input input.bs1 --target output.bs1

Each row of the picture is an output neuron, each column a millisecond. The third
line is SLAYER's own demonstration with its files: 200 noise-like inputs become the
Radcliffe Camera in Oxford. Prints a table of what came out, and draws target and
result side by side with the distance over the epochs.
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
from keras_slayer.events import from_spikes, read_events, to_spikes, write_events
from keras_slayer.metrics import match_spikes

TOLERANCE = 2.0  # ms, within which a spike counts as in its place
GAP = 12.0  # ms between the spikes of a black row
INPUTS, INPUT_RATE = 200, 5.0  # Poisson inputs and their spikes per second, as in the Oxford data
MONITORED = 100  # epochs from one look at the firing rates to the next
HIDDEN_RATE = 0.03  # spikes per step that the initial weights of the output layer assume

# Time constants (ms) of the response, of the refractory response and of the loss. Short ones
# place spikes to a millisecond or two, and a refractory response as slow as the response keeps
# that from making bursts. "defaults": the same times, and otherwise the package's neurons and
# weights as they are. "authors": the settings of SLAYER's own example.
RECIPES = {
    "precise": {
        "tau_response": 3.0,
        "tau_refractory": 3.0,
        "loss_tau": 2.0,
        "learning_rate": 0.2,
        "epochs": 3000,
    },
    "defaults": {
        "tau_response": 3.0,
        "tau_refractory": 3.0,
        "loss_tau": 2.0,
        "learning_rate": 0.02,
        "epochs": 3000,
    },
    "authors": {
        "tau_response": 10.0,
        "tau_refractory": 1.0,
        "loss_tau": 10.0,
        "learning_rate": 0.01,
        "epochs": 10000,
    },
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data")
    data.add_argument("--input", help="input spikes, a .bs1 file")
    data.add_argument("--target", help="target spikes, a .bs1 file; needs --input")
    data.add_argument("--picture", help="target as a picture (.png and what Pillow reads)")
    data.add_argument("--neurons", type=int, help="rows of the picture (200)")
    data.add_argument("--duration", type=int, help="columns of the picture, ms (1900)")
    network = parser.add_argument_group("network and training")
    network.add_argument("--hidden", type=int, default=256, help="(%(default)s)")
    network.add_argument("--gradient", choices=["slayer", "exodus"], default="slayer")
    network.add_argument("--recipe", choices=sorted(RECIPES), default="precise")
    network.add_argument("--epochs", type=int, help="(3000; authors 10000)")
    network.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--output", default="out/oxford", help="folder (%(default)s)")
    arguments = parser.parse_args()
    if bool(arguments.input) != bool(arguments.target):
        parser.error("--input and --target go together")
    if arguments.target and (arguments.picture or arguments.neurons or arguments.duration):
        parser.error("--target is the target: no --picture, --neurons or --duration beside it")
    for name in ("hidden", "epochs", "neurons", "duration"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1")
    for name in ("input", "target", "picture"):
        path = getattr(arguments, name)
        if path and not pathlib.Path(path).is_file():
            parser.error(f"--{name}: there is no file {path}")
    arguments.neurons = arguments.neurons or 200
    arguments.duration = arguments.duration or 1900
    arguments.epochs = arguments.epochs or RECIPES[arguments.recipe]["epochs"]
    return arguments


def load_data(arguments):
    """(name, input spikes, target spikes), spikes of shape (time, neurons)."""
    if arguments.target:
        events = [read_events(path) for path in (arguments.input, arguments.target)]
        for path, recorded in zip((arguments.input, arguments.target), events, strict=True):
            if not len(recorded):
                raise SystemExit(f"{path} holds no spikes")
        steps = 1 + max(int(recorded.t.max()) for recorded in events) // 1000
        rasters = (to_spikes(each, (int(each.x.max()) + 1,), steps) for each in events)
        return (pathlib.Path(arguments.target).name, *rasters)
    rng = np.random.default_rng(arguments.seed)
    shape = (arguments.neurons, arguments.duration)
    if arguments.picture:
        name, darkness = (
            pathlib.Path(arguments.picture).name,
            read_picture(arguments.picture, shape),
        )
    else:
        name, darkness = "a dome", draw_dome(shape)
    inputs = rng.random((arguments.duration, INPUTS)) < INPUT_RATE / 1000
    target = draw_with_spikes(darkness, rng)
    if not target.any():
        raise SystemExit(f"{name} has no dark parts to draw with spikes")
    return name, inputs.astype("float32"), target


def read_picture(path, shape):
    """Darkness of a picture, from 0 to 1, in `shape`, its lowest row first."""
    from matplotlib.image import imread

    picture = imread(path)
    if picture.dtype == np.uint8:
        picture = picture / 255.0
    if picture.ndim == 2:
        picture = picture[..., np.newaxis]
    channels = picture.shape[-1]
    opacity = picture[..., -1:] if channels in (2, 4) else 1.0
    colour = picture[..., : 3 if channels > 2 else 1].mean(axis=-1, keepdims=True)
    darkness = opacity * (1.0 - colour)  # on white paper
    return np.clip(tf.image.resize(darkness, shape, antialias=True)[::-1, :, 0], 0.0, 1.0)


def draw_dome(shape):
    """Darkness of a domed building, from 0 to 1, in `shape`, its lowest row first."""
    rows, columns = shape
    y, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    across = np.abs(x)
    darkness = np.full(shape, 0.08)  # sky: so that no neuron stays silent
    columns_and_windows = np.where(np.cos(x * 40) > 0, 0.9, 0.3)
    for part, shade in (
        ((y < 0.12) & (across < 0.8), 0.7),
        ((y >= 0.12) & (y < 0.5) & (across < 0.55), columns_and_windows),
        ((y >= 0.5) & (y < 0.56) & (across < 0.6), 1.0),
        ((y >= 0.56) & ((x / 0.48) ** 2 + ((y - 0.56) / 0.32) ** 2 < 1), 0.6 + 0.4 * x),
        ((y >= 0.86) & (y < 0.96) & (across < 0.07), 0.9),
    ):
        darkness = np.where(part, shade, darkness)
    return darkness


def draw_with_spikes(darkness, rng):
    """Spikes (time, neurons) that fall the closer the darker a row is, at most each GAP ms."""
    rows = len(darkness)
    start = rng.random((rows, 1))  # else all rows would fire at once
    passed = np.floor(np.cumsum(np.hstack([start, darkness / GAP]), axis=1))
    return np.diff(passed, axis=1).T.astype("float32")


def make_optimizer(arguments):
    rate = RECIPES[arguments.recipe]["learning_rate"]
    if arguments.recipe == "authors":
        return keras.optimizers.Adam(rate, amsgrad=True)
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, arguments.epochs))


def build_model(arguments, inputs, target):
    recipe = RECIPES[arguments.recipe]
    times = {name: recipe[name] for name in ("tau_response", "tau_refractory")}
    sizes = {"hidden": arguments.hidden, "output": target.shape[1]}
    if arguments.recipe == "defaults":
        neuron = ks.SRM(**times, gradient=arguments.gradient)
        weights = dict.fromkeys(sizes)
    else:
        # The authors' threshold, for which their learning rate is. Layers fire from the start:
        # there is one recording, so that waking them, as the defaults do, takes epochs of one step
        # each.
        neuron = ks.SRM(
            threshold=10.0,
            **times,
            surrogate_tau=1.0,
            surrogate_scale=0.25 if arguments.gradient == "exodus" else 1.0,
            gradient=arguments.gradient,
        )
        weights = {
            name: ks.FluctuationDriven(neuron, rate=rate, xi=0.9, mean=0.0)
            for name, rate in (("hidden", float(inputs.mean())), ("output", HIDDEN_RATE))
        }
    hidden, output = (
        ks.SpikingDense(units, neuron=neuron, kernel_initializer=weights[name], name=name)
        for name, units in sizes.items()
    )
    model = keras.Sequential([keras.Input(inputs.shape), hidden, output])
    model.compile(
        make_optimizer(arguments),
        loss=ks.SpikeTimeLoss(tau=recipe["loss_tau"]),
        metrics=[ks.VanRossumDistance(tau=10.0)],
    )
    return model


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    name, inputs, target = load_data(arguments)
    x, y = tf.constant(inputs[np.newaxis]), tf.constant(target[np.newaxis])

    model = build_model(arguments, inputs, target)
    model.summary()
    start = time.monotonic()
    # One sample: an epoch is one step.
    data = tf.data.Dataset.from_tensors((x, y))
    history = model.fit(
        data,
        epochs=arguments.epochs,
        shuffle=False,
        callbacks=[OccasionalMonitor(x, MONITORED)],
        verbose=0,
    )
    seconds = time.monotonic() - start

    spikes = model.predict_on_batch(x)
    distance = model.evaluate(data, verbose=0, return_dict=True)["van_rossum_distance"]
    matches = match_spikes(spikes[0], target, TOLERANCE)
    chance = match_spikes(np.roll(spikes[0], len(target) // 2, axis=0), target, TOLERANCE)
    model.save(output / "model.keras")
    write_events(output / "output.bs1", from_spikes(spikes[0]))
    figure = draw(output / "oxford.png", target, spikes[0], history)

    sizes = "-".join(str(n) for n in (inputs.shape[1], arguments.hidden, target.shape[1]))
    table = Table(title=f"{name}: {sizes}, {len(target)} ms")
    table.add_column("what")
    table.add_column("result", justify="right")
    first = history.history["van_rossum_distance"][0]
    table.add_row("epochs", f"{arguments.epochs}")
    table.add_row("van Rossum distance, first epoch", f"{first:.3f}")
    table.add_row("van Rossum distance, trained", f"{distance:.3f}")
    within = f"within {TOLERANCE:g} ms"
    table.add_row(f"target spikes matched {within}", f"{matches.matched:.2%}")
    table.add_row("output spikes that are spurious", f"{matches.spurious:.2%}")
    table.add_row("matched by chance (output shifted in time)", f"{chance.matched:.2%}")
    table.add_row("target spikes", f"{matches.target.sum()}")
    table.add_row("output spikes", f"{matches.output.sum()}")
    for layer, rates in ks.firing_rates(model, x).items():
        what = f"spikes per neuron and second, {layer}"
        table.add_row(what, f"{1000 * rates.rate:.1f} ({rates.silent:.0%} silent)")
    # The loss that SLAYER's own example reports.
    loss = float(ks.SpikeTimeLoss(tau=10.0)(y, spikes))
    table.add_row("spike time loss at tau = 10 ms", f"{loss:.0f}")
    table.add_row("seconds of training", f"{seconds:.0f}")
    table.add_row("model", str(output / "model.keras"))
    table.add_row("output spikes as a file", str(output / "output.bs1"))
    table.add_row("picture", str(figure))
    Console().print(table)


def draw(path, target, output, history):
    """Draws target and output side by side, and the distance over the epochs."""
    from matplotlib.figure import Figure

    from keras_slayer.visualization import plot_history
    from keras_slayer.visualization.spike_trains import plot_spike_trains

    figure = Figure(figsize=(15, 4.5), layout="constrained")
    rasters, learning = figure.subfigures(1, 2, width_ratios=[3.4, 1])
    plot_spike_trains(target, output, tolerance=TOLERANCE, origin="lower", figure=rasters)
    plot_history(history, metric="van_rossum_distance", title="Learning", figure=learning)
    figure.savefig(path, dpi=150)
    return path


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
