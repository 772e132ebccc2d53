"""Recorded spikes that a user hands over, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from keras_slayer.export.simulation.signals import described

Recordings = ArrayLike | tuple[ArrayLike, ArrayLike] | tf.data.Dataset
"""Spikes (samples, time, ...), a pair (spikes, labels), or a dataset of batches of either. For a
model with several inputs, spikes are a list in their order, or a dict by their names."""

BATCH = 16


def batches(
    data: Recordings, shapes: dict[str, tuple[int, ...]]
) -> Iterator[tuple[list[np.ndarray], np.ndarray | None]]:
    """(spikes of each input, labels or None) of each batch in ``data``.

    Args:
        data: spikes (samples, time, *shape); a pair (spikes, labels), labels integers (samples,)
            or one-hot (samples, classes); or a ``tf.data.Dataset`` of batches of either.
        shapes: of the model's inputs by name, without batch and time.

    Raises:
        ValueError: none of these, no samples, or values that are no finite numbers.
    """
    empty = True
    for x, y in _raw(data, list(shapes)):
        inputs = [np.asarray(part) for part in x]
        for part, (name, shape) in zip(inputs, shapes.items(), strict=True):
            of = "" if len(shapes) == 1 else f" for {name!r}"
            if part.ndim < 3 or part.shape[2:] != tuple(shape):
                raise ValueError(
                    f"calibration must hold spikes of shape (samples, time, "
                    f"{', '.join(map(str, shape))}){of}. Received: spikes of shape {part.shape}"
                )
            if not part.shape[1]:
                raise ValueError(
                    "calibration must hold spikes of at least one step. "
                    f"Received: spikes of shape {part.shape}"
                )
            _check_finite(part, "spikes")
            if part.shape[:2] != inputs[0].shape[:2]:
                raise ValueError(
                    "calibration must hold as many samples and steps for each input. Received: "
                    f"spikes of the shapes {', '.join(str(other.shape) for other in inputs)}"
                )
        size = len(inputs[0])
        if y is not None:
            y = np.asarray(y)
            _check_finite(y, "labels")
            y = np.argmax(y, axis=-1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y), -1)
            if y.size != size:
                raise ValueError(
                    "calibration must hold one label, or one row of classes, per sample. "
                    f"Received: {size} samples, labels of shape {y.shape}"
                )
            y = y.reshape(-1)
        if size:
            empty = False
            yield inputs, y
    if empty:
        raise ValueError("calibration must hold at least one sample. Received: none")


def check_ends(data: Recordings | None) -> None:
    """ValueError for a dataset that never ends, all of which is to be run."""
    if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "calibration must be a dataset that ends: leave out repeat(), or take(n) of its "
            "batches. Received: a dataset of infinite cardinality"
        )


def _check_finite(values: np.ndarray, what: str) -> None:
    try:
        wrong = ~np.isfinite(values)
    except TypeError as error:  # text, objects
        raise ValueError(
            f"calibration must hold {what} that are numbers. Received: {what} of type "
            f"{values.dtype}"
        ) from error
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"calibration must hold finite {what}. Received: {np.count_nonzero(wrong)} of "
            f"{wrong.size} {what} of a batch that are not, the first {values[first]} at {first}"
        )


def _raw(data: Recordings, names: list[str]) -> Iterator[tuple]:
    if isinstance(data, tf.data.Dataset):
        for item in data:
            x, y = item[:2] if isinstance(item, tuple) and len(item) > 1 else (_only(item), None)
            yield _inputs(x, names), y
        return
    pair = isinstance(data, tuple) or (isinstance(data, list) and len(names) == 1)
    if pair and len(data) == 2:
        x, y = data
    elif hasattr(data, "shape") or (len(names) > 1 and isinstance(data, list | dict)):
        x, y = data, None
    else:
        raise ValueError(
            "calibration must be an array of spikes, a pair (spikes, labels) or a tf.data.Dataset "
            f"of batches of either. Received: {type(data).__name__}"
        )
    x = _inputs(x, names)
    size = len(x[0])
    if y is not None and len(y) != size:
        raise ValueError(
            f"calibration must hold one label per sample. Received: {size} samples and "
            f"{len(y)} labels"
        )
    for start in range(0, size, BATCH):
        rows = slice(start, start + BATCH)
        yield [part[rows] for part in x], None if y is None else y[rows]


def _inputs(x, names: list[str]) -> list:
    """The spikes of each input."""
    if len(names) == 1:
        return [x]
    found = []
    if isinstance(x, dict):
        found = [x[name] for name in names if name in x]
    elif isinstance(x, list | tuple):
        found = list(x)
    if len(found) != len(names):
        raise ValueError(
            f"calibration must hold spikes for each of the inputs {names}, as a list or a dict. "
            f"Received: {described(x)}"
        )
    return found


def _only(item):
    return item[0] if isinstance(item, tuple) else item
