"""Trains 12 layers of spiking neurons, and compares SLAYER's gradient with the exact one, EXODUS.

    python examples/depth.py                          # simulated events: no download
    python examples/depth.py --seeds 1 2 3            # the figures of the documentation
    python examples/depth.py --networks slayer exodus --optimizers sgd

A deep spiking network fails in two ways. Spikes die out on their way up, or fill every step: each
layer turns a little too few into fewer still. `SetFiringRates` scales each layer's weights until
it fires at a given rate on a batch. And gradients explode or vanish on their way down. SLAYER's
gradient leaves out that a spike holds back the next ones, and so grows from layer to layer; its
authors scale the surrogate to counter that, by hand. EXODUS (Bauer et al., Frontiers in
Neuroscience 17, 2023) keeps the refractory feedback. That is stable while the feedback is weaker
than what it feeds on, about where refractory_scale * surrogate_scale / surrogate_tau is not far
over 1: with --surrogate-tau 0.3 it explodes faster than SLAYER's.

Each network is trained with Adam, which rescales each weight's gradient, and with SGD, which takes
it as it is. Prints what became of the runs, and draws firing rates and gradients by layer and the
learning curves.
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
from depth_report import grouped, report, report_claims  # the module beside this one

import keras_slayer as ks
from keras_slayer.events import spike_pipeline
from keras_slayer.visualization.style import heading, new_figure, save, style_axes

DURATION = 300.0  # ms
CHANCE = 0.1
FAILED = 2 * CHANCE  # a network that ends below this has learned nothing to speak of
SILENT = 1e-4  # where a rate of zero is drawn on a logarithmic axis
GRADIENTS = ("slayer", "exodus")
OPTIMIZERS = {
    "adam": lambda network, schedule: keras.optimizers.Adam(schedule(network.adam_rate)),
    "sgd": lambda network, schedule: keras.optimizers.SGD(schedule(6e-2), momentum=0.9),
}


@dataclasses.dataclass(frozen=True)
class Network:
    what: str
    colour: str
    gradient: str = "slayer"
    scale: float = 1.0  # of the surrogate
    set_rates: bool = True
    defaults: bool = False  # neuron and weights as the package has them
    adam_rate: float = 3e-3  # learning rate of Adam


NETWORKS = {
    "defaults": Network(
        "defaults, rates not set", "#8A9097", set_rates=False, defaults=True, adam_rate=1e-3
    ),
    "quiet": Network("slayer, rates not set", "#33383D", set_rates=False),
    "slayer": Network("slayer", "#EE7733"),
    "exodus": Network("exodus", "#0077BB", "exodus"),
    "slayer-scaled": Network("slayer, scale 0.25", "#EE3377", scale=0.25),
    "exodus-scaled": Network("exodus, scale 0.25", "#009988", "exodus", scale=0.25),
}


@dataclasses.dataclass
class Run:
    network: Network
    optimizer: str
    seed: int
    rates: list[float]  # of each layer before training, spikes per neuron and step
    norms: list[float]  # of the gradient of each layer's weights before training
    losses: list[float]
    accuracies: list[float]  # on the test data, by epoch
    end_rates: list[float]  # as rates, after training
    seconds: float

    @property
    def failed(self) -> bool:
        return not np.isfinite(self.losses).all() or self.accuracies[-1] < FAILED


class Start(keras.callbacks.Callback):
    """Firing rates and gradients by layer when training begins, after callbacks before this one."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def on_train_begin(self, logs=None):
        with tf.GradientTape() as tape:
            loss = self.model.loss(self.y, self.model(self.x, training=True))
        gradients = tape.gradient(loss, self.model.trainable_weights)
        self.norms = [float(tf.norm(gradient)) for gradient in gradients]
        self.rates = [rates.rate for rates in ks.firing_rates(self.model, self.x).values()]


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=["auto", "nmnist", "saccade_mnist"], default="auto")
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--layers", type=int, default=12, help="spiking layers (%(default)s)")
    parser.add_argument("--units", type=int, default=128, help="per hidden layer (%(default)s)")
    parser.add_argument("--rate", type=float, default=0.05, help="to set (%(default)s)")
    parser.add_argument(
        "--surrogate-tau", type=float, default=1.0, help="width of the surrogate (%(default)s)"
    )
    parser.add_argument("--dt", type=float, default=3.0, help="ms per time step (%(default)s)")
    parser.add_argument("--epochs", type=int, default=6, help="(%(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="(1)")
    parser.add_argument("--output", default="out/depth", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    for name, least in (("layers", 2), ("units", 1), ("epochs", 1), ("batch_size", 1)):
        if getattr(arguments, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}")
    return arguments


def weights_of(network, arguments):
    """Neuron and initial weights of a layer."""
    dt = arguments.dt
    if network.defaults:
        return {"neuron": ks.SRM(dt=dt)}
    # Not the defaults: a short refractory response and weights of mean 0 leave it to the gradient,
    # and to the rates, whether a deep network learns. That is what is compared.
    neuron = ks.SRM(
        threshold=10.0,
        tau_response=2 * dt,
        tau_refractory=dt,
        dt=dt,
        surrogate_tau=arguments.surrogate_tau,
        surrogate_scale=network.scale,
        gradient=network.gradient,
    )
    return {
        "neuron": neuron,
        "kernel_initializer": ks.FluctuationDriven(neuron, xi=2.5, mean=0.0),
    }


def build_model(network, arguments):
    weights = weights_of(network, arguments)
    hidden = [
        ks.SpikingDense(arguments.units, **weights, name=f"layer_{number}")
        for number in range(1, arguments.layers)
    ]
    return keras.Sequential(
        [
            keras.Input((int(DURATION / arguments.dt), *nmnist.SENSOR)),
            ks.Flatten(),
            *hidden,
            ks.SpikingDense(10, **weights, name=f"layer_{arguments.layers}"),
        ]
    )


def train(network, optimizer, seed, arguments, train_data, test_data, first_batch):
    keras.utils.set_random_seed(seed)
    model = build_model(network, arguments)
    steps = len(train_data) * arguments.epochs
    model.compile(
        OPTIMIZERS[optimizer](
            network, lambda rate: keras.optimizers.schedules.CosineDecay(rate, steps)
        ),
        loss=ks.SpikeMaxLoss(),
        metrics=[ks.SpikeCountAccuracy(name="accuracy")],
    )
    x, y = first_batch
    start, monitor = Start(x, y), ks.FiringRateMonitor(x)
    initializer = [ks.SetFiringRates(x, arguments.rate)] if network.set_rates else []
    began = time.monotonic()
    history = model.fit(
        train_data,
        validation_data=test_data,
        epochs=arguments.epochs,
        shuffle=False,  # the pipeline does
        callbacks=[*initializer, start, monitor],
        verbose=0,
    ).history
    return Run(
        network=network,
        optimizer=optimizer,
        seed=seed,
        rates=start.rates,
        norms=start.norms,
        losses=history["loss"],
        accuracies=history["val_accuracy"],
        end_rates=[history[f"rate/{layer.name}"][-1] for layer in model.layers[1:]],
        seconds=time.monotonic() - began,
    )


def draw(path, runs, arguments):
    """Firing rates and gradients by layer before training, accuracy by epoch for each optimizer."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(10, 6.5)
    axes = figure.subplots(2, 2)
    layers = np.arange(1, arguments.layers + 1)
    for run in [group[0] for group in grouped(runs) if group[0].optimizer == runs[0].optimizer]:
        style = {"color": run.network.colour, "marker": "o", "ms": 2.5, "lw": 1.6}
        rates = np.maximum(run.rates, SILENT)
        axes[0, 0].plot(layers, rates, **style)
        norms = np.where(np.array(run.norms) > 0, run.norms, np.nan)
        axes[0, 1].plot(layers, norms, **style, label=run.network.what)
    axes[0, 0].set(yscale="log", xlabel="layer", ylabel="spikes per neuron and step")
    axes[0, 1].set(yscale="log", xlabel="layer", ylabel="norm of the gradient")
    axes[0, 1].legend(fontsize=8, frameon=False, labelcolor="linecolor", handlelength=1.2)
    heading(axes[0, 0], f"Firing before training ({SILENT:g}: silent)")
    heading(axes[0, 1], "Gradient of the weights before training")
    for ax, optimizer in zip(axes[1], OPTIMIZERS, strict=True):
        for group in grouped(run for run in runs if run.optimizer == optimizer):
            curves = np.array([run.accuracies for run in group])
            epochs = np.arange(1, curves.shape[1] + 1)
            colour = group[0].network.colour
            ax.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.15, lw=0)
            ax.plot(epochs, curves.mean(0), color=colour, lw=1.6)
        ax.axhline(CHANCE, color="#D9DCDF", lw=0.8, zorder=0)
        ax.set(ylim=(0, 1), xlabel="epoch", ylabel="test accuracy")
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        heading(ax, f"Trained with {optimizer.upper() if optimizer == 'sgd' else 'Adam'}")
    for ax in axes.flat:
        style_axes(ax)
    save(figure, path)


def main(argv=None):
    arguments = parse_arguments(argv)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)  # fails now, and not after the training
    name, train_events, test_events = nmnist.load_data(arguments)
    dt = arguments.dt
    binning = {"sensor_shape": nmnist.SENSOR, "steps": int(DURATION / dt), "dt": dt}
    test_data = spike_pipeline(test_events, batch_size=50, **binning)
    # What sets the weights is training data.
    first_batch = spike_pipeline(train_events.take(50), batch_size=50, cache=False, **binning)
    first_batch = next(iter(first_batch))
    runs = []
    for network in (NETWORKS[key] for key in arguments.networks):
        # Adam alone for what is only there to show how it starts.
        for optimizer in arguments.optimizers if network.set_rates else arguments.optimizers[:1]:
            for seed in arguments.seeds:
                train_data = spike_pipeline(
                    train_events,
                    batch_size=arguments.batch_size,
                    shuffle=True,
                    shift=1,
                    seed=seed,
                    **binning,
                )
                data = (train_data, test_data, first_batch)
                runs.append(train(network, optimizer, seed, arguments, *data))
                last = f"{runs[-1].accuracies[-1]:.1%}"
                print(f"{network.what}, {optimizer}, seed {seed}: {last}", flush=True)
    report(name, runs, arguments)
    report_claims(runs, [NETWORKS[gradient] for gradient in GRADIENTS])
    path = folder / "depth.png"
    draw(path, runs, arguments)
    print(path)
    return runs


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
