"""Batches per second of `spike_pipeline` at the size of N-MNIST, with nobody training on them,
beside the training steps of W1 (2312-512-10) that they are for.

    python benchmarks/data_path.py                        # simulated events (saccade_mnist/small)
    python benchmarks/data_path.py --data-dir FOLDER      # N-MNIST: Train.zip and Test.zip

One repeat is a whole epoch. Processor time, of all threads, is the least of all epochs: on a
machine that does other work besides it says more than the time on the clock.
"""

import time

import common
import numpy as np
import tensorflow as tf
import training_step

from keras_slayer.events import spike_pipeline, transforms

SENSOR = (34, 34, 2)
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


def main():
    parser = common.parser(__doc__, repeats=5)
    parser.add_argument("--data-dir", help="folder with N-MNIST's Train.zip and Test.zip")
    parser.add_argument("--batch", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="time steps of 1 ms (%(default)s)")
    arguments = parser.parse_args()
    common.set_threads(arguments.threads)
    common.print_machine(arguments.threads)

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
