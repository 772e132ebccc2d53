"""Whether frames follow each other quickly enough for what moves in them."""

from __future__ import annotations

import math
import warnings

import numpy as np

# A pixel that changes by more thresholds than this from frame to frame has been passed by more
# than one edge's flank: what was in between is lost.
_FAST = 5.0


class FrameRateWarning(UserWarning):
    """Brightness moves by many thresholds from frame to frame; the message says what to change."""


class FrameRate:
    """Collects how far brightness moves from frame to frame, where it moves.

    Args:
        threshold: the smaller one of the camera's, in e-folds.
    """

    def __init__(self, threshold: float):
        self._threshold = np.float32(threshold)
        self._sum, self._count = 0.0, 0

    def add(self, moved: np.ndarray) -> float:
        """Adds what moved in one interval, in e-folds; returns the most thresholds of a pixel."""
        moved = np.abs(moved)
        moved = moved[moved > self._threshold]
        self._sum += float(moved.sum(dtype=np.float64)) / float(self._threshold)
        self._count += moved.size
        return float(moved.max(initial=0)) / float(self._threshold)

    def check(self, fps: float, stacklevel: int = 2) -> None:
        """Warns if the pixels that changed did so by more than a few thresholds, on average."""
        if not self._count or self._sum <= _FAST * self._count:
            return
        mean = self._sum / self._count
        warnings.warn(
            f"From frame to frame, the pixels that change do so by {mean:.1f} thresholds on "
            "average. An event camera would have seen the movement in between. Record or render "
            f"with about {_rounded(fps * mean)} frames per second, or interpolate frames along the "
            f"movement. Received: fps={fps:g}",
            FrameRateWarning,
            stacklevel=stacklevel + 1,
        )


def _rounded(value: float) -> str:
    """With one digit that counts."""
    unit = 10 ** math.floor(math.log10(value))
    return f"{math.ceil(value / unit) * unit:g}"
