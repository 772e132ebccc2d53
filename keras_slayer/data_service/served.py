"""A data set whose elements workers of `tf.data` service make."""

from __future__ import annotations

import warnings

import tensorflow as tf

from keras_slayer.data_service import addresses

_PYTHON = ("PyFunc", "EagerPyFunc", "PyFuncStateless")
_PATIENCE_SECONDS = 5.0
_HELP = {
    "a Python function": (
        "Of a pipeline of Recordings, convert these first (keras_slayer.datasets or TFRecord "
        'files). spike_pipeline itself needs late="ignore" or late="error", as the check of '
        'late="drop" is such a function'
    ),
    "a variable": "Of a pipeline with shuffle=True and a cache, leave the cache out (cache=False)",
    "a cache": (
        "They make the data set anew in each epoch, so that a cache keeps nothing for the next: "
        "leave it out (cache=False)"
    ),
}


def served(dataset: tf.data.Dataset, service: str, *, job_name: str | None = None):
    """`dataset`, made by the workers of a `tf.data` service.

    The dispatcher hands out the elements of the source (`tf.data.Dataset.range`, `from_tensors`,
    `from_tensor_slices`, names of files) to the workers, one by one as they ask ("dynamic
    sharding"); what comes after the source runs in the workers.

    What holds of an epoch: every element comes exactly once, in no certain order, if no worker
    ends. Where one ends, at most once: the elements that it was making, or that lay finished in its
    buffers, are missing. Readers wait until there is a worker at the same address again; give
    workers fixed ports, and start them anew when they end. The next epoch is whole.

    Batches that are made in the workers are of each worker's elements, so an epoch may have several
    smaller batches; `unbatch().batch(n)` after this evens them out. Random transforms are drawn in
    each worker; with a `seed`, all workers draw the same.

    Args:
        dataset: without Python functions, variables and caches, which workers cannot have.
        service: address of the dispatcher, `"grpc://HOST:PORT"` or `"HOST:PORT"`.
        job_name: processes that read with the same name share one epoch's elements; each element
            goes to one of them. None: this process reads all of them.

    Returns:
        A `tf.data.Dataset` with the elements of `dataset`, of unknown length.

    Warns:
        UserWarning: no dispatcher answers yet; TensorFlow waits for one, without an end.

    Raises:
        ValueError: no data set, no address, or a data set that workers of other processes cannot
            make.
    """
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(f"dataset must be a tf.data.Dataset. Received: dataset={dataset!r}")
    try:
        address = addresses.without_protocol(service)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            'service must be an address, "HOST:PORT" or "grpc://HOST:PORT". '
            f"Received: service={service!r}"
        ) from error
    found = _obstacle(dataset)
    if found is not None:
        raise ValueError(
            f"Workers cannot make a data set with {found}. {_HELP[found]}. "
            f"Received: dataset={dataset!r}"
        )
    try:
        addresses.connect(address, _PATIENCE_SECONDS)
    except OSError as error:
        warnings.warn(
            f"No dispatcher answers at {address} ({error}): this waits until one does.",
            stacklevel=2,
        )
    policy = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    return dataset.apply(
        tf.data.experimental.service.distribute(policy, f"grpc://{address}", job_name=job_name)
    )


def _obstacle(dataset: tf.data.Dataset) -> str | None:
    """What in a data set belongs to this process or this epoch; None where nothing does."""
    variant = tf.data.experimental.to_variant(dataset)
    text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant)
    graph = tf.compat.v1.GraphDef.FromString(text.numpy())
    functions = (node for function in graph.library.function for node in function.node_def)
    kinds = {node.op for nodes in (graph.node, functions) for node in nodes}
    if kinds & set(_PYTHON):
        return "a Python function"
    if kinds & {"VarHandleOp", "ReadVariableOp"}:
        return "a variable"
    if any(kind.startswith("CacheDataset") for kind in kinds):
        return "a cache"
    return None
