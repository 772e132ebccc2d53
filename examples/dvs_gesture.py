"""Trains the gesture network of SLAYER's authors with Loihi's neurons, and puts it on the chip.

    python examples/dvs_gesture.py                      # synthetic gestures: no download
    python examples/dvs_gesture.py --data-dir FOLDER    # DVS128 Gesture: DvsGesture.tar.gz
    python examples/dvs_gesture.py --quick              # 48 x 48 pixels: half a minute
    python examples/dvs_gesture.py --weight-bits 4      # trained on weights of 4 bits

The network 128x128x2-4a-16c5z-2a-32c3z-2a-512-11 (4a: sums over 4 x 4 pixels; 16c5z: 16 filters of
5 x 5 pixels, zeros around the image) sees the first 1.5 s of a recording. Prints the report of the
export (docs/loihi.md explains it), and a table of what was measured beside what was published.
Draws a recording with the network's answer and the learning curve, and the cores on the chip.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from progress import Progress  # the module beside this one
from rich.console import Console
from rich.table import Table

import keras_slayer as ks
from keras_slayer import datasets
from keras_slayer.datasets.dvs_gesture.labels import GESTURES
from keras_slayer.events import spike_pipeline
from keras_slayer.export import LoihiSimulator
from keras_slayer.visualization import summary_figure

SENSOR = (128, 128)
FEW_BITS = 4  # the width that the published figures are given for
# Four times the default of neurons in steps of 5 or 10 ms, and of Adam's learning rate with it, for
# weights as much larger: with 4 bits they are multiples of 0.5, up to 4.
THRESHOLD = 256

# With --quick, and without.
QUICK = {
    "side": 48,
    "steps": 150,
    "dt": 10.0,
    "recordings": 110,
    "epochs": 8,
    "learning_rate": 0.008,
}
FULL = {
    "side": 128,
    "steps": 300,
    "dt": 5.0,
    "recordings": None,
    "epochs": 30,
    "learning_rate": 0.004,
}

# SLAYER's authors, on DVS128 Gesture and Loihi.
PUBLISHED = {
    "weights to learn": "1.05 M",
    "zero weights": "0.47 M",
    f"weights outside {FEW_BITS} bits": "2",
    "accuracy, chip": "92.23%",
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small, and soon done")
    data = parser.add_argument_group("data (in brackets: full size, --quick)")
    data.add_argument("--data-dir", help="folder with DvsGesture.tar.gz (synthetic gestures)")
    data.add_argument("--side", type=int, help="pixels that 128 are scaled to (128, 48)")
    data.add_argument("--steps", type=int, help="per recording (300, 150)")
    data.add_argument("--dt", type=float, help="ms per step (5, 10)")
    data.add_argument("--recordings", type=int, help="to train on (all, 110)")
    training = parser.add_argument_group("network and training")
    training.add_argument("--weight-bits", type=int, default=8, help="1 to 8 (%(default)s)")
    training.add_argument("--epochs", type=int, help="(30, 8)")
    training.add_argument("--batch-size", type=int, default=4, help="(%(default)s)")
    training.add_argument("--learning-rate", type=float, help="(0.004, 0.008)")
    training.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--chip", choices=["loihi1", "loihi2"], default="loihi1")
    parser.add_argument("--output", default="out/dvs_gesture", help="folder (%(default)s)")
    arguments = parser.parse_args()
    for name, value in (QUICK if arguments.quick else FULL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    check(parser, arguments)
    return arguments


def check(parser, arguments):
    if arguments.side not in range(16, SENSOR[0] + 1, 16):
        parser.error("--side must be a multiple of 16, at most 128: the pools halve it four times")
    if not 1 <= arguments.weight_bits <= 8:
        parser.error("--weight-bits must be 1 to 8")
    for name in ("steps", "epochs", "batch_size"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if arguments.recordings is not None and arguments.recordings < len(GESTURES):
        parser.error(f"--recordings must be at least {len(GESTURES)}")
    for name in ("dt", "learning_rate"):
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be positive")


def load_data(arguments):
    """(name, training set, some training recordings as they are, test set), of spikes."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    split = (f"train[:{arguments.recordings or '100%'}]", "test")
    if arguments.data_dir:
        name = "DVS128 Gesture"
        train, test = datasets.load_dvs_gesture(arguments.data_dir, split=split)
    else:
        print("Synthetic gestures (synthetic_gestures/small); --data-dir takes DVS128 Gesture.")
        name = "synthetic gestures"
        train, test = datasets.load_synthetic_gestures(config="small", split=split)
    frame = {
        "sensor_shape": (arguments.side, arguments.side, 2),
        "fit": "scale",
        "source_shape": SENSOR,
        "steps": arguments.steps,
        "dt": arguments.dt,
        "late": "ignore",  # the network sees the first 1.5 s of each trial
    }
    batch_size = arguments.batch_size
    # No mirroring: left and right, clockwise and counter-clockwise are classes of their own.
    augmented = spike_pipeline(
        train,
        batch_size=batch_size,
        shuffle=True,
        shift=arguments.side // 20,
        zoom=0.1,
        seed=arguments.seed,
        **frame,
    )
    few = spike_pipeline(train.take(len(GESTURES)), batch_size=len(GESTURES), **frame)
    return name, augmented, next(iter(few))[0], spike_pipeline(test, batch_size=batch_size, **frame)


def build_model(shape, dt, weight_bits):
    """128x128x2-4a-16c5z-2a-32c3z-2a-512-11, from spikes of shape (steps, height, width, 2)."""
    neuron = ks.LoihiCUBA(THRESHOLD, dt=dt, weight_bits=weight_bits)
    # A pool fires at each spike, also after its weight was rounded to few bits: 1.3 or more is
    # above its threshold of 64 / 64.
    pool = {"neuron": ks.LoihiCUBA(64, dt=dt, weight_bits=FEW_BITS), "weight": 1.3}
    return keras.Sequential(
        [
            keras.Input(shape),
            ks.SpikingSumPooling2D(4, name="pool1", **pool),
            ks.SpikingConv2D(16, 5, neuron=neuron, padding="same", name="conv1"),
            ks.SpikingSumPooling2D(2, name="pool2", **pool),
            ks.SpikingConv2D(32, 3, neuron=neuron, padding="same", name="conv2"),
            ks.SpikingSumPooling2D(2, name="pool3", **pool),
            ks.Flatten(name="flatten"),
            keras.layers.Dropout(0.3),
            ks.SpikingDense(512, neuron=neuron, name="dense"),
            keras.layers.Dropout(0.3),
            ks.SpikingDense(len(GESTURES), neuron=neuron, name="classes"),
        ]
    )


def train_model(arguments, train, few, test):
    """(model, history)"""
    model = build_model(few.shape[1:], arguments.dt, arguments.weight_bits)
    schedule = keras.optimizers.schedules.CosineDecay(
        arguments.learning_rate, len(train) * arguments.epochs
    )
    model.compile(
        keras.optimizers.Adam(schedule),
        loss=ks.SpikeMaxLoss(),
        metrics=[ks.SpikeCountAccuracy(name="accuracy")],
    )
    history = model.fit(
        train,
        validation_data=test,
        epochs=arguments.epochs,
        shuffle=False,  # the pipeline does; Keras would only warn that it cannot
        callbacks=[ks.FiringRateMonitor(few), Progress()],
        verbose=0,
    )
    return model, history


def run_file(path, model, test):
    """(accuracy of the exported file in the simulator, its output spikes that Keras' are not)."""
    simulator = LoihiSimulator(path)
    hits, differing = [], 0
    for spikes, labels in test:
        out = simulator.run(spikes.numpy())
        differing += int(np.sum(out != model.predict_on_batch(spikes)))
        hits.append(np.argmax(out.sum(axis=1), axis=-1) == labels.numpy())
    return float(np.mean(np.concatenate(hits))), differing


def accuracies(report):
    return {variant.name: variant.accuracy for variant in report.calibration.variants}


def results(model, report, rounded, file_accuracy, file_differing):
    """Rows of the table: what, of the weights as trained, of these rounded to FEW_BITS."""
    given, few = accuracies(report), accuracies(rounded)
    widths = {width.bits: width for width in report.widths}
    trained = widths[report.layers[-1].weight_bits]
    return [
        ("weights to learn", f"{model.count_params():,}", ""),
        ("zero weights", f"{trained.zero:,}", f"{widths[FEW_BITS].zero:,}"),
        (f"weights outside {FEW_BITS} bits", "", f"{widths[FEW_BITS].out_of_range:,}"),
        (f"cores of {report.chip}", f"{len(report.mapping.cores)}", ""),
        ("accuracy, float", f"{given['float']:.2%}", ""),
        ("accuracy, quantised", f"{given['quantised']:.2%}", f"{few['quantised']:.2%}"),
        ("accuracy, chip", f"{file_accuracy:.2%}", f"{few['chip']:.2%}"),
        ("output spikes that differ", f"{file_differing:,}", ""),
        ("the same, all layers", *(f"{r.calibration.differing:,}" for r in (report, rounded))),
    ]


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    start = time.monotonic()
    name, train, few, test = load_data(arguments)
    model, history = train_model(arguments, train, few, test)
    trained = time.monotonic()

    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    model.save(output / "model.keras")
    path = output / "network.net"
    # Model, file and the network in floating point run on the test set, and are compared.
    report = model.export_loihi(path, chip=arguments.chip, calibration=test)
    print(report)
    rounded = report
    if arguments.weight_bits > FEW_BITS:
        rounded = model.export_loihi(
            None, format="net", weight_bits=FEW_BITS, calibration=test, dry_run=True
        )
    rows = results(model, report, rounded, *run_file(path, model, test))
    report.to_html(output / "report.html")
    report.plot_cores(output / "cores.png")
    spikes, labels = next(iter(test))
    summary_figure(
        output / "summary.png",
        input_spikes=spikes[0].numpy(),
        output_spikes=model.predict_on_batch(spikes[:1])[0],
        label=int(labels[0]),
        history=history,
        dt=arguments.dt,
        names=[gesture.replace("_", " ") for gesture in GESTURES],
    )

    bits = arguments.weight_bits
    table = Table(title=f"{name}, {arguments.side} x {arguments.side} pixels")
    for heading in ("what", "published", f"{bits} bits, trained", f"rounded to {FEW_BITS}"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, *measured in rows:
        table.add_row(what, PUBLISHED.get(what, ""), *measured)
    Console().print(table)
    print("published: SLAYER's authors, for DVS128 Gesture on the chip; here the chip is simulated")
    print("differ: between the simulated chip and Keras with the chip's weights")
    print(f"seconds to train {trained - start:.0f}, for the rest {time.monotonic() - trained:.0f}")
    for file in ("model.keras", "network.net", "report.html", "cores.png", "summary.png"):
        print(f"{output / file}: {(output / file).stat().st_size:,} bytes")


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
