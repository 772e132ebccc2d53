"""Recordings for the tests of transforms, each event with a time of its own to know it by."""

import dataclasses
import itertools

import numpy as np
import tensorflow as tf

from keras_slayer.events import Events, spike_pipeline, to_spikes, transforms

SHAPE = (9, 12, 2)
DETERMINISTIC = [
    transforms.Crop((5, 6), top=2, left=3),
    transforms.CenterCrop((5, 6)),
    transforms.CenterCrop((11, 15)),
    transforms.Downsample(2),
    transforms.Downsample(size=(4, 5), time_step=700, merge=True),
    transforms.Flip("horizontal", 1.0),
    transforms.Flip("vertical", 1.0),
    transforms.FlipPolarity(1.0),
    transforms.MergePolarities(),
    transforms.Rotate((30, 30)),
    transforms.Zoom((0.7, 0.7)),
    transforms.Affine((20, 20), (0.9, 0.9), (1.2, 1.2), (0.3, 0.3)),
    transforms.TimeCrop(3000, start=1000),
    transforms.TimeScale((1.3, 1.3)),
    transforms.Denoise(300),
    transforms.RefractoryPeriod(900),
    transforms.HotPixelFilter(400.0),
]
RANDOM = [
    transforms.RandomCrop((5, 6), padding=1),
    transforms.Flip(),
    transforms.FlipPolarity(),
    transforms.FlipPolarity(per="event"),
    transforms.Rotate(20),
    transforms.Shift(2),
    transforms.Zoom(0.3),
    transforms.Affine(20, 0.1, 0.2, 0.3),
    transforms.RandomTimeCrop(3000),
    transforms.TimeScale((0.5, 1.5)),
    transforms.TimeJitter(100.0),
    transforms.SpaceJitter(1.0),
    transforms.DropEvents((0.1, 0.9)),
    transforms.DropEventsByArea((0.3, 0.7)),
    transforms.DropEventsByTime((0.3, 0.7)),
    transforms.UniformNoise(100.0),
    transforms.RandomApply(transforms.Flip("horizontal", 1.0)),
    transforms.Sequential([transforms.Shift(2), transforms.TimeJitter(100.0)]),
]


def recording(count=200, seed=0, start=0):
    """Events over all of the sensor within 10 ms, at times that are all different."""
    rng = np.random.default_rng(seed)
    return Events(
        x=rng.integers(0, SHAPE[1], count),
        y=rng.integers(0, SHAPE[0], count),
        t=start + np.sort(rng.choice(10_000, count, replace=False)),
        polarity=rng.integers(0, 2, count),
    )


def crowded(count=300, seed=0):
    """Few pixels and few times: simultaneous events, and many of one pixel; not in order."""
    rng = np.random.default_rng(seed)
    places = [rng.integers(0, limit, count) for limit in (4, 3, 40, 2)]
    return Events(places[0], places[1], places[2] * 10, places[3])


def rows(events) -> list[tuple]:
    """(x, y, t, polarity) of each event, for `Events` and for mappings of tensors."""
    fields = events.to_dict() if isinstance(events, Events) else events
    columns = [
        np.asarray(fields[name]).astype(int).tolist() for name in ("x", "y", "t", "polarity")
    ]
    return list(zip(*columns, strict=True))


def ragged(recordings, dtypes=(tf.uint8, tf.uint8, tf.int32, tf.bool)):
    fields = {}
    for name, dtype in zip(("x", "y", "t", "polarity"), dtypes, strict=True):
        values = np.concatenate([getattr(events, name) for events in recordings])
        lengths = [len(events) for events in recordings]
        values = tf.cast(tf.constant(values.astype(np.int64)), dtype)
        fields[name] = tf.RaggedTensor.from_row_lengths(values, lengths)
    return fields


def each(fields) -> list[list[tuple]]:
    """`rows` of every recording of a batch. (Taking a row of a RaggedTensor is slow.)"""
    events = rows({name: value.values for name, value in fields.items()})
    ends = fields["x"].row_splits.numpy().tolist()
    return [events[begin:end] for begin, end in itertools.pairwise(ends)]


def copies(count=64, events=None):
    """One recording many times: what differs afterwards was drawn by row."""
    return ragged([recording() if events is None else events] * count)


def dataset_of(recordings, labels=None):
    labels = np.arange(len(recordings)) if labels is None else labels
    types = {"x": tf.uint16, "y": tf.uint16, "t": tf.int64, "polarity": tf.uint8}
    spec = {name: tf.TensorSpec([None], dtype) for name, dtype in types.items()}
    label = tf.TensorSpec(np.shape(labels)[1:], tf.as_dtype(np.asarray(labels).dtype))
    dataset = tf.data.Dataset.from_generator(
        lambda: ((e.to_dict(), value) for e, value in zip(recordings, labels, strict=True)),
        output_signature=(spec, label),
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(len(recordings)))


STEPS = 10
RECORDINGS = [recording(200, 0), recording(0), recording(1), recording(90, 1), recording(150, 2)]


def build(recordings=RECORDINGS, **arguments):
    dataset = arguments.pop("dataset", None)
    dataset = dataset_of(recordings) if dataset is None else dataset
    return spike_pipeline(dataset, **{"steps": STEPS, "batch_size": 2, **arguments})


def collect(pipeline):
    batches = list(pipeline.as_numpy_iterator())
    return np.concatenate([s for s, _ in batches]), np.concatenate([y for _, y in batches])


def dense(recordings, shape=SHAPE, **arguments):
    return np.stack([to_spikes(e, shape, STEPS, late="ignore", **arguments) for e in recordings])


@dataclasses.dataclass
class Recordings:
    """What a pipeline asks of an object: a stand-in for classes that read files."""

    sensor_shape: tuple = SHAPE
    class_names: tuple = ("a", "b", "c", "d", "e")
    opened: list = dataclasses.field(default_factory=list)
    readable: int | None = None  # where some are not: their number is found while reading

    def __len__(self):
        return len(RECORDINGS)

    def as_dataset(self, *, shuffle, seed):
        self.opened.append((shuffle, seed))
        dataset = dataset_of(RECORDINGS)
        if self.readable is not None:
            dataset = dataset.filter(lambda events, label: label < self.readable)
        return dataset.shuffle(5, seed=seed) if shuffle else dataset
