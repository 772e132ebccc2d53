"""Trains a network of SRM neurons, converts it to Loihi's neurons, fine-tunes and exports it.

    python examples/srm_to_loihi.py                        # simulated events: no download
    python examples/srm_to_loihi.py --data-dir FOLDER      # N-MNIST: Train.zip and Test.zip
    python examples/srm_to_loihi.py --model srm.keras      # trained before (examples/nmnist.py)

Prints the test accuracy of each stage, the exported file's included.
"""

import argparse
import pathlib

import keras
import nmnist  # the example beside this one
import numpy as np
import tensorflow as tf
from progress import Progress
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer.events import spike_pipeline
from keras_slayer.export import to_loihi

# The weights of a converted network fill the chip's range, whatever they were before. So one rate
# suits all networks. Steps of Adam at 0.002 are a sixteenth of the distance between two weights.
LEARNING_RATE = 2e-3


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # What nmnist.py has options for.
    parser.set_defaults(
        neuron="srm", gradient="slayer", surrogate="exponential", surrogate_tau=None
    )
    parser.set_defaults(shift=2, rotate=10.0, zoom=0.1)
    data = parser.add_argument_group("data")
    data.add_argument("--data", choices=["auto", "nmnist", "saccade_mnist"], default="auto")
    data.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    network = parser.add_argument_group("network and training")
    network.add_argument("--network", choices=sorted(nmnist.RECIPES), default="mlp")
    network.add_argument("--model", help="trained SRM network (.keras); default: trains one")
    network.add_argument("--epochs", type=int, help="of SRM training (mlp 30, cnn 45)")
    network.add_argument("--fine-tuning", type=int, default=3, help="epochs (%(default)s)")
    network.add_argument("--weight-bits", type=int, default=8, help="(%(default)s)")
    network.add_argument("--batch-size", type=int, default=8, help="(%(default)s)")
    network.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--output", default="out/srm_to_loihi", help="folder (%(default)s)")
    arguments = parser.parse_args()
    if arguments.epochs is None:
        arguments.epochs = nmnist.RECIPES[arguments.network]["epochs"]
    for name in ("epochs", "batch_size"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if arguments.fine_tuning < 0:
        parser.error("--fine-tuning must not be negative")
    if not 1 <= arguments.weight_bits <= 8:
        parser.error("--weight-bits must be 1 to 8")
    if arguments.model and not pathlib.Path(arguments.model).is_file():
        parser.error(f"--model: there is no file {arguments.model}")
    return arguments


def make_pipelines(arguments, recipe):
    """(name, augmented training data, training data as recorded, test data, the same to monitor)"""
    name, train_events, test_events = nmnist.load_data(arguments)
    binning = nmnist.binning(recipe)
    train = nmnist.training_pipeline(train_events, arguments, recipe)
    recorded = spike_pipeline(train_events, batch_size=20, **binning)
    test = spike_pipeline(test_events, batch_size=20, **binning)
    # A pipeline of its own: one that is left after its first batch may keep a cache cut short.
    monitored = spike_pipeline(test_events, batch_size=20, cache=False, **binning)
    return name, train, recorded, test, monitored


def fit(model, train, monitored, learning_rate, epochs):
    if epochs == 0:
        return
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, len(train) * epochs)
    model.compile(
        keras.optimizers.Adam(schedule),
        loss=ks.SpikeMaxLoss(),
        metrics=[ks.SpikeCountAccuracy(name="accuracy")],
    )
    model.fit(
        train,
        epochs=epochs,
        shuffle=False,  # the pipeline does
        callbacks=[ks.FiringRateMonitor(monitored), Progress()],
        verbose=0,
    )


def evaluate(model, test):
    """(accuracy, output spikes per recording)."""
    outputs = [(model.predict_on_batch(x), y.numpy()) for x, y in test]
    return nmnist.accuracy(outputs), np.mean([out.sum(axis=(1, 2)).mean() for out, _ in outputs])


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    recipe = nmnist.RECIPES[arguments.network]
    name, train, recorded, test, monitored = make_pipelines(arguments, recipe)

    if arguments.model:
        model = keras.saving.load_model(arguments.model)
    else:
        model = nmnist.build_model(arguments, recipe)
        fit(model, train, monitored, recipe["learning_rate"], arguments.epochs)
        model.save(output / "srm.keras")
    stages = {"SRM": evaluate(model, test)}

    bits = {"weight_bits": arguments.weight_bits}
    stages["converted, thresholds from the mathematics"] = evaluate(to_loihi(model, **bits), test)
    loihi = to_loihi(model, recorded, **bits)
    stages["converted, thresholds from training data"] = evaluate(loihi, test)
    fit(loihi, train, monitored, LEARNING_RATE, arguments.fine_tuning)
    loihi.save(output / "loihi.keras")
    stages[f"fine-tuned, {arguments.fine_tuning} epochs"] = evaluate(loihi, test)
    exported, differing = nmnist.run_export(loihi, output / "network.net", test)

    table = Table(title=f"{name}: {arguments.network}, from SRM to Loihi")
    table.add_column("network")
    table.add_column("test accuracy", justify="right")
    table.add_column("output spikes", justify="right")
    for stage, (accuracy, spikes) in stages.items():
        table.add_row(stage, f"{accuracy:.2%}", f"{spikes:.1f}")
    table.add_row("exported file, in the simulator", f"{exported:.2%}", f"{differing} differ")
    Console().print(table)


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
