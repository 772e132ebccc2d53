"""Recorded spikes that a user hands over, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

Recordings = ArrayLike | tuple[ArrayLike, ArrayLike] | tf.data.Dataset
"""Spikes (samples, time, ...), a pair (spikes, labels), or a dataset of batches of either."""

BATCH = 16


def batches(
    data: Recordings, shape: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """(spikes, labels or None) of each batch in ``data``.

    Args:
        data: spikes (samples, time, *shape); a pair (spikes, labels), labels integers (samples,)
            or one-hot (samples, classes); or a ``tf.data.Dataset`` of batches of either.
        shape: of the model's input, without batch and time.

    Raises:
        ValueError: none of these, no samples, or values that are no finite numbers.
    """
    empty = True
    for x, y in _raw(data):
        x = np.asarray(x)
        if x.ndim < 3 or x.shape[2:] != tuple(shape):
            raise ValueError(
                f"calibration must hold spikes of shape (samples, time, "
                f"{', '.join(map(str, shape))}). Received: spikes of shape {x.shape}"
            )
        _check_finite(x, "spikes")
        if y is not None:
            y = np.asarray(y)
            _check_finite(y, "labels")
            y = np.argmax(y, axis=-1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(len(y), -1)
            if y.size != len(x):
                raise ValueError(
                    "calibration must hold one label, or one row of classes, per sample. "
                    f"Received: {len(x)} samples, labels of shape {y.shape}"
                )
            y = y.reshape(-1)
        if len(x):
            empty = False
            yield x, y
    if empty:
        raise ValueError("calibration must hold at least one sample. Received: none")


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


def _raw(data: Recordings) -> Iterator[tuple]:
    if isinstance(data, tf.data.Dataset):
        for item in data:
            yield item[:2] if isinstance(item, tuple) and len(item) > 1 else (_only(item), None)
        return
    if isinstance(data, tuple | list) and len(data) == 2:
        x, y = data
        if len(x) != len(y):
            raise ValueError(
                f"calibration must hold one label per sample. Received: {len(x)} samples and "
                f"{len(y)} labels"
            )
    elif hasattr(data, "shape"):
        x, y = data, None
    else:
        raise ValueError(
            "calibration must be an array of spikes, a pair (spikes, labels) or a tf.data.Dataset "
            f"of batches of either. Received: {type(data).__name__}"
        )
    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        yield x[rows], None if y is None else y[rows]


def _only(item):
    return item[0] if isinstance(item, tuple) else item
