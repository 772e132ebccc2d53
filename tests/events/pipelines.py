"""A data set of small recordings, and what a pipeline makes of it."""

import numpy as np
import tensorflow as tf

from keras_slayer.events import spike_pipeline, to_spikes

SHAPE = (5, 6, 2)
STEPS = 8


def dataset_of(size=10, seed=0):
    """A data set of recordings of different lengths, as tfds gives them."""
    rng = np.random.default_rng(seed)
    recordings = []
    for _ in range(size):
        count = rng.integers(0, 60)
        recordings.append(
            {
                "x": rng.integers(0, 6, count).astype(np.uint8),
                "y": rng.integers(0, 5, count).astype(np.uint8),
                "t": np.sort(rng.integers(0, 9_000, count)).astype(np.int32),
                "polarity": rng.integers(0, 2, count).astype(bool),
            }
        )

    def generate():
        yield from ((events, label) for label, events in enumerate(recordings))

    spec = {
        "x": tf.TensorSpec((None,), tf.uint8),
        "y": tf.TensorSpec((None,), tf.uint8),
        "t": tf.TensorSpec((None,), tf.int32),
        "polarity": tf.TensorSpec((None,), tf.bool),
    }
    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=(spec, tf.TensorSpec((), tf.int64))
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(size)), recordings


def dense(recordings):
    return np.stack([to_spikes(events, SHAPE, STEPS) for events in recordings])


def build(dataset, **arguments):
    return spike_pipeline(
        dataset, **{"sensor_shape": SHAPE, "steps": STEPS, "batch_size": 4, **arguments}
    )


def collect(pipeline):
    batches = list(pipeline.as_numpy_iterator())
    return np.concatenate([s for s, _ in batches]), np.concatenate([y for _, y in batches])
