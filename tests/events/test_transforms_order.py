"""Shuffling without waiting: the first epoch reads on, later ones are permutations of the whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_slayer.events import order, spike_pipeline
from keras_slayer.events.transforms import TimeJitter

SIZE, BUFFER = 200, 16


@pytest.fixture(autouse=True)
def short_buffer(monkeypatch):
    monkeypatch.setattr(order, "FIRST_EPOCH_BUFFER", BUFFER)


def source(reads=None):
    def read(number):
        if reads is not None:
            tf.py_function(lambda: reads.append(1), [], [])
        none = tf.zeros([0], tf.int32)
        return {"x": none, "t": none}, number

    return tf.data.Dataset.range(SIZE).map(read)


def build(reads=None, **arguments):
    options = {"sensor_shape": (3,), "steps": 2, "batch_size": 5, "shuffle": True, "seed": 7}
    return spike_pipeline(source(reads), **{**options, **arguments})


def labels(pipeline):
    return np.concatenate([y for _, y in pipeline.as_numpy_iterator()]).tolist()


def test_the_first_batch_does_not_wait():
    reads = []
    iterator = iter(build(reads))
    next(iterator)
    # The buffer, and what is read in advance: prefetched batches and parallel calls.
    assert BUFFER <= len(reads) < SIZE / 2


def test_later_epochs_are_permutations_of_the_whole():
    reads = []
    pipeline = build(reads)
    assert len(pipeline) == SIZE / 5
    epochs = [labels(pipeline) for _ in range(4)]
    assert all(sorted(epoch) == list(range(SIZE)) for epoch in epochs)
    assert len(reads) == SIZE  # the cache is complete after the first
    assert len({tuple(epoch) for epoch in epochs}) == 4
    # How early a recording can come: in the first epoch, as early as the buffer reaches.
    early = [max(number - place for place, number in enumerate(epoch)) for epoch in epochs]
    assert 0 < early[0] < BUFFER and min(early[1:]) > SIZE / 2
    again = build(transforms=[TimeJitter(1.0)])
    assert epochs == [labels(again) for _ in range(4)]
    assert epochs[0] != labels(build(seed=8))


def test_an_epoch_that_was_not_finished_is_read_again():
    reads = []
    pipeline = build(reads)
    for _ in range(2):
        assert len(list(pipeline.take(3))) == 3
    first = labels(pipeline)
    assert max(number - place for place, number in enumerate(first)) < BUFFER
    assert len(reads) > SIZE
    count = len(reads)
    assert max(n - place for place, n in enumerate(labels(pipeline))) > SIZE / 2
    assert sorted(labels(pipeline)) == sorted(first) == list(range(SIZE)) and len(reads) == count


def test_iterators_side_by_side():
    pipeline = build()
    first, second = iter(pipeline), iter(pipeline)
    found = ([], [])
    for (_, a), (_, b) in zip(first, second, strict=True):
        found[0].extend(a.numpy())
        found[1].extend(b.numpy())
    assert sorted(found[0]) == sorted(found[1]) == list(range(SIZE))
    # One that began before the cache was complete ends as it began.
    pipeline = build()
    slow = iter(pipeline)
    begun = next(slow)[1].numpy().tolist()
    assert sorted(labels(pipeline)) == list(range(SIZE))
    rest = [number for _, batch in slow for number in batch.numpy()]
    assert sorted(begun + rest) == list(range(SIZE))


def test_fit_reads_the_source_once():
    reads, seen = [], []

    def keep(numbers):
        seen.extend(numbers.tolist())
        return numbers

    pipeline = build(reads).map(lambda x, y: (x, tf.numpy_function(keep, [y], tf.int64)))
    pipeline = pipeline.map(lambda x, y: (x, tf.ensure_shape(y, [None])))
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(SIZE)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.fit(pipeline, epochs=3, shuffle=False, verbose=0)
    assert len(reads) == SIZE
    last = seen[-SIZE:]
    assert sorted(last) == list(range(SIZE))
    assert max(number - place for place, number in enumerate(last)) > SIZE / 2


def test_small_data_sets_and_those_without_a_cache_fill_their_buffer():
    for options in ({"cache": False}, {"shuffle": SIZE}):
        epoch = labels(build(**options))
        assert max(number - place for place, number in enumerate(epoch)) > SIZE / 2


def test_as_many_as_the_buffer_are_shuffled_at_once(monkeypatch):
    monkeypatch.setattr(order, "FIRST_EPOCH_BUFFER", SIZE)
    epoch = labels(build())
    assert max(number - place for place, number in enumerate(epoch)) > SIZE / 2
