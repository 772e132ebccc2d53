"""Trains a published network on its data, and writes what came out as a result card.

    python examples/reproduce.py nmnist --data-dir FOLDER         # Train.zip and Test.zip
    python examples/reproduce.py dvs_gesture --data-dir FOLDER    # DvsGesture.tar.gz
    python examples/reproduce.py shd --data-dir FOLDER            # shd_train.h5 and shd_test.h5
    python examples/reproduce.py nmnist --seeds 1 2 3             # simulated events: no download

A training may be cut off at any time, and goes on from its last epoch when the same command is
given again; its result is that of a training that was not cut off. `--stop-after 1` trains one
epoch of each seed and stops: the way through a full set on a machine that is not yours for long.

The card, card.json and card.md, says what was trained on what: accuracy for each seed, beside what
was published; time; energy, as a count of operations and, for networks of Loihi's neurons, as the
report of the export has it; memory; versions and commit. Where it was not the full set, time and
memory for that are extrapolated, and marked so. docs/papers.md has the cards of this repository.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from progress import OccasionalMonitor  # the modules beside this one
from reproduce_card import SHUFFLED, Card
from reproduce_tasks import TASKS
from resumable import Training

import keras_slayer as ks
from keras_slayer.events import spike_pipeline
from keras_slayer.export import LoihiSimulator

FEW = 16  # recordings to measure rates and energy on


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("--data-dir", help="folder with the full set (simulated recordings)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="(%(default)s)")
    parser.add_argument("--epochs", type=int, help="(nmnist 10, dvs_gesture 30, shd 10)")
    parser.add_argument("--neuron", choices=["srm", "loihi"], help="of nmnist (srm)")
    parser.add_argument("--recordings", type=int, help="to train on (all)")
    parser.add_argument("--test-recordings", type=int, help="(all)")
    parser.add_argument("--stop-after", type=int, help="epochs of each seed in this start (all)")
    parser.add_argument("--output", help="folder (out/reproduce/TASK)")
    arguments = parser.parse_args(argv)
    if arguments.neuron and arguments.task != "nmnist":
        parser.error("--neuron is for nmnist: the other networks have neurons of their own")
    for name in ("epochs", "recordings", "test_recordings", "stop_after"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if len(set(arguments.seeds)) < len(arguments.seeds):
        parser.error("--seeds must differ from each other")
    arguments.output = pathlib.Path(arguments.output or f"out/reproduce/{arguments.task}")
    return arguments


class Run:
    """One seed of a task."""

    def __init__(self, task, data, seed, epochs, folder):
        self.task, self.data, self.seed, self.epochs = task, data, seed, epochs
        self.frame = task.frame(data)
        settings = {
            "network": task.network,
            "neuron": "loihi" if task.loihi else "floating point",
            "data": data.name,
            "recordings": len(data.train),
            "epochs": epochs,
            "seed": seed,
        }
        self.training = Training(folder, settings)

    def batches(self, epoch):
        """The recordings of that epoch, moved anew. No two epochs and seeds share their numbers."""
        return spike_pipeline(
            self.data.train,
            batch_size=self.task.batch_size,
            shuffle=min(SHUFFLED, len(self.data.train)),  # tfds keeps them in random order
            seed=1000 * self.seed + epoch,
            cache=False,
            **self.task.augment,
            **self.frame,
        )

    def test_batches(self, count=None):
        test = self.data.test if count is None else self.data.test.take(count)
        batch_size = self.task.batch_size
        return spike_pipeline(test, batch_size=batch_size, cache=False, **self.frame)

    def train(self, stop_after):
        """The model as far as it is trained."""
        keras.utils.set_random_seed(self.seed)
        few = self.data.train.take(FEW)
        few = spike_pipeline(few, batch_size=FEW, cache=False, **self.frame)
        few, _ = next(iter(few))
        model = self.training.load()
        if model is None:
            model = self.task.build(self.data)
            if self.task.set_rates:
                ks.set_firing_rates(model, few)
            model.compile(
                self.task.optimizer(len(self.batches(0)) * self.epochs),
                loss=ks.SpikeMaxLoss(),
                metrics=[ks.SpikeCountAccuracy(name="accuracy")],
            )
        else:
            print(f"seed {self.seed}: goes on after epoch {self.training.epoch}")
        monitor = OccasionalMonitor(few, every=10)
        self.training.run(
            model, self.batches, self.epochs, callbacks=[monitor], stop_after=stop_after
        )
        return model

    def accuracy(self, network):
        """Of the test recordings. ``network`` gives output spikes of input spikes."""
        hits = [
            np.argmax(network(spikes).sum(axis=1), axis=-1) == labels
            for spikes, labels in self.test_batches().as_numpy_iterator()
        ]
        return float(np.mean(np.concatenate(hits)))


def on_chip(run, model, folder):
    """Figures of the network on Loihi: of the report, and of the file on the test recordings."""
    report = model.export_loihi(folder / "network.net", calibration=run.test_batches(FEW))
    simulator = LoihiSimulator(report.path)
    differing = 0

    def network(spikes):
        nonlocal differing
        out = simulator.run(spikes)
        differing += int(np.sum(out != model.predict_on_batch(spikes)))
        return out

    return {
        "accuracy": run.accuracy(network),
        "spikes that differ": differing,
        "cores": len(report.mapping.cores),
        "chip": report.chip,
        "joules per recording": float(report.calibration.energy),
    }


def main(argv=None):
    arguments = parse_arguments(argv)
    task = TASKS[arguments.task](arguments)
    data = task.load(arguments.data_dir)
    for name in ("train", "test"):
        count = arguments.recordings if name == "train" else arguments.test_recordings
        if count is not None:
            data = data.with_some(name, count)
    epochs = arguments.epochs or task.epochs
    card = Card(arguments.task, task, data, epochs)
    for seed in arguments.seeds:
        folder = arguments.output / f"seed-{seed}"
        run = Run(task, data, seed, epochs, folder)
        model = run.train(arguments.stop_after)
        if run.training.epoch < epochs:
            print(f"seed {seed}: {run.training.epoch} of {epochs} epochs; the same command goes on")
            continue
        profile = ks.profile(model, run.test_batches(FEW))
        chip = on_chip(run, model, folder) if task.loihi else None
        card.add(seed, run.accuracy(model.predict_on_batch), run.training.history, profile, chip)
        print(f"seed {seed}: {card.results[-1]['accuracy']:.2%} of the test recordings")
    if card.results:
        for path in card.write(arguments.output):
            print(path)
        print(card.to_markdown())
    return card


if __name__ == "__main__":
    from command_line import run  # the module beside this one

    tf.get_logger().setLevel("ERROR")
    run(main)
