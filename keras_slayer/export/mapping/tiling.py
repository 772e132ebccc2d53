"""Ways to cut a population into cores, and what the synapses of a connection then take there.

Neurons lie on the axes of their population: (neurons,), or (rows, columns, channels) of an image. A
*grid* cuts every axis into ranges (start, stop); a core holds a *tile*, one range of each axis.
Counting is separable over the axes, which is what makes it fast.

Synapses are stored in lists of 64 bit words:

    bits(n) = sum over groups of up to 64 synapses of ceil64(n_group b + 10)
    b       = weight bits + delay bits + index bits

which is the format that nengo-loihi 1.1.0 writes.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Protocol

import numpy as np

from keras_slayer.export.graph import DenseSynapses
from keras_slayer.export.mapping.chip import Chip

Range = tuple[int, int]
Tile = tuple[Range, ...]
Grid = tuple[tuple[Range, ...], ...]

WORD = 64
"""Bits of a word of synaptic memory; also the most synapses under one header."""
HEADER = 10
"""Bits in front of each group of synapses: their number and their format."""


def tiles(grid: Grid) -> Iterator[Tile]:
    """The tiles of a grid, the last axis fastest."""
    return itertools.product(*grid)


def size(tile: Tile) -> int:
    """Neurons of a tile."""
    return math.prod(stop - start for start, stop in tile)


def cores(grid: Grid) -> int:
    """Tiles of a grid."""
    return math.prod(map(len, grid))


def even_cuts(length: int) -> list[tuple[Range, ...]]:
    """All ways to cut ``length`` into equal ranges (the last may be shorter), coarsest first."""
    steps = sorted({-(-length // parts) for parts in range(1, length + 1)}, reverse=True)
    return [
        tuple((start, min(start + step, length)) for start in range(0, length, step))
        for step in steps
    ]


def list_bits(synapses: np.ndarray | int, synapse_bits: int) -> np.ndarray:
    """Bits of memory of lists of ``synapses`` synapses of ``synapse_bits`` bits each."""
    full, rest = np.divmod(synapses, WORD)
    return full * _group_bits(WORD, synapse_bits) + (rest > 0) * _group_bits(rest, synapse_bits)


def _group_bits(synapses, synapse_bits: int):
    return -(-(synapses * synapse_bits + HEADER) // WORD) * WORD


class Tiling(Protocol):
    """The synapses of one connection, on the cores that its target is cut into.

    Axons are counted as products of one factor for each axis, which ``Products`` adds up over
    connections.

    Attributes:
        delay_bits: bits of delay in each synapse.
    """

    delay_bits: int

    def cuts(self, axis: int, length: int) -> list[tuple[Range, ...]]:
        """The ways to cut an axis of the target that suit these synapses."""

    def suits(self, axis: int, cut: Range) -> bool:
        """Whether a range of an axis suits them."""

    def arriving(self, axis: int, cut: Range) -> int:
        """Axons that come into a core with the range ``cut``: the factor of ``axis``."""

    def memory_kind(self, axis: int, cut: Range) -> Hashable:
        """Equal for ranges that need the same memory."""

    def memory_bits(self, tile: Tile) -> int:
        """Synaptic memory of a core with ``tile``."""

    def slots(self, grid: Grid) -> int:
        """Output axon slots for each axon that leaves the source, the target cut into ``grid``."""

    def leaving(self, grid: Grid, axis: int, source: Range) -> int:
        """Axons that leave the range ``source`` of an axis of the source, the target cut into
        ``grid``: the factor of ``axis``."""


Factor = Callable[[int, Range], int]
"""(axis, range) -> a number."""


class Products:
    """Counts of tiles: sums over connections of products of one factor for each axis."""

    def __init__(self, factors: Sequence[Factor]):
        self._factors = tuple(factors)
        self._largest: dict[tuple[int, tuple[Range, ...]], tuple[tuple[int, ...], ...]] = {}

    def of(self, tile: Tile) -> int:
        return sum(
            math.prod(factor(axis, cut) for axis, cut in enumerate(tile))
            for factor in self._factors
        )

    def total(self, grid: Grid) -> int:
        """Summed over the tiles of ``grid``."""
        return sum(
            math.prod(sum(factor(axis, cut) for cut in cuts) for axis, cuts in enumerate(grid))
            for factor in self._factors
        )

    def peak(self, grid: Grid) -> int:
        """The most of any tile of ``grid``."""
        axes = [self._candidates(axis, cuts) for axis, cuts in enumerate(grid)]
        return max(
            sum(map(math.prod, zip(*choice, strict=True))) for choice in itertools.product(*axes)
        )

    def _candidates(self, axis: int, cuts: tuple[Range, ...]) -> tuple[tuple[int, ...], ...]:
        """The factors of the ranges that can be part of the fullest tile.

        A range whose factors are all no larger than another's cannot.
        """
        key = (axis, cuts)
        if key not in self._largest:
            rows = {tuple(factor(axis, cut) for factor in self._factors) for cut in cuts}
            self._largest[key] = tuple(
                row
                for row in rows
                if not any(
                    row != other and all(a <= b for a, b in zip(row, other, strict=True))
                    for other in rows
                )
            )
        return self._largest[key]


class DenseTiling:
    """Dense synapses: an axon from every input to every core, with a list of the core's neurons.

    Args:
        synapses: what they are.
        chip: sets the formats.
        weight_bits: without the sign.
    """

    def __init__(self, synapses: DenseSynapses, chip: Chip, weight_bits: int):
        self.inputs = synapses.weight.shape[0]
        self.delay_bits = synapses.longest_delay.bit_length()
        self.synapse_bits = chip.stored_weight_bits(weight_bits) + self.delay_bits

    def cuts(self, axis: int, length: int) -> list[tuple[Range, ...]]:
        return even_cuts(length)

    def suits(self, axis: int, cut: Range) -> bool:
        return True

    def arriving(self, axis: int, cut: Range) -> int:
        return 1 if axis else self.inputs

    def memory_kind(self, axis: int, cut: Range) -> Hashable:
        return cut[1] - cut[0]

    def memory_bits(self, tile: Tile) -> int:
        # A list holds all neurons of its core, in order, so it needs no indices.
        return self.inputs * int(list_bits(size(tile), self.synapse_bits))

    def slots(self, grid: Grid) -> int:
        return cores(grid)

    def leaving(self, grid: Grid, axis: int, source: Range) -> int:
        return source[1] - source[0]
