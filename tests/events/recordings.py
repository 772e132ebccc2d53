"""Small recordings, alone and in batches, for the tests of event times."""

import numpy as np
import tensorflow as tf

from keras_slayer.events import Events

SHAPE = (4, 5, 2)
STEPS = 10
SINCE_1970 = 1_700_000_000_000_000  # us


def recording(count=40, seed=0, start=0, scale=1):
    """Events over all of the frame, whose first is 300 us past `start`."""
    rng = np.random.default_rng(seed)
    t = np.sort(np.append(rng.integers(300, 1000 * STEPS, count - 1), 300))
    return Events(
        x=rng.integers(0, 5, count),
        y=rng.integers(0, 4, count),
        t=start + scale * t,
        polarity=rng.integers(0, 2, count),
    )


def moved(events, by):
    return Events(events.x, events.y, events.t + by, events.polarity)


def tensors(events, time=tf.int64):
    fields = {name: tf.constant(value) for name, value in events.to_dict().items()}
    return {**fields, "t": tf.cast(fields["t"], time)}


def padded(recordings, ragged=False):
    """A batch: padded at the front of each second recording, and at the end of the others."""
    size = max(map(len, recordings)) + 1
    fields = {}
    for name in ("x", "y", "t", "polarity"):
        rows = []
        for i, events in enumerate(recordings):
            fill = np.full(size - len(events), -7 if name == "t" else 0)
            parts = [fill, getattr(events, name)] if i % 2 else [getattr(events, name), fill]
            rows.append(np.concatenate(parts))
        fields[name] = tf.constant(np.stack(rows))
    if ragged:
        values = [tensors(events) for events in recordings]
        return {name: tf.ragged.stack([v[name] for v in values]) for name in fields}
    return fields


def dataset_of(recordings, labels=None):
    labels = np.arange(len(recordings)) if labels is None else labels

    def generate():
        for events, label in zip(recordings, labels, strict=True):
            yield events.to_dict(), label

    types = {"x": tf.uint16, "y": tf.uint16, "t": tf.int64, "polarity": tf.uint8}
    spec = {name: tf.TensorSpec([None], dtype) for name, dtype in types.items()}
    label = tf.TensorSpec(np.shape(labels)[1:], tf.as_dtype(np.asarray(labels).dtype))
    return tf.data.Dataset.from_generator(generate, output_signature=(spec, label))


def spikes_of(pipeline):
    return np.concatenate([spikes for spikes, _ in pipeline.as_numpy_iterator()])
