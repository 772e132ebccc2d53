"""Batches per second of `spike_pipeline` at the size of N-MNIST, with nobody training on them,
beside the training steps of W1 (2312-512-10) that they are for.

    python benchmarks/data_path.py                        # simulated events (saccade_mnist/small)
    python benchmarks/data_path.py --data-dir FOLDER      # N-MNIST: Train.zip and Test.zip
    python benchmarks/data_path.py --first-batch          # until the first batch of 60,000

One repeat is a whole epoch. Processor time, of all threads, is the least of all epochs: on a
machine that does other work besides it says more than the time on the clock.

With --first-batch, a repeat is a new pipeline over as many recordings as N-MNIST has, made up and
with a tenth of the events (--events): its first batch, the rest of that epoch, and the first batch
of the next, which comes from memory. Once through archives in the format of N-MNIST and tfds, once
from arrays.
"""

import pathlib
import tempfile
import time
import zipfile

import common
import numpy as np
import tensorflow as tf
import training_step

from keras_slayer.events import Events, encode_nmnist, from_arrays, spike_pipeline, transforms

SENSOR = (34, 34, 2)
MILLISECONDS = 300  # of the recordings of --first-batch, in however many steps
AUGMENTED = (
    transforms.Shift(2),
    transforms.Rotate(10),
    transforms.TimeJitter(1000.0),
    transforms.DropEvents((0.0, 0.3)),
    transforms.UniformNoise(1.0),
)
FILTERED = (transforms.RefractoryPeriod(1000), transforms.Denoise(5000))


def load(data_dir):
    """Name and training set of (events, label)."""
    import tensorflow_datasets as tfds

    from keras_slayer import datasets

    tfds.disable_progress_bar()
    if data_dir:
        return "N-MNIST", datasets.load_nmnist(data_dir, split="train")
    return "saccade_mnist/small", datasets.load_saccade_mnist(split="train", config="small")


class Epoch:
    """Runs epochs of `batches`, and keeps the least processor time of a batch, in ms."""

    def __init__(self, run, batches):
        self.run, self.batches, self.milliseconds = run, batches, float("inf")

    def __call__(self):
        start = time.process_time()
        self.run()
        self.milliseconds = min(
            self.milliseconds, 1e3 * (time.process_time() - start) / self.batches
        )


def prepare(events, batch, steps, **options):
    pipeline = spike_pipeline(
        events, sensor_shape=SENSOR, steps=steps, batch_size=batch, seed=1, **options
    )

    def run():
        for _ in pipeline:
            pass

    epoch = Epoch(run, -(-int(events.cardinality()) // batch))

    def facts():
        batches = (tf.cast(spikes, tf.float32) for spikes, _ in pipeline.take(8))
        density = np.mean([float(tf.reduce_mean(spikes)) for spikes in batches])
        density = common.check_rate("the input", density)
        return {"density": density, "processor": epoch.milliseconds}

    return common.Work(epoch, facts)


def prepare_training(batches, batch, steps):
    """As many steps of W1 as the pipeline gives batches, all on the same one."""
    w1 = training_step.WORKLOADS["w1"]
    model, x, y = training_step.build(w1, (batch, steps), w1.density, "srm", "exponential")

    def run():
        for _ in range(batches):
            model.train_on_batch(x, y)

    epoch = Epoch(run, batches)
    return common.Work(epoch, lambda: {"density": w1.density, "processor": epoch.milliseconds})


def recordings(count: int, size: int):
    """Yields so many recordings, with `size` events each."""
    random = np.random.default_rng(0)
    for _ in range(count):
        x, y = random.integers(0, 34, (2, size))
        t = np.sort(random.integers(0, 1000 * MILLISECONDS, size))
        yield Events(x=x, y=y, t=t, polarity=random.integers(0, 2, size))


def write_archives(folder: pathlib.Path, count: int, size: int) -> None:
    """Train.zip of so many recordings, as N-MNIST has it, and Test.zip of ten others."""
    for name, part in (("Train", count), ("Test", 10)):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for number, events in enumerate(recordings(part, size)):
                path = f"{name}/{number % 10}/{number:05d}.bin"
                archive.writestr(path, encode_nmnist(events))


def open_archives(folder: pathlib.Path, count: int, size: int):
    """The training set through tfds; says how long it takes to write and to prepare it."""
    import tensorflow_datasets as tfds

    from keras_slayer import datasets

    tfds.disable_progress_bar()
    start = time.perf_counter()
    write_archives(folder, count, size)
    written = time.perf_counter()
    train = datasets.load_nmnist(folder, split="train", data_dir=folder / "prepared")
    megabytes = common.megabytes((folder / "Train.zip").stat().st_size)
    print(
        f"Train.zip of {count:,} recordings, {size} events each, {megabytes} MB: written in "
        f"{written - start:.1f} s, prepared (once) in {time.perf_counter() - written:.1f} s"
    )
    return train


def time_first_batches(dataset, shuffle: bool, arguments) -> dict[str, float]:
    """A row of the table, of one new pipeline: seconds from its making to its first batch and to
    the end of the epoch, seconds to the first batch of the next one, and milliseconds of each
    batch after these two."""
    start = time.perf_counter()
    pipeline = spike_pipeline(
        dataset,
        sensor_shape=SENSOR,
        steps=arguments.steps,
        dt=MILLISECONDS / arguments.steps,
        batch_size=arguments.batch,
        shuffle=shuffle,
        seed=1,
    )
    batches = iter(pipeline)
    next(batches)
    first = time.perf_counter()
    count = sum(1 for _ in batches)
    epoch = time.perf_counter()
    batches = iter(pipeline)
    next(batches)
    second = time.perf_counter()
    some = sum(1 for _, _ in zip(range(100), batches, strict=False))
    return {
        "first, s": first - start,
        "later, ms": 1e3 * (epoch - first) / count,
        "epoch, s": epoch - start,
        "2nd epoch, s": second - epoch,
        "its later, ms": 1e3 * (time.perf_counter() - second) / some,
    }


def first_batches(arguments) -> None:
    """Prints the table of --first-batch: the least of all repeats, which take turns."""
    sources = {}
    with tempfile.TemporaryDirectory() as folder:
        size = (arguments.recordings, arguments.events)
        sources["tfds"] = open_archives(pathlib.Path(folder), *size)
        labels = [number % 10 for number in range(arguments.recordings)]
        sources["arrays"] = from_arrays(list(recordings(*size)), labels, sensor_shape=SENSOR[:2])
        ways = [(name, shuffle) for name in sources for shuffle in (True, False)]
        runs = {way: [] for way in ways}
        for _ in range(arguments.repeats):
            for name, shuffle in ways:
                runs[name, shuffle].append(time_first_batches(sources[name], shuffle, arguments))
    rows = [
        (
            f"{name}, {'shuffled' if shuffle else 'in order'}",
            *(f"{min(run[heading] for run in times):.2f}" for heading in times[0]),
        )
        for (name, shuffle), times in runs.items()
    ]
    title = (
        f"{arguments.recordings:,} recordings of {arguments.events} events, batches of "
        f"{arguments.batch}, T = {arguments.steps}; least of {arguments.repeats}"
    )
    common.Table(title, ("", *runs[ways[0]][0]), rows).print()
    print(f"peak memory of the process: {common.megabytes(common.peak_bytes())} MB")


def main():
    parser = common.parser(__doc__, repeats=5)
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--batch", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="time steps (%(default)s)")
    parser.add_argument("--first-batch", action="store_true", help="see above")
    parser.add_argument(
        "--recordings", type=int, default=60_000, help="of --first-batch (%(default)s)"
    )
    parser.add_argument("--events", type=int, default=400, help="in each of them (%(default)s)")
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)
    if arguments.first_batch:
        first_batches(arguments)
        return

    start = time.perf_counter()
    name, events = load(arguments.data_dir)
    print(f"{name}: opened (prepared the first time) in {time.perf_counter() - start:.1f} s")
    batches = -(-int(events.cardinality()) // arguments.batch)
    options = {"events": events, "batch": arguments.batch, "steps": arguments.steps}
    candidates = {
        "cached, shuffled, shifted": {"shuffle": True, "shift": 2},
        "the same in bytes (uint8)": {"shuffle": True, "shift": 2, "dtype": "uint8"},
        "augmented (5 transforms)": {"shuffle": True, "transforms": AUGMENTED},
        "refractory period, denoise": {"shuffle": True, "transforms": FILTERED},
        "counts of events": {"shuffle": True, "values": "count"},
        "time surface": {"shuffle": True, "values": "surface"},
        "cached": {},
        "not cached (the first epoch)": {"cache": False},
    }
    training = {"batches": batches, "batch": arguments.batch, "steps": arguments.steps}
    results = common.measure(
        [
            common.Candidate("training steps of W1, for comparison", prepare_training, training),
            *(
                common.Candidate(label, prepare, {**options, **extra})
                for label, extra in candidates.items()
            ),
        ],
        repeats=arguments.repeats,
        threads=arguments.threads,
        separate=False,
        warmup=1,
    )
    common.print_results(
        f"{name}, epochs of {batches} batches of {arguments.batch}, T = {arguments.steps}",
        results,
        {
            "ms/batch": lambda r: f"{1e3 * r.median / batches:.2f}",
            "CPU ms/batch": lambda r: f"{r.facts['processor']:.2f}",
            "CPU ratio": lambda r: f"{r.facts['processor'] / results[0].facts['processor']:.2f}",
            "batches/s": lambda r: f"{batches / r.median:.0f}",
            "density": lambda r: f"{r.facts['density']:.4f}",
        },
    )
    print(f"peak memory of the process: {common.megabytes(common.peak_bytes())} MB")


if __name__ == "__main__":
    main()
