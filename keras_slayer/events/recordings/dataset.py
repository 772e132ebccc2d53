"""Recordings as a `tf.data.Dataset`."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_slayer.events.stream import DTYPES, FIELDS, Events

_NOTHING = Events(x=[], t=[])


def make_dataset(
    read: Callable, size: int, *, shuffle: bool, seed: int | None, at_end: Callable | None
) -> tf.data.Dataset:
    """Pairs `(events, label)`, read by several threads, as many as there are cores.

    Args:
        read: of the number of an item gives `(Events, label)`, or None to leave it out.
        size: the number of items.
        shuffle: whether items are read in a new order in each epoch.
        seed: of that order.
        at_end: called at the end of each epoch. The length of the data set is then not known,
            because items may be left out; None where none is.

    Returns:
        Events are a dict of vectors `x`, `y` (uint16), `t` (int64, microseconds) and `polarity`
        (uint8), labels int64.
    """
    dtypes = [tf.as_dtype(DTYPES[name]) for name in FIELDS]

    def load(index):
        item = read(int(index))
        events, label = (_NOTHING, 0) if item is None else item
        fields = [np.ascontiguousarray(getattr(events, name)) for name in FIELDS]
        return *fields, np.int64(label), np.bool_(item is not None)

    def element(index):
        *fields, label, there = tf.numpy_function(load, [index], [*dtypes, tf.int64, tf.bool])
        fields = [tf.ensure_shape(field, [None]) for field in fields]
        events = dict(zip(FIELDS, fields, strict=True))
        return events, tf.ensure_shape(label, []), tf.ensure_shape(there, [])

    def without_mark(dataset):
        return dataset.map(lambda events, label, _: (events, label))

    order = tf.data.Dataset.range(size)
    if shuffle:
        # Of numbers, not of recordings: the first item is there at once.
        order = order.shuffle(size, seed=seed, reshuffle_each_iteration=True)
    dataset = order.map(element, num_parallel_calls=tf.data.AUTOTUNE)
    if at_end is None:
        return without_mark(dataset)

    def ended(*_):
        at_end()
        return np.False_

    # An element after the last one, which is never given but calls `at_end`.
    empty = {name: tf.zeros([0], dtype) for name, dtype in zip(FIELDS, dtypes, strict=True)}
    last = tf.data.Dataset.from_tensors((empty, np.int64(0), np.False_))
    last = last.filter(lambda *_: tf.ensure_shape(tf.numpy_function(ended, [], tf.bool), []))
    dataset = dataset.filter(lambda events, label, there: there).concatenate(last)
    return without_mark(dataset)
