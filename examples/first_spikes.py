"""Recognises digits by which output neuron fires first: HFirst's idea, learned with SLAYER.

    python examples/first_spikes.py                        # simulated events: no download
    python examples/first_spikes.py --data-dir FOLDER      # N-MNIST: Train.zip and Test.zip
    python examples/first_spikes.py --networks early       # one of the networks

HFirst (Orchard et al., IEEE TPAMI 37(10), 2015) is a hierarchy of spiking neurons in which timing
does the work: of the neurons that look at one place the first to fire silences the others, pools
pass on first spikes, and the first output spike is the answer. Its filters were set by hand. Here
the same hierarchy is trained:

    S1   SpikingConv2D         12 features of 5 x 5 pixels at every place
         WinnerTakeAll         the first feature to fire at a place silences the others there
    C1   SpikingSumPooling2D   3 x 3 pixels
    C2   SpikingDense          one neuron per class, slow enough to gather evidence

Four networks are compared: two trained for the first spike (`FirstSpikeLoss`), one to be sure and
one to be early; one without inhibition; and one trained for spike counts. Prints what they reach
and draws accuracy against the time since the first event.
"""

import argparse
import dataclasses
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import nmnist  # the example beside this one
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.events import spike_pipeline
from keras_slayer.losses import FirstSpikeLoss
from keras_slayer.visualization import plot_raster
from keras_slayer.visualization.style import heading, new_figure, save, style_axes

DURATION = 120.0  # ms: the first of the three saccades
TAU_DECISION = 30.0  # ms over which the output neurons gather evidence
HFIRST = (  # what was published of it, in percent; all filters by hand
    ("4 card pips", "97.5 ± 3.5", "Orchard et al. 2015"),
    ("36 characters", "84.9 ± 1.9", "Orchard et al. 2015"),
)


@dataclasses.dataclass(frozen=True)
class Network:
    what: str
    colour: str
    inhibition: bool = True
    earliness: float | None = 0.0  # of FirstSpikeLoss; None: trained for counts


NETWORKS = {
    "sure": Network("first spike", "#0077BB"),
    "early": Network("first spike, early", "#EE7733", earliness=1.0),
    "free": Network("first spike, no inhibition", "#009988", inhibition=False),
    "count": Network("spike count", "#8A9097", earliness=None),
}


@dataclasses.dataclass
class Result:
    network: Network
    first: float  # accuracy by the first spike
    count: float  # accuracy by the spike count
    delay: float  # ms from the first event to the first output spike, median
    undecided: float  # share of recordings without an output spike
    curve: np.ndarray  # accuracy by the first spike against steps since the first event
    example: tuple[np.ndarray, int]  # output spikes of a recording, its label
    history: dict
    seconds: float


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=["auto", "nmnist", "saccade_mnist"], default="auto")
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--filters", type=int, default=12, help="features of S1 (%(default)s)")
    parser.add_argument("--dt", type=float, default=3.0, help="ms per time step (%(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--output", default="out/first_spikes", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    for name in ("epochs", "batch_size", "filters"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if not 1 <= arguments.dt <= 10:
        parser.error("--dt must be 1 to 10")
    return arguments


def build_model(steps, dt, filters, inhibition):
    neuron, decision = ks.SRM(dt=dt), ks.SRM(tau_response=TAU_DECISION, dt=dt)
    wins = [ks.WinnerTakeAll(window=1, duration=3 * dt, dt=dt)] if inhibition else []
    return keras.Sequential(
        [
            keras.Input((steps, *nmnist.SENSOR)),
            ks.SpikingConv2D(filters, 5, neuron=neuron, name="S1"),
            *wins,
            ks.SpikingSumPooling2D(3, neuron=neuron, name="C1"),
            ks.Flatten(),
            ks.SpikingDense(10, neuron=decision, name="C2"),
        ]
    )


def train(network, arguments, train_data, monitored):
    """A trained network, its history and how many seconds that took."""
    keras.utils.set_random_seed(arguments.seed)
    dt = arguments.dt
    model = build_model(monitored.shape[1], dt, arguments.filters, network.inhibition)
    if network.earliness is None:
        loss = ks.SpikeMaxLoss()
    else:
        loss = FirstSpikeLoss(tau=TAU_DECISION, earliness=network.earliness, dt=dt)
    schedule = keras.optimizers.schedules.CosineDecay(5e-3, len(train_data) * arguments.epochs)
    model.compile(keras.optimizers.Adam(schedule), loss=loss)
    start = time.monotonic()
    history = model.fit(
        train_data,
        epochs=arguments.epochs,
        shuffle=False,  # the pipeline does
        callbacks=[ks.FiringRateMonitor(monitored)],
        verbose=0,
    )
    return model, history.history, time.monotonic() - start


def measure(network, model, history, seconds, test_data, dt):
    """What the network makes of the test data, when."""
    outputs, labels, active = [], [], []
    for spikes, label in test_data.as_numpy_iterator():
        outputs.append(model.predict_on_batch(spikes))
        labels.append(label)
        active.append(spikes.any(axis=(2, 3, 4)))
    outputs, labels, active = (np.concatenate(part) for part in (outputs, labels, active))
    fired = outputs.any(axis=(1, 2))
    delays = dt * (outputs.any(axis=2).argmax(axis=1) - active.argmax(axis=1))[fired]
    curve = ks.accuracy_over_time(outputs, labels, inputs=active[..., np.newaxis])
    return Result(
        network=network,
        first=float(curve[-1]),
        count=float(np.mean(outputs.sum(axis=1).argmax(axis=1) == labels)),
        delay=float(np.median(delays)) if fired.any() else float("nan"),
        undecided=float(1 - fired.mean()),
        curve=curve,
        example=(outputs[0], int(labels[0])),
        history=history,
        seconds=seconds,
    )


def report(name, results):
    console = Console()
    table = Table(title=f"{name}: test accuracy, first {DURATION:.0f} ms")
    for column in ("trained for", "by first spike", "by count", "decides after", "undecided", "s"):
        table.add_column(column, justify="left" if column == "trained for" else "right")
    for result in results:
        table.add_row(
            result.network.what,
            f"{result.first:.1%}",
            f"{result.count:.1%}",
            f"{result.delay:.0f} ms",
            f"{result.undecided:.1%}",
            f"{result.seconds:.0f}",
        )
    console.print(table)
    rates = Table(title="Firing after training: spikes per neuron and step (silent neurons)")
    rates.add_column("trained for")
    for layer in ("S1", "C1", "C2"):
        rates.add_column(layer, justify="right")
    for result in results:
        last = {key: values[-1] for key, values in result.history.items()}
        rates.add_row(
            result.network.what,
            *(f"{last[f'rate/{k}']:.3f} ({last[f'silent/{k}']:.0%})" for k in ("S1", "C1", "C2")),
        )
    console.print(rates)
    published = Table(title="Published: HFirst, set by hand, other recordings: no race")
    for column in ("task", "accuracy, %", "source"):
        published.add_column(column)
    for row in HFIRST:
        published.add_row(*row)
    console.print(published)


def draw(path, results, dt):
    """Accuracy against time, and what the outputs of the first network say to one recording."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2, width_ratios=[1.3, 1])
    for result in results:
        milliseconds = dt * np.arange(1, len(result.curve) + 1)
        label = f"{result.network.what} {result.first:.1%}"
        left.plot(milliseconds, result.curve, color=result.network.colour, lw=1.8, label=label)
    left.set(xlim=(0, dt * len(results[0].curve)), ylim=(0, 1), ylabel="accuracy by first spike")
    left.set_xlabel("time since the first event (ms)")
    left.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    left.legend(
        fontsize=8, frameon=False, labelcolor="linecolor", title="trained for", title_fontsize=8
    )
    style_axes(left)
    heading(left, "The decision, as time passes")
    spikes, label = results[0].example
    fired = np.argwhere(spikes)
    winner = int(fired[0][1]) if len(fired) else None
    plot_raster(spikes, dt=dt, winner=winner, label=label, ax=right)
    right.set_ylabel("class")
    if winner is not None:
        right.axvline(dt * fired[0][0], color="#33383D", lw=0.8, ls=":")
    heading(right, f"Outputs: {winner} fires first, it is a {label}")
    save(figure, path)


def main(argv=None):
    arguments = parse_arguments(argv)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)  # fails now, and not after the training
    keras.utils.set_random_seed(arguments.seed)
    name, train_events, test_events = nmnist.load_data(arguments)
    dt = arguments.dt
    binning = {"sensor_shape": nmnist.SENSOR, "steps": int(DURATION / dt), "dt": dt}
    binning["late"] = "ignore"  # the other two saccades
    test_data = spike_pipeline(test_events, batch_size=50, **binning)
    monitored = spike_pipeline(test_events.take(50), batch_size=50, cache=False, **binning)
    monitored = next(iter(monitored))[0]
    results = []
    for network in (NETWORKS[key] for key in arguments.networks):
        train_data = spike_pipeline(
            train_events,
            batch_size=arguments.batch_size,
            shuffle=True,
            shift=1,
            seed=arguments.seed,
            **binning,
        )
        trained = train(network, arguments, train_data, monitored)
        results.append(measure(network, *trained, test_data, dt))
        print(f"{network.what}: {results[-1].first:.1%} by the first spike", flush=True)
    report(name, results)
    path = folder / "first_spikes.png"
    draw(path, results, dt)
    print(path)
    return results


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
