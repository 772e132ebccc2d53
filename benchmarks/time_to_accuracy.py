"""Seconds of training until the network 2312-512-10 reads 95 % of the N-MNIST sample's digits.

    python benchmarks/time_to_accuracy.py keras_slayer --data-dir FOLDER
    python benchmarks/time_to_accuracy.py lava-dl
    python benchmarks/time_to_accuracy.py snnTorch

Each library has its own recipe (peers/*_learn.py), and all have the same tensors: FOLDER holds
N-MNIST's Train.zip and Test.zip; the recordings, binned at 1 ms, the training set in versions
shifted, turned and scaled at random, are written once to --recordings. The accuracy is that of the
test set after each epoch; who never reaches the target is listed with the best.
"""

import json
import pathlib

import common
import numpy as np
from against_peers import LAVA, OURS, Peer, start
from peers.learning import Task

SENSOR, STEPS = (34, 34, 2), 300
# Augmented versions of the training set: one for each epoch of our recipe.
VERSIONS = 25
AUGMENTATION = {"shift": 2, "rotate": 10.0, "zoom": 0.1}
LEARNERS = [
    Peer(OURS, "keras_slayer_learn", ""),
    Peer("lava-dl", "lava_dl_learn", "", LAVA),
    Peer("snnTorch", "snntorch_learn", "", LAVA),
]


def flat_bins(pipeline):
    """(indices of all spikes, sample after sample; where each sample ends; labels)."""
    bins, sizes, labels = [], [], []
    for spikes, label in pipeline:
        flat = spikes.numpy().reshape(len(label), -1)
        sample, position = np.nonzero(flat)
        bins.append(position.astype(np.uint32))
        sizes.append(np.bincount(sample, minlength=len(label)))
        labels.append(label.numpy())
    return np.concatenate(bins), np.cumsum(np.concatenate(sizes)), np.concatenate(labels)


def write_recordings(data_dir, path):
    import tensorflow_datasets as tfds

    from keras_slayer import datasets
    from keras_slayer.events import spike_pipeline

    tfds.disable_progress_bar()
    train, test = datasets.load_nmnist(data_dir)
    binning = {"sensor_shape": SENSOR, "steps": STEPS, "batch_size": 20}
    arrays, ends = {}, []
    # Every pass over the pipeline is another version.
    pipeline = spike_pipeline(train, seed=1, **AUGMENTATION, **binning)
    for version in range(VERSIONS):
        arrays[f"train_bins_{version}"], end, labels = flat_bins(pipeline)
        ends.append(end)
    arrays |= {"train_ends": np.stack(ends), "train_labels": labels.astype(np.int64)}
    bins, ends, labels = flat_bins(spike_pipeline(test, **binning))
    arrays |= {"test_bins": bins, "test_ends": ends, "test_labels": labels.astype(np.int64)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, shape=(STEPS, int(np.prod(SENSOR))), **arrays)


def learn(learner, arguments) -> list[dict]:
    """Epoch by epoch: seconds of training so far, test accuracy."""
    task = Task(
        str(arguments.recordings.absolute()),
        arguments.target,
        arguments.seconds,
        arguments.threads,
        arguments.seed,
    )
    epochs = []
    process, answers = start(learner, task, arguments.environments, log=None)
    with process, answers:
        for line in answers:
            epochs.append(json.loads(line))
            print("epoch {epoch}: {seconds:.1f} s, {accuracy:.0%}".format(**epochs[-1]))
    if process.returncode or not epochs:
        raise SystemExit(f"{learner.name} ended with code {process.returncode}")
    return epochs


def table(name, epochs, target):
    best = max(epoch["accuracy"] for epoch in epochs)
    reached = next((epoch for epoch in epochs if epoch["accuracy"] >= target), None)
    seconds = f"{reached['seconds']:.1f}" if reached else "not reached"
    row = (name, seconds, f"{epochs[-1]['epoch']}", f"{best:.0%}", f"{epochs[-1]['seconds']:.1f}")
    headings = ("", f"seconds to {target:.0%}", "epochs", "best accuracy", "seconds in all")
    return common.Table("Time to accuracy, MLP 2312-512-10, 800 recordings", headings, [row])


def main():
    parser = common.parser(__doc__, repeats=None)
    common.add_output(parser)
    parser.add_argument("library", choices=[learner.name for learner in LEARNERS])
    parser.add_argument("--data-dir", help="needed where the recordings are not yet written")
    cache = pathlib.Path("~/.cache/keras_slayer/nmnist_binned.npz").expanduser()
    parser.add_argument("--recordings", type=pathlib.Path, default=cache, help="(%(default)s)")
    parser.add_argument("--environments", type=pathlib.Path, default=".bench", help="(%(default)s)")
    parser.add_argument("--target", type=float, default=0.95, help="(%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=480, help="of training at most (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    arguments = parser.parse_args()
    if not arguments.recordings.exists():
        if not arguments.data_dir:
            parser.error(f"{arguments.recordings} is not there: give --data-dir to write it")
        write_recordings(arguments.data_dir, arguments.recordings)
    common.print_machine(arguments.threads)
    learner = next(one for one in LEARNERS if one.name == arguments.library)
    epochs = learn(learner, arguments)
    found = table(learner.name, epochs, arguments.target)
    found.print()
    name = f"accuracy_{learner.name}_seed{arguments.seed}"
    common.save(arguments.output, name, arguments.threads, [found], epochs=epochs)


if __name__ == "__main__":
    main()
