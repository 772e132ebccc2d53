"""Which worker is the chief, and how what it knows gets to the others."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_WORD = 8  # bytes of an int64, a type that collective operations have everywhere


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files.

    It is, where there is one process; else the task `("chief", 0)` of the cluster, or `("worker",
    0)` where the cluster names no chief.
    """
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_type == "worker" and resolver.task_id == 0


def from_chief(strategy: tf.distribute.Strategy, data: bytes) -> bytes:
    """The chief's `data`, in every worker; all must call it at the same point of the program."""
    if strategy.num_replicas_in_sync == 1:
        return data
    if not is_chief(strategy):
        data = b""
    (size,) = map(int, _sum_of_first(strategy, np.array([len(data)])))
    if size == 0:
        return b""
    padded = data.ljust(-(-size // _WORD) * _WORD, b"\0")
    return _sum_of_first(strategy, np.frombuffer(padded, np.int64)).tobytes()[:size]


def _sum_of_first(strategy, words: np.ndarray) -> np.ndarray:
    """The words of the first replica: those of the others count as zeros, and all are added."""

    @tf.function
    def add(words):
        def of_replica(words):
            context = tf.distribute.get_replica_context()
            first = tf.cast(tf.equal(context.replica_id_in_sync_group, 0), words.dtype)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, words * first)

        return strategy.run(of_replica, args=(words,))

    return strategy.experimental_local_results(add(tf.constant(words, tf.int64)))[0].numpy()
