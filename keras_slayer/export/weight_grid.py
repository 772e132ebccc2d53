"""The integers that hold a chip's weights."""

from dataclasses import dataclass

import numpy as np

FLOAT_NOISE = 1e-4
"""An integer weight this close to a float weight is the same weight."""


@dataclass(frozen=True)
class WeightGrid:
    """Evenly spaced integers around 0; each bit less doubles the step.

    With b bits and a sign: low, low + step, ..., -low - step, where step = -2 low / 2^b.

    Attributes:
        scale: integer weight = scale * float weight.
        low: the lowest integer, a negative power of two.
        bits: the most that a weight may have, besides its sign.
    """

    scale: int
    low: int
    bits: int

    def step(self, bits: int) -> int:
        """Distance of two integer weights of ``bits`` bits."""
        return -2 * self.low >> bits

    def high(self, bits: int) -> int:
        """The largest integer weight of ``bits`` bits."""
        return -self.low - self.step(bits)

    def rounded(self, weights: np.ndarray, bits: int) -> np.ndarray:
        """Float weights as multiples of the step (ties to even), also beyond the range."""
        step = self.step(bits)
        return np.rint(np.asarray(weights, np.float64) * self.scale / step) * step

    def nearest(self, weights: np.ndarray, bits: int) -> np.ndarray:
        """The nearest integers that ``bits`` bits and a sign hold."""
        return np.clip(self.rounded(weights, bits), self.low, self.high(bits))


@dataclass(frozen=True)
class WeightDamage:
    """What ``bits`` bits and a sign do to weights.

    Attributes:
        bits: width of the weights.
        total: how many weights there are.
        zero: how many are zero then.
        changed: how many are not what they were.
        out_of_range: how many lie beyond the range, even when rounded.
    """

    bits: int
    total: int
    zero: int
    changed: int
    out_of_range: int


def weight_damage(weights: np.ndarray, grid: WeightGrid, bits: int) -> WeightDamage:
    """What it would do to the float ``weights`` to be held in ``bits`` bits of ``grid``."""
    rounded, held = grid.rounded(weights, bits), grid.nearest(weights, bits)
    difference = np.abs(np.asarray(weights, np.float64) * grid.scale - held)
    return WeightDamage(
        bits,
        total=int(held.size),
        zero=int(np.count_nonzero(held == 0)),
        changed=int(np.count_nonzero(difference > FLOAT_NOISE)),
        out_of_range=int(np.count_nonzero(rounded != held)),
    )
