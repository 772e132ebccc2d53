"""Data that a user hands over, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import tensorflow as tf


def batches(data, samples: int | None, batch_size: int) -> Iterator[tuple[object, int]]:
    """Inputs of a model and how many samples they hold, batch by batch, ``samples`` at most.

    Args:
        data: an array (samples, time, ...), or a list or dict of them for a model of several
            inputs; a tuple (inputs, labels); or a ``tf.data.Dataset`` of batches of either.
        samples: of which no more are read; None for all.
        batch_size: samples at a time, of arrays.

    Raises:
        ValueError: none of these, no samples, or a data set without end and no limit.
    """
    taken = 0
    for x in _raw(data, samples, batch_size):
        size = _size(x)
        if samples is not None and taken + size > samples:
            size = samples - taken
            x = _rows(x, 0, size)
        if size:
            taken += size
            yield x, size
        if taken == samples:
            break
    if not taken:
        raise ValueError("data must hold at least one sample. Received: none")


def _raw(data, samples: int | None, batch_size: int) -> Iterator:
    if isinstance(data, tf.data.Dataset):
        if samples is None and data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                "data repeats without end: say how many samples to run. Received: samples=None"
            )
        for element in data:
            yield keras.utils.unpack_x_y_sample_weight(element)[0]
        return
    if isinstance(data, tuple) and 1 <= len(data) <= 3:
        data = data[0]
    if not _are_arrays(data):
        raise ValueError(
            "data must be an array (samples, time, ...), a list or dict of arrays, one for each "
            "input, a tuple (inputs, labels), or a tf.data.Dataset of batches. "
            f"Received: {type(data).__name__}"
        )
    for start in range(0, _size(data), batch_size):
        yield _rows(data, start, start + batch_size)


def _are_arrays(data) -> bool:
    parts = keras.tree.flatten(data)
    return bool(parts) and all(len(getattr(part, "shape", ())) > 0 for part in parts)


def _size(x) -> int:
    sizes = {int(part.shape[0]) for part in keras.tree.flatten(x)}
    if len(sizes) > 1:
        raise ValueError(f"all inputs must hold as many samples. Received: {sorted(sizes)} samples")
    return sizes.pop()


def _rows(x, start: int, stop: int):
    return keras.tree.map_structure(lambda part: part[start:stop], x)
