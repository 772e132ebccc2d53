"""Trains a spiking network on N-Caltech101, whose recordings differ in size.

    python examples/n_caltech101.py --data-dir FOLDER --classes airplanes Motorbikes watch
    python examples/n_caltech101.py --data-dir FOLDER                # all 101 classes: hours
    python examples/n_caltech101.py --data-dir FOLDER --fit crop --frame 90 120

FOLDER holds Caltech101.zip, or the folder Caltech101 that is in it; without --data-dir, the set is
downloaded (4 GB). Recordings of up to 240 x 180 pixels are scaled or cropped to one frame. Prints a
table of what came out.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from progress import Progress  # the module beside this one
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer import datasets
from keras_slayer.datasets.n_caltech101.classes import CLASSES
from keras_slayer.events import spike_pipeline

DURATION = 300.0  # ms: three saccades


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_argument_group("data")
    data.add_argument("--data-dir", help="folder with Caltech101.zip or Caltech101")
    data.add_argument("--classes", nargs="+", metavar="NAME", help="only these (all)")
    data.add_argument("--fit", choices=["scale", "crop"], default="scale", help="(%(default)s)")
    data.add_argument(
        "--frame", nargs=2, type=int, default=[45, 60], metavar=("HEIGHT", "WIDTH"), help="(45 60)"
    )
    data.add_argument("--dt", type=float, default=5.0, help="ms per time step (%(default)s)")
    data.add_argument("--shift", type=int, default=2, help="random shift, pixels (%(default)s)")
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=15, help="(%(default)s)")
    training.add_argument("--batch-size", type=int, default=8, help="(%(default)s)")
    training.add_argument("--learning-rate", type=float, default=1e-2, help="(%(default)s)")
    training.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--output", default="out/n_caltech101", help="folder (%(default)s)")
    arguments = parser.parse_args()
    for name in set(arguments.classes or ()) - set(CLASSES):
        parser.error(f"--classes: {name} is no class of N-Caltech101: {' '.join(CLASSES)}")
    for name in ("epochs", "batch_size"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if min(arguments.frame) < 16:
        parser.error("--frame must be at least 16 pixels high and wide")
    if not 1 <= arguments.dt <= 50:
        parser.error("--dt must be 1 to 50")
    return arguments


def load_data(arguments):
    """(training set, test set, number of classes), labels counted from 0."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    train, test = datasets.load_n_caltech101(arguments.data_dir)
    if not arguments.classes:
        return train, test, len(CLASSES)
    chosen = sorted(CLASSES.index(name) for name in set(arguments.classes))
    label_of = tf.scatter_nd(
        tf.constant(chosen)[:, tf.newaxis], tf.range(1, len(chosen) + 1), [len(CLASSES)]
    )

    def select(dataset):
        dataset = dataset.filter(lambda events, label: label_of[label] > 0)
        dataset = dataset.map(lambda events, label: (events, label_of[label] - 1))
        count = dataset.reduce(0, lambda n, _: n + 1)
        return dataset.apply(tf.data.experimental.assert_cardinality(int(count)))

    return select(train), select(test), len(chosen)


def build_model(shape, classes, dt):
    """12c5-2a-32c3-2a-classes."""
    neuron = ks.SRM(dt=dt)
    return keras.Sequential(
        [
            keras.Input(shape),
            ks.SpikingConv2D(12, 5, neuron=neuron),
            ks.SpikingSumPooling2D(2, neuron=neuron),
            ks.SpikingConv2D(32, 3, padding="same", neuron=neuron),
            ks.SpikingSumPooling2D(2, neuron=neuron),
            ks.Flatten(),
            keras.layers.Dropout(0.3),
            ks.SpikingDense(classes, neuron=neuron),
        ]
    )


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    start = time.monotonic()
    train_events, test_events, classes = load_data(arguments)
    frame = {
        "sensor_shape": (*arguments.frame, 2),
        "fit": arguments.fit,
        "steps": int(DURATION / arguments.dt),
        "dt": arguments.dt,
        "batch_size": arguments.batch_size,
    }
    train = spike_pipeline(
        train_events, shuffle=True, shift=arguments.shift, seed=arguments.seed, **frame
    )
    test = spike_pipeline(test_events, **frame)
    # A pipeline of its own: one that is left after its first batch may keep a cache cut short.
    monitored = spike_pipeline(test_events, cache=False, **frame)

    model = build_model((frame["steps"], *frame["sensor_shape"]), classes, arguments.dt)
    model.summary()
    schedule = keras.optimizers.schedules.CosineDecay(
        arguments.learning_rate, len(train) * arguments.epochs
    )
    model.compile(
        keras.optimizers.Adam(schedule),
        loss=ks.SpikeMaxLoss(),
        metrics=[ks.SpikeCountAccuracy(name="accuracy")],
    )
    model.fit(
        train,
        validation_data=test,
        epochs=arguments.epochs,
        shuffle=False,  # the pipeline does; Keras would only warn that it cannot
        callbacks=[ks.FiringRateMonitor(monitored), Progress()],
        verbose=0,
    )
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    model.save(output / "model.keras")

    table = Table(title=f"N-Caltech101, {classes} classes, {arguments.fit} to {arguments.frame}")
    table.add_column("what")
    table.add_column("result", justify="right")
    table.add_row("training recordings", f"{int(train_events.cardinality())}")
    table.add_row("test recordings", f"{int(test_events.cardinality())}")
    for name, data in (("train accuracy (augmented)", train), ("test accuracy", test)):
        accuracy = model.evaluate(data, verbose=0, return_dict=True)["accuracy"]
        table.add_row(name, f"{accuracy:.2%}")
    table.add_row("seconds in all", f"{time.monotonic() - start:.0f}")
    table.add_row("model", str(output / "model.keras"))
    Console().print(table)


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
