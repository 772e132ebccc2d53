"""Memory and time of a training step on long recordings, whole and in chunks of time.

    python benchmarks/long_training.py
    python benchmarks/long_training.py --steps 300

100-1000-1000-10, SRM, 4 recordings of 3,000 steps as bytes. "one by one": batches of one recording,
whose gradients the optimiser adds up (`gradient_accumulation_steps`). "recomputed": a
`tf.recompute_grad` for each recording. Both give the gradients of plain training.
"""

import common
import keras
import numpy as np
import tensorflow as tf

import keras_slayer as ks

BATCH, INPUTS, UNITS, CLASSES = 4, 100, 1000, 10
CHUNK = 100  # steps


class Recomputed(keras.Model):
    """A model on one recording after the other, each computed again for its gradients."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.supports_jit = False
        self.built = True

    def call(self, inputs, training=None):
        run = tf.recompute_grad(lambda x: self.model(x, training=training))
        return tf.concat([run(inputs[i : i + 1]) for i in range(BATCH)], axis=0)


WAYS = {
    "plain": lambda model: model,
    "one by one": lambda model: model,
    "recomputed": Recomputed,
    f"TruncatedTime({CHUNK})": lambda model: ks.TruncatedTime(model, CHUNK),
    "the same, an update per chunk": lambda model: ks.TruncatedTime(model, CHUNK, "chunk"),
    "the same, exact gradients": lambda model: ks.TruncatedTime(model, CHUNK, truncate=False),
}


def prepare(way, steps):
    keras.utils.set_random_seed(1)
    layers = [ks.SpikingDense(UNITS), ks.SpikingDense(UNITS), ks.SpikingDense(CLASSES)]
    model = keras.Sequential([keras.Input((None, INPUTS), dtype="uint8"), *layers])
    random = np.random.default_rng(0)
    x = tf.constant(random.random((BATCH, steps, INPUTS)) < 0.05, tf.uint8)
    labels = tf.constant(random.integers(0, CLASSES, BATCH))
    ks.set_firing_rates(model, x[:, :200], rate=0.02)
    single = way == "one by one"
    trained = WAYS[way](model)
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=BATCH if single else None)
    trained.compile(optimizer, ks.SpikeMaxLoss())

    def step():
        for i in range(0, BATCH, 1 if single else BATCH):
            batch = slice(i, i + 1 if single else BATCH)
            trained.train_on_batch(x[batch], labels[batch])

    return common.Work(step)


def main():
    parser = common.parser(__doc__, repeats=10)
    parser.add_argument("--steps", type=int, default=3000, help="of a recording (%(default)s)")
    arguments = parser.parse_args()
    common.print_machine(arguments.threads)
    candidates = [
        common.Candidate(way, prepare, {"way": way, "steps": arguments.steps}) for way in WAYS
    ]
    results = common.measure(
        candidates, repeats=arguments.repeats, threads=arguments.threads, separate=True
    )
    # The step itself, beside TensorFlow, the recordings and the weights of the quietest way.
    least = min(result.peak_bytes for result in results)
    columns = {
        "peak MB": lambda result: common.megabytes(result.peak_bytes),
        "above the least": lambda result: common.megabytes(result.peak_bytes - least),
    }
    common.print_results(f"{arguments.steps} steps", results, columns)


if __name__ == "__main__":
    main()
