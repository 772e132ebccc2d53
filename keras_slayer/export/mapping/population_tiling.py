"""A population, to be cut into cores, with all that its connections bring to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from keras_slayer.export.graph import Shape
from keras_slayer.export.mapping.tiling import (
    Grid,
    Parts,
    Products,
    Range,
    Tile,
    Tiling,
    even_cuts,
    size,
)

AXES = ("rows", "columns", "channels")


class PopulationTiling:
    """The cores of one population: one grid, on which every connection has a tiling of its own.

    Args:
        shape: (neurons,) or (height, width, channels).
        tilings: one for each connection; none where a bias alone drives the neurons.

    Attributes:
        delay_bits: the most of any connection: all share the accumulators of the neurons.
        input_axons: of a core.
    """

    def __init__(self, shape: Shape, tilings: Sequence[Tiling]):
        self.shape = shape
        self.neurons = math.prod(shape)
        self.tilings = tuple(tilings)
        self.delay_bits = max((tiling.delay_bits for tiling in tilings), default=0)
        self.input_axons = Products([tiling.arriving for tiling in tilings])

    def grids(self) -> Iterator[Grid]:
        """All grids worth trying. They do not depend on the chip."""
        return itertools.product(*(self._cuts(axis) for axis in range(len(self.shape))))

    def _cuts(self, axis: int) -> list[Parts]:
        length = self.shape[axis]
        ways = [tiling.cuts(axis, length) for tiling in self.tilings] or [even_cuts(length)]
        return [
            cuts
            for cuts in dict.fromkeys(itertools.chain(*ways))
            if all(tiling.suits(axis, cut) for tiling in self.tilings for cut in cuts)
        ]

    def memory_bits(self, tile: Tile) -> int:
        """Synaptic memory of a core with ``tile``."""
        return sum(tiling.memory_bits(tile) for tiling in self.tilings)

    def peak_memory_bits(self, grid: Grid, enough: float = math.inf) -> int:
        """Of the fullest core; for a vector no less than what the whole one needs, shared out
        evenly.

        The second is nengo-loihi's rule (``split_block``), and with it the counts agree. Short
        lists pack a little better than long ones: without it 2312 -> 512 would fit on 10 cores,
        not 11.

        Args:
            enough: the first core that exceeds it is taken for the fullest.
        """
        fullest = 0
        for tile in itertools.product(
            *(self._unlike(axis, parts) for axis, parts in enumerate(grid))
        ):
            fullest = max(fullest, self.memory_bits(tile))
            if fullest > enough:
                return fullest
        most = size(tuple(parts[0] for parts in grid))
        if len(grid) > 1 or most == 1:
            return fullest
        # The most parts of a vector that still come out with this many neurons each.
        parts = (self.neurons - 1) // (most - 1)
        return max(fullest, -(-self.memory_bits(((0, self.neurons),)) // parts))

    def _unlike(self, axis: int, cuts: Parts) -> Iterable[Range]:
        """One range of each kind that differs in memory."""
        kinds = {
            tuple(tiling.memory_kind(axis, cut) for tiling in self.tilings): cut for cut in cuts
        }
        return kinds.values()

    def where(self, tile: Tile) -> str:
        """``tile`` in words."""
        names = AXES if len(tile) > 1 else ("neurons",)
        return ", ".join(
            f"{name} {start}-{stop - 1}" for name, (start, stop) in zip(names, tile, strict=True)
        )
