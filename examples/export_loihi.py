"""From a trained model to a chip: report, page, core map, files for lava and for NIR.

    python examples/export_loihi.py                              # trains a small network first
    python examples/export_loihi.py --model out/demo/model.keras --steps 300 --dt 1
    python examples/export_loihi.py --chip loihi1 --weight-bits 4

docs/loihi.md explains each line of what it prints.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from progress import Progress  # the module beside this one

import keras_slayer as ks
from keras_slayer import datasets
from keras_slayer.events import spike_pipeline
from keras_slayer.export import LoihiSimulator

SENSOR = (34, 34, 2)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a saved model (.keras) to export; default: train one")
    parser.add_argument("--epochs", type=int, default=6, help="of that training (%(default)s)")
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--steps", type=int, default=100, help="per recording (%(default)s)")
    parser.add_argument("--dt", type=float, default=3.0, help="ms per step (%(default)s)")
    parser.add_argument("--chip", choices=["loihi1", "loihi2"], default="loihi2")
    parser.add_argument("--weight-bits", type=int, default=8, help="1 to 8 (%(default)s)")
    parser.add_argument("--output", default="out/export", help="folder (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.model and not pathlib.Path(arguments.model).is_file():
        parser.error(f"--model: there is no file {arguments.model}")
    if not 1 <= arguments.weight_bits <= 8:
        parser.error("--weight-bits must be 1 to 8")
    for name in ("epochs", "steps", "dt"):
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name} must be positive")
    return arguments


def build_model(steps, dt):
    """34x34x2 - 8c5, stride 2 - pool of 3 - 10: Loihi's neurons from the start."""
    neuron = ks.LoihiCUBA(dt=dt)
    return keras.Sequential(
        [
            keras.Input((steps, *SENSOR)),
            ks.SpikingConv2D(8, 5, strides=2, neuron=neuron, name="conv"),
            ks.SpikingSumPooling2D(3, neuron=neuron, name="pool"),
            ks.Flatten(name="flatten"),
            ks.SpikingDense(10, neuron=neuron, name="classes"),
        ]
    )


def train(arguments, data, monitored):
    model = build_model(arguments.steps, arguments.dt)
    model.compile(
        keras.optimizers.Adam(5e-3),
        loss=ks.SpikeMaxLoss(),
        metrics=[ks.SpikeCountAccuracy(name="accuracy")],
    )
    model.fit(
        data,
        epochs=arguments.epochs,
        shuffle=False,  # the pipeline does
        callbacks=[ks.FiringRateMonitor(monitored), Progress()],
        verbose=0,
    )
    return model


def main():
    arguments = parse_arguments()
    keras.utils.set_random_seed(arguments.seed)
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    tfds.disable_progress_bar()

    if arguments.data_dir:
        train_events, test_events = datasets.load_nmnist(arguments.data_dir)
    else:
        train_events, test_events = datasets.load_saccade_mnist(config="small")
    binning = {"sensor_shape": SENSOR, "steps": arguments.steps, "dt": arguments.dt}
    test = spike_pipeline(test_events, batch_size=20, **binning)
    if arguments.model:
        model = keras.saving.load_model(arguments.model)
    else:
        model = train(
            arguments,
            spike_pipeline(
                train_events, batch_size=16, shuffle=True, seed=arguments.seed, **binning
            ),
            # Not ``test``: left after its first batch, it may keep a cache cut short.
            spike_pipeline(test_events, batch_size=20, cache=False, **binning),
        )
        model.save(output / "model.keras")

    # The report runs model and file on the test set, and counts the spikes that differ.
    report = model.export_loihi(
        output / "network.net",
        chip=arguments.chip,
        weight_bits=arguments.weight_bits,
        calibration=test,
    )
    print(report)
    report.to_html(output / "report.html")
    report.plot_cores(output / "cores.png")
    (output / "report.json").write_text(report.to_json())
    model.export_loihi(output / "network.nir", weight_bits=arguments.weight_bits)

    # The file alone, as on the chip.
    simulator = LoihiSimulator(output / "network.net")
    hits = [
        np.argmax(simulator.run(spikes.numpy()).sum(axis=1), axis=-1) == labels.numpy()
        for spikes, labels in test
    ]
    print(f"accuracy of the file in the simulator: {np.mean(np.concatenate(hits)):.2%}")
    for name in ("network.net", "network.nir", "report.html", "report.json", "cores.png"):
        print(f"{output / name}: {(output / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
