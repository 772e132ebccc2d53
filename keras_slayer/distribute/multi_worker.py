"""`model.fit` under `tf.distribute.MultiWorkerMirroredStrategy`, which Keras 3 lacks."""

from __future__ import annotations

import functools
import warnings

import keras
import tensorflow as tf

from keras_slayer.distribute.weighing import weigh_samples

NEWEST_TRIED = (3, 15)
"""The newest Keras that this was tried with; its own `fit` on several machines fails."""


def enable_multi_worker() -> bool:
    """Lets `fit`, `evaluate` and `predict` run under `tf.distribute.MultiWorkerMirroredStrategy`.

    Keras 3 calls `strategy.reduce` in two ways that TensorFlow refuses where there are several
    machines (keras issue 20585):

    - of a whole batch `(x, y)`, to learn its shapes: "Attempt to convert a value (PerReplica...)
      with an unsupported type (...) to a Tensor";
    - of scalars, the metrics, with `axis=0`, which scalars lack.

    This sets `tf.distribute.MultiWorkerMirroredStrategy.reduce`, for this process, to a method that
    answers these two: the first with the worker's own part of the batch, of which Keras reads
    shapes and dtypes alone, the second with the mean over all replicas. All other calls are
    TensorFlow's, as before. `experimental_distribute_dataset`, which `fit` calls, refuses a
    `spike_pipeline` with a `shard`, whose batches it would divide once more. `weigh_samples` is
    called too, so that a batch that replicas cannot share equally gives the step that one machine
    would make. Call it once, in every worker, before `fit`.

    Returns:
        Whether `reduce` was needed and set: False, with a warning, for a Keras newer than those
        that were tried. Such a Keras may have mended it; where it has not, `fit` fails as above.

    Example:

    >>> strategy = tf.distribute.MultiWorkerMirroredStrategy()
    >>> keras_slayer.distribute.enable_multi_worker()
    >>> with strategy.scope():
    ...     model = make_model()
    ...     model.compile(keras_slayer.ScaledAdam(), keras_slayer.SpikeMaxLoss())
    >>> model.fit(data, epochs=10)
    """
    weigh_samples()
    if _version() > NEWEST_TRIED:
        warnings.warn(
            f"Keras {keras.version()} is newer than any that needs this (to "
            f"{'.'.join(map(str, NEWEST_TRIED))}): fit is left as it is. If it fails under "
            "MultiWorkerMirroredStrategy, use the loop of docs/scale.md, or an older Keras.",
            stacklevel=2,
        )
        return False
    strategy = tf.distribute.MultiWorkerMirroredStrategy
    if not getattr(strategy.reduce, "answers_keras", False):
        strategy.reduce = _answering(strategy.reduce)
        distribute = strategy.experimental_distribute_dataset
        strategy.experimental_distribute_dataset = _refusing_shards(distribute)
    return True


def _version() -> tuple[int, int]:
    major, minor = keras.version().split(".")[:2]
    return int(major), int(minor)


def _answering(original):
    @tf.autograph.experimental.do_not_convert
    @functools.wraps(original)
    def reduce(self, reduce_op, value, axis):
        if axis is None and isinstance(value, tuple | list | dict):
            return tf.nest.map_structure(lambda v: self.experimental_local_results(v)[0], value)
        if axis == 0 and _is_scalar(self.experimental_local_results(value)[0]):
            axis = None
        return original(self, reduce_op, value, axis)

    reduce.answers_keras = True
    return reduce


def _refusing_shards(original):
    @functools.wraps(original)
    def experimental_distribute_dataset(self, dataset, options=None):
        if getattr(dataset, "sharded", False):
            raise ValueError(
                "A spike_pipeline with a `shard` is for strategy.distribute_datasets_from_function("
                "lambda context: ...), which leaves its batches as they are: give fit what that "
                f"returns (docs/scale.md). Received: {dataset!r}"
            )
        return original(self, dataset, options)

    return experimental_distribute_dataset


def _is_scalar(value) -> bool:
    return tf.is_tensor(value) and value.shape.rank == 0
