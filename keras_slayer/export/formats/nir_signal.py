"""What flows along an edge: its shape in NIR, and where Keras has each of its numbers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Signal:
    """The output of a node at one step.

    NIR has (neurons,), (channels, length) or (channels, height, width), as PyTorch. Keras has the
    channels last.

    Args:
        shape: in NIR.
        image: the shape of the image or series that was flattened with channels last; None if
            nothing was, or if the order is that of NIR.
    """

    shape: tuple[int, ...]
    image: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def keras_shape(self) -> tuple[int, ...]:
        return (*self.shape[1:], self.shape[0]) if len(self.shape) > 1 else self.shape

    def to_keras(self, values: np.ndarray) -> np.ndarray:
        """``values`` of ``shape`` in the order of Keras."""
        if self.image is not None:
            return np.moveaxis(values.reshape(self.image), 0, -1).ravel()
        return np.moveaxis(values, 0, -1) if values.ndim > 1 else values

    def per_channel(self, values: np.ndarray) -> np.ndarray | None:
        """``values`` of ``shape`` along the last axis of Keras; None if they differ along others.

        A number that holds for all comes back as it is.
        """
        if values.ndim == 0:
            return values
        rows = self.to_keras(values).reshape(-1, self.keras_shape[-1])
        return rows[0] if (rows == rows[0]).all() else None
