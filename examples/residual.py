"""Trains a residual network of 18 layers of spiking neurons, and the same without its shortcuts.

    python examples/residual.py                      # simulated events: no download
    python examples/residual.py --data-dir FOLDER    # N-MNIST: Train.zip and Test.zip
    python examples/residual.py --seeds 1 2 3
    python examples/residual.py --networks residual --neuron loihi  # and exports it

Standard layers of Keras between neurons: a convolution of each step (`PerStep`), batch
normalisation, then the neurons (`SpikingActivation`). Two of these make a block, and its input is
added to its spikes (Fang et al., "Deep residual learning in spiking neural networks", NeurIPS
2021). Half way the image is halved; there a pool of the shortcut is concatenated instead, which
doubles the channels. Shortcuts carry spikes past neurons that do not fire, and gradients past
surrogates that are flat. Each block begins nearly silent, so that the network begins as one of few
layers. `SetFiringRates` sets the rates of the two layers without normalisation.

With Loihi's neurons, the trained normalisations are then folded into the convolutions
(`fold_normalization`), and these train on for a few epochs, now with the chip's weights.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import nmnist  # the example beside this one
import numpy as np
import tensorflow as tf
from progress import OccasionalMonitor, Progress  # the module beside this one

import keras_slayer as ks
from keras_slayer.events import spike_pipeline
from keras_slayer.visualization.style import heading, new_figure, save, style_axes

DURATION = 300.0  # ms
CHANCE = 0.1
NETWORKS = {"residual": "#0077BB", "plain": "#EE7733"}


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=["auto", "nmnist", "saccade_mnist"], default="auto")
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--neuron", choices=["alif", "loihi"], default="alif", help="(%(default)s)")
    parser.add_argument("--blocks", type=int, default=8, help="of two layers (%(default)s)")
    parser.add_argument("--filters", type=int, default=12, help="at first (%(default)s)")
    parser.add_argument("--dt", type=float, default=6.0, help="ms per time step (%(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="(%(default)s)")
    parser.add_argument(
        "--chip-epochs", type=int, default=3, help="on the chip's weights, for --neuron loihi (3)"
    )
    parser.add_argument("--batch-size", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="(1)")
    parser.add_argument("--output", default="out/residual", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    for name, least in (("blocks", 2), ("filters", 1), ("epochs", 1), ("batch_size", 1)):
        if getattr(arguments, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}")
    return arguments


def spiking_conv(x, filters, neuron, name, strides=1, gamma=0.6):
    """Convolution, normalisation, neurons.

    The neurons' input has a deviation of ``gamma`` thresholds: at 0.6 they fire now and then.
    """
    x = ks.PerStep(
        keras.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
        name=f"{name}_conv",
    )(x)
    x = keras.layers.BatchNormalization(
        momentum=0.9,  # so that it follows within an epoch of 50 steps
        gamma_initializer=keras.initializers.Constant(gamma * neuron.firing_threshold),
        name=f"{name}_norm",
    )(x)
    return ks.SpikingActivation(neuron, name=name)(x)


def block(x, filters, neuron, number, halve, residual):
    """Two layers and the shortcut past them."""
    y = spiking_conv(x, filters, neuron, f"block{number}a", strides=2 if halve else 1)
    y = spiking_conv(y, filters, neuron, f"block{number}b", gamma=0.3 if residual else 0.6)
    if not residual:
        return y
    if not halve:
        return keras.layers.Add(name=f"add{number}")([y, x])
    pooled = ks.SpikingSumPooling2D(2, padding="same", neuron=neuron, name=f"pool{number}")(x)
    return keras.layers.Concatenate(name=f"join{number}")([y, pooled])


def leaky_neuron(arguments):
    """Leaks within two steps, without filtering its input."""
    dt = arguments.dt
    if arguments.neuron == "loihi":
        decay = round(4096 * (1 - np.exp(-1 / 2)))
        return ks.LoihiCUBA(224, 4096, decay, dt=dt, gradient="exodus")
    return ks.ALIF(tau_membrane=2 * dt, beta=0.0, dt=dt, gradient="exodus")  # no adaptation


def build_model(residual, arguments):
    neuron = leaky_neuron(arguments)
    steps, filters = int(DURATION / arguments.dt), arguments.filters
    inputs = keras.Input((steps, *nmnist.SENSOR))
    x = ks.SpikingConv2D(filters, 5, strides=4, neuron=neuron, name="stem")(inputs)
    for number in range(1, arguments.blocks + 1):
        halve = number == arguments.blocks // 2 + 1
        x = block(x, filters, neuron, number, halve, residual)
        filters = 2 * filters if halve and residual else filters
    x = ks.Flatten()(x)
    return keras.Model(inputs, ks.SpikingDense(10, neuron=neuron, name="classes")(x))


def train(name, seed, arguments, train_data, test_data, first_batch):
    keras.utils.set_random_seed(seed)
    model = build_model(name == "residual", arguments)
    steps = len(train_data) * arguments.epochs
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss=ks.SpikeMaxLoss(),
        metrics=[ks.SpikeCountAccuracy(name="accuracy")],
    )
    x = first_batch[0]
    spiking = [
        layer
        for layer in model.layers
        if hasattr(layer, "neuron") and not isinstance(layer, ks.SpikingSumPooling2D)
    ]
    print(
        f"{name}, seed {seed}: {len(spiking)} layers, {model.count_params():,} weights", flush=True
    )
    began = time.monotonic()
    history = model.fit(
        train_data,
        validation_data=test_data,
        epochs=arguments.epochs,
        shuffle=False,  # the pipeline does
        callbacks=[
            ks.SetFiringRates(x, {"stem": 0.05, "classes": 0.05}),
            OccasionalMonitor(x, every=arguments.epochs),
            Progress(),
        ],
        verbose=0,
    ).history
    seconds = time.monotonic() - began
    rates = [history[f"rate/{layer.name}"][-1] for layer in spiking]
    print(f"{name}, seed {seed}: {history['val_accuracy'][-1]:.1%} in {seconds:.0f} s", flush=True)
    if arguments.neuron == "loihi":
        folded = on_chip_weights(model, arguments, train_data)
        export(folded, name, seed, arguments, test_data)
    return {"network": name, "seed": seed, "accuracies": history["val_accuracy"], "rates": rates}


def on_chip_weights(model, arguments, train_data):
    """The network with its normalisations folded into weights of 8 bits, trained on with these."""
    folded = ks.export.fold_normalization(model)
    epochs = arguments.chip_epochs
    if epochs:
        schedule = keras.optimizers.schedules.CosineDecay(3e-4, epochs * len(train_data))
        folded.compile(keras.optimizers.Adam(schedule), loss=ks.SpikeMaxLoss())
        folded.fit(train_data, epochs=epochs, shuffle=False, verbose=0)
    return folded


def export(model, name, seed, arguments, test_data):
    """Writes the network for the chip: what it computes in Keras is what it computes there."""
    path = pathlib.Path(arguments.output) / f"{name}-{seed}.nir"
    path.parent.mkdir(parents=True, exist_ok=True)
    report = model.export_loihi(path, calibration=test_data)
    print(report)


def draw(path, runs):
    """Accuracy by epoch, firing rates by layer."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(9, 3.4)
    left, right = figure.subplots(1, 2)
    for name, colour in NETWORKS.items():
        own = [run for run in runs if run["network"] == name]
        for i, run in enumerate(own):
            style = {"color": colour, "lw": 1.4, "label": name if i == 0 else None}
            left.plot(np.arange(1, len(run["accuracies"]) + 1), run["accuracies"], **style)
            right.plot(np.arange(1, len(run["rates"]) + 1), run["rates"], marker="o", ms=3, **style)
    left.axhline(CHANCE, color="#D9DCDF", lw=0.8, zorder=0)
    left.set(ylim=(0, 1), xlabel="epoch", ylabel="test accuracy")
    left.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    left.legend(fontsize=8, frameon=False, labelcolor="linecolor", handlelength=1.2)
    right.set(xlabel="layer", ylabel="spikes per neuron and step", ylim=(0, None))
    heading(left, "With and without shortcuts")
    heading(right, "Firing after training")
    for ax in (left, right):
        style_axes(ax)
    save(figure, path)


def main(argv=None):
    arguments = parse_arguments(argv)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)  # fails now, and not after the training
    data, train_events, test_events = nmnist.load_data(arguments)
    dt = arguments.dt
    binning = {"sensor_shape": nmnist.SENSOR, "steps": int(DURATION / dt), "dt": dt}
    test_data = spike_pipeline(test_events, batch_size=50, **binning)
    first_batch = spike_pipeline(train_events.take(50), batch_size=50, cache=False, **binning)
    first_batch = next(iter(first_batch))
    runs = []
    for name in arguments.networks:
        for seed in arguments.seeds:
            train_data = spike_pipeline(
                train_events,
                batch_size=arguments.batch_size,
                shuffle=True,
                shift=1,
                seed=seed,
                **binning,
            )
            runs.append(train(name, seed, arguments, train_data, test_data, first_batch))
    print(f"\n{data}, test accuracy after {arguments.epochs} epochs:")
    for name in arguments.networks:
        last = [run["accuracies"][-1] for run in runs if run["network"] == name]
        each = ", ".join(f"{accuracy:.1%}" for accuracy in last)
        print(f"  {name:9} {np.mean(last):.1%}   (seeds: {each})")
    path = folder / "residual.png"
    draw(path, runs)
    print(path)
    return runs


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
