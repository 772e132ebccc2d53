"""A task that only delays can solve, and what is left of it where they are not learned.

    python examples/delays.py              # three seeds of each network: some minutes
    python examples/delays.py --quick      # one seed, half of the networks
    python examples/delays.py --leaks      # no delays, but time constants that are learned

Each recording is one spike of each of eight inputs. The class is the order in which they come: 8 ms
apart, to neurons that forget within some 3 ms. Counts and rates are the same for all classes, and
no two spikes meet in a neuron, so that without delays no weights can tell the classes apart.

    inputs -> branches (eight copies of each input) -> DelayLayer -> one neuron per class

Each class has a branch, hence a delay, of its own for each input, as each synapse has on the chip.
A neuron fires where five or six of its eight spikes arrive together: where its delays make up for
the lags of its class, lag + delay = const. Learning is told when the neuron of the class should
fire (SpikeTimeLoss); delays start at random between 0 and 62 ms.

The networks end in Loihi's neurons. The last one is exported with its delays, and the file runs in
the simulator of the chip.
"""

import argparse
import os
import pathlib
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import delay_leaks
import keras
import numpy as np
import tensorflow as tf
from progress import OccasionalMonitor  # the module beside this one
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.constraints import OwnChannel
from keras_slayer.export import LoihiSimulator
from keras_slayer.neurons import decay_from_tau
from keras_slayer.optimizers import ScaledAdam
from keras_slayer.visualization import plot_raster
from keras_slayer.visualization.style import INK, OTHER, heading, new_figure, save, style_axes

INPUTS = CLASSES = 8
GAP = 8  # ms from spike to spike
JITTER = 0.5  # ms, standard deviation; at most 1
STEPS = 140  # of 1 ms
ANSWER = 60  # ms from the first possible spike to the output spike that is asked for
TAU = 1.0  # ms, of synapse and membrane
WEIGHT = 0.5
COINCIDENT = 0.65  # share of the inputs that must arrive together
TRAINING, TEST = 800, 400

# Name: delays at the start, whether they and the weights are learned, whether a class sees the
# branches of the others as well.
NETWORKS = {
    "delays 0, weights learned": ("zeros", False, True, False),
    "delays random, weights learned": ("random", False, True, False),
    "the same, all branches to all classes": ("random", False, True, True),
    "delays learned, weights equal": ("random", True, False, False),
    "delays and weights learned": ("random", True, True, False),
}
QUICK = ("delays 0, weights learned", "delays learned, weights equal")
PUBLISHED = {
    "delays random, weights learned": "fixed random delays help [1]",
    "delays learned, weights equal": "training only delays does [2]",
    "delays and weights learned": "learned ones help even more [1]",
}
SOURCES = """[1] Hammouamri, Khalfaoui-Hassani, Masquelier, ICLR 2024 (abstract; recognises speech)
[2] Grappolini, Subramoney, arXiv 2306.06237 (abstract; on MNIST as well as training weights)"""


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one seed, half of the networks")
    parser.add_argument("--leaks", action="store_true", help="learn time constants, no delays")
    parser.add_argument("--output", default="out/delays", help="folder (%(default)s)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.epochs = 1, min(arguments.epochs, 10)
    for name in ("seeds", "epochs"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return arguments


def recordings(lags, count, generator):
    """(spikes, labels, target spikes of the detectors) of ``count`` patterns."""
    labels = generator.integers(0, CLASSES, count)
    onset = generator.integers(2, 12, count)
    jitter = np.rint(generator.normal(0, JITTER, (count, INPUTS))).clip(-1, 1)
    step = (onset[:, None] + lags[labels] + jitter).astype(int)
    spikes = np.zeros((count, STEPS, INPUTS), np.float32)
    spikes[np.arange(count)[:, None], step, np.arange(INPUTS)] = 1
    target = np.zeros((count, STEPS, CLASSES), np.float32)
    target[np.arange(count), onset + ANSWER, labels] = 1
    return spikes, labels, target


def drawn(seed):
    """(lags, recordings to train on, others to test on)."""
    generator = np.random.default_rng(seed)
    lags = GAP * np.stack([generator.permutation(INPUTS) for _ in range(CLASSES)])
    return lags, *(recordings(lags, count, generator) for count in (TRAINING, TEST))


def build_model(network, seed):
    """The relays of the branches pass on each spike; the detectors see coincidences."""
    start, _, learn_weights, all_branches = NETWORKS[network]
    relay = ks.LoihiCUBA(64, 4096, 4096)
    decay = decay_from_tau(TAU)
    peak = ks.LoihiCUBA(64, decay, decay).response_kernel().max()
    threshold = round(64 * COINCIDENT * INPUTS * WEIGHT * peak)
    # As wide a surrogate as this makes every spike count by when it comes, and little by what else
    # the neuron receives at the time, which is next to nothing at first.
    detector = ks.LoihiCUBA(threshold, decay, decay, surrogate_tau=5.0)
    model = keras.Sequential(
        [
            keras.Input((STEPS, INPUTS)),
            ks.SpikingDense(INPUTS * CLASSES, neuron=relay, trainable=False, name="branches"),
            ks.DelayLayer(
                max_delay=62.0,
                trainable=NETWORKS[network][1],
                delay_initializer=keras.initializers.RandomUniform(0.0, 62.0, seed=seed)
                if start == "random"
                else "zeros",
                name="delays",
            ),
            ks.SpikingDense(
                CLASSES,
                neuron=detector,
                trainable=learn_weights,
                kernel_constraint=None if all_branches else OwnChannel(),
                name="detectors",
            ),
        ]
    )
    model.get_layer("branches").kernel.assign(np.repeat(2 * np.eye(INPUTS), CLASSES, axis=1))
    model.get_layer("detectors").kernel.assign(WEIGHT * OwnChannel.mask(INPUTS * CLASSES, CLASSES))
    return model


def train(network, data, epochs, seed):
    """(trained model, spikes per detector and step at the end).

    Delays move by about 1 ms per step; weights that learn alone go faster.
    """
    model = build_model(network, seed)
    learn_delays = NETWORKS[network][1]
    rate = keras.optimizers.schedules.CosineDecay(
        1e-3 if learn_delays else 2e-2, epochs * TRAINING // 32
    )
    model.compile(
        ScaledAdam(rate, factors={"delay": 1000.0})
        if learn_delays
        else keras.optimizers.Adam(rate),
        loss=ks.SpikeTimeLoss(tau=10.0),
    )
    spikes, _, target = data
    monitor = OccasionalMonitor(spikes[:32], every=10)
    history = model.fit(
        spikes, target, batch_size=32, epochs=epochs, callbacks=[monitor], verbose=0
    )
    return model, history.history["rate/detectors"][-1]


def accuracy(spikes, labels):
    """Share of recordings whose class fires most; without any spike the answer is class 0."""
    return float(np.mean(spikes.sum(axis=1).argmax(axis=1) == labels))


def arrivals(model, lags):
    """lag + delay of each input, (classes, inputs): in each row the same, if all is learned."""
    delays = np.asarray(model.get_layer("delays").delay).reshape(INPUTS, CLASSES).T
    return lags + np.floor(delays)


def spread(model, lags):
    """How far from together the spikes of a pattern arrive: mean standard deviation, ms."""
    return float(arrivals(model, lags).std(axis=1).mean())


def draw(path, model, lags, test, results):
    """A pattern before and behind the delays, learned delays against lags, the ablation."""
    figure = new_figure(10, 5.6)
    axes = figure.subplots(2, 2, width_ratios=[1, 1.1])
    spikes, labels, _ = test
    label, sample = int(labels[0]), spikes[:1]
    plot_raster(sample[0], title=f"A pattern of class {label}", ax=axes[0, 0])
    delayed = keras.Sequential(model.layers[:2])(sample)[0]
    branches = np.asarray(delayed)[:, label::CLASSES]
    plot_raster(branches, title=f"As the neuron of class {label} receives it", ax=axes[1, 0])
    for ax in axes[:, 0]:
        ax.set(xlim=(0, 90), ylabel="input")

    ax = axes[0, 1]
    delays = arrivals(model, lags) - lags
    shift = np.random.default_rng(0).uniform(-1.2, 1.2, lags.shape)
    ax.scatter(lags + shift, delays, s=10, color=INK, linewidths=0)
    const = float(np.median(lags + delays))
    ends = np.array([0, lags.max()])
    ax.plot(ends, const - ends, color=OTHER, lw=1, label=f"lag + delay = {const:.0f} ms")
    ax.set(xlabel="lag of the input in its class (ms)", ylabel="learned delay (ms)", ylim=(-2, 66))
    ax.legend(fontsize=8, frameon=False)
    style_axes(ax)
    heading(ax, f"Learned delays of all {CLASSES} classes")

    ax = axes[1, 1]
    for row, values in enumerate(results.values()):
        ax.barh(row, np.mean(values), color=OTHER, height=0.6)
        ax.plot(values, [row] * len(values), "o", ms=3, color=INK)
    ax.axvline(1 / CLASSES, color=INK, lw=0.8, ls=":")
    ax.set_yticks(range(len(results)), results)
    ax.set(xlim=(0, 1), xlabel="test accuracy (dots: seeds; dotted: chance)")
    ax.invert_yaxis()
    style_axes(ax)
    heading(ax, "Ablation")
    save(figure, path)


def main():
    arguments = parse_arguments()
    # Detectors are silent until spikes arrive together: that is the task, no fault.
    warnings.simplefilter("ignore", ks.FiringRateWarning)
    if arguments.leaks:
        delay_leaks.compare(lambda seed: [data[:2] for data in drawn(seed)[1:]], CLASSES, arguments)
        return
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    results = {name: [] for name in (QUICK if arguments.quick else NETWORKS)}
    spreads = {name: [] for name in results}
    rates = {name: [] for name in results}
    start = time.monotonic()
    for seed in range(arguments.seeds):
        lags, training, test = drawn(seed)
        for name in results:
            keras.utils.set_random_seed(seed)
            model, rate = train(name, training, arguments.epochs, seed)
            output_spikes = model.predict(test[0], verbose=0)
            results[name].append(accuracy(output_spikes, test[1]))
            spreads[name].append(spread(model, lags))
            rates[name].append(rate)
            print(f"seed {seed}, {name}: {results[name][-1]:.1%}", flush=True)

    # ``model`` is the last network of the last seed, with learned delays.
    report = model.export_loihi(output / "delays.net", calibration=(test[0], test[1]))
    file_spikes = LoihiSimulator(output / "delays.net").run(test[0])
    draw(output / "delays.png", model, lags, test, results)

    table = Table(title=f"Order of {INPUTS} spikes, {CLASSES} classes (chance {1 / CLASSES:.1%})")
    table.add_column("network")
    for column in ("test accuracy", "of each seed", "arrivals apart", "detectors fire"):
        table.add_column(column, justify="right")
    table.add_column("published")
    for name, values in results.items():
        seeds = " ".join(f"{value:.1%}" for value in values)
        apart = f"{np.mean(spreads[name]):.1f} ms"
        rate = f"{np.mean(rates[name]) * 1000:.1f} Hz"  # steps of 1 ms
        table.add_row(name, f"{np.mean(values):.1%}", seeds, apart, rate, PUBLISHED.get(name, ""))
    console = Console()
    console.print(table)
    print(SOURCES)
    table = Table(title="On Loihi")
    table.add_column("what")
    table.add_column("result", justify="right")
    table.add_row("accuracy of the exported file", f"{accuracy(file_spikes, test[1]):.1%}")
    table.add_row("output spikes that differ", str(int(np.sum(file_spikes != output_spikes))))
    longest = max(layer.largest_delay for layer in report.layers if layer.largest_delay)
    table.add_row("longest delay", f"{longest} steps")
    table.add_row("seconds", f"{time.monotonic() - start:.0f}")
    table.add_row("exported file", str(output / "delays.net"))
    table.add_row("picture", str(output / "delays.png"))
    console.print(table)


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
