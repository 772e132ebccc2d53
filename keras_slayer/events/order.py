"""The order of recordings: shuffled, without the first batch waiting for the last recording."""

import tensorflow as tf

FIRST_EPOCH_BUFFER = 1024
"""Recordings that the first epoch is shuffled over where there are more."""


def shuffle_cached(dataset: tf.data.Dataset, size: int, seed, *, shuffled: bool) -> tf.data.Dataset:
    """Shuffles a data set whose elements are in memory once it has been read to its end.

    A buffer of the whole data set has to be filled before it gives its first element. So until
    the cache is complete, elements come through a short buffer, or as they are read; and from a
    buffer of all of them afterwards.

    Args:
        dataset: ends in a cache.
        size: its elements, or more.
        seed: as for `tf.data.Dataset.shuffle`.
        shuffled: whether the source is read in random order.
    """
    whole = dataset.shuffle(max(size, 1), seed=seed)
    if size <= (1 if shuffled else FIRST_EPOCH_BUFFER):
        return whole
    with tf.device("CPU:0"):
        complete = tf.Variable(False, trainable=False, name="cache_is_complete")

    def mark_complete(_):
        complete.assign(True)
        return dataset.take(0)

    # flat_map calls its function once per iteration: here when the one before has ended, ...
    mark = tf.data.Dataset.range(1).flat_map(mark_complete)
    reading = dataset if shuffled else dataset.shuffle(FIRST_EPOCH_BUFFER, seed=seed)
    # ... and here at the beginning. All elements of an epoch come from the same choice.
    choice = tf.data.Dataset.range(1).flat_map(
        lambda _: tf.data.Dataset.from_tensors(tf.cast(complete, tf.int64)).repeat()
    )
    chosen = tf.data.Dataset.choose_from_datasets([reading.concatenate(mark), whole], choice)
    length = int(dataset.cardinality())
    if length < 0:
        return chosen
    return chosen.apply(tf.data.experimental.assert_cardinality(length))
