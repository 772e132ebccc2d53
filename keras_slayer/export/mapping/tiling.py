"""Ways to cut a population into cores, and what the synapses of a connection then take there.

Neurons lie on the axes of their population: (neurons,), or (rows, columns, channels) of an image. A
*grid* cuts every axis into ranges (start, stop); a core holds a *tile*, one range of each axis.
Counting is separable over the axes, which is what makes it fast.

Synapses are stored in lists of 64 bit words:

    bits(n) = sum over groups of up to 64 synapses of ceil64(n_group b + 10)
    b       = weight bits + delay bits + index bits

which is the format that nengo-loihi 1.1.0 writes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from keras_slayer.export.graph import DenseSynapses
from keras_slayer.export.mapping.chip import Chip

Range = tuple[int, int]
Parts = tuple[Range, ...]
"""Ranges that an axis is cut into."""
Tile = tuple[Range, ...]
Grid = tuple[Parts, ...]
Factors = tuple[int, ...]
"""A number for each of several ranges."""

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


def even_cuts(length: int) -> list[Parts]:
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

    def cuts(self, axis: int, length: int) -> list[Parts]:
        """The ways to cut an axis of the target that suit these synapses."""

    def suits(self, axis: int, cut: Range) -> bool:
        """Whether a range of an axis suits them."""

    def arriving(self, axis: int, cuts: Parts) -> Factors:
        """Axons that come into cores with the ranges ``cuts``: the factors of ``axis``."""

    def memory_kind(self, axis: int, cut: Range) -> Hashable:
        """Equal for ranges that need the same memory."""

    def memory_bits(self, tile: Tile) -> int:
        """Synaptic memory of a core with ``tile``."""

    def slots(self, grid: Grid) -> int:
        """Output axon slots for each axon that leaves the source, the target cut into ``grid``."""

    def leaving(self, grid: Grid, axis: int, cuts: Parts) -> Factors:
        """Axons that leave the ranges ``cuts`` of an axis of the source, the target cut into
        ``grid``: the factors of ``axis``."""

    def need(self, grid: Grid) -> tuple[int, Grid | None]:
        """What ``grid`` is to the source: grids with equal needs take the same output axons.

        A number that adds up over connections, and what else counts.
        """


class Products:
    """Counts of tiles: sums over connections of products of one factor for each axis.

    Args:
        factors: for each connection ``(axis, cuts) -> Factors``.
    """

    def __init__(self, factors: Sequence[Callable[[int, Parts], Factors]]):
        self._factors = tuple(factors)
        self._sums = lru_cache(maxsize=None)(self._sums_of)
        self._candidates = lru_cache(maxsize=None)(self._candidates_of)

    def of(self, tile: Tile) -> int:
        return self.peak(tuple((cut,) for cut in tile))

    def total(self, grid: Grid) -> int:
        """Summed over the tiles of ``grid``."""
        sums = (self._sums(axis, cuts) for axis, cuts in enumerate(grid))
        return sum(map(math.prod, zip(*sums, strict=True)))

    def peak(self, grid: Grid) -> int:
        """The most of any tile of ``grid``."""
        axes = (self._candidates(axis, cuts) for axis, cuts in enumerate(grid))
        return max(
            sum(map(math.prod, zip(*choice, strict=True))) for choice in itertools.product(*axes)
        )

    def _sums_of(self, axis: int, cuts: Parts) -> Factors:
        """The factors of each connection, added up over ``cuts``."""
        return tuple(sum(factors(axis, cuts)) for factors in self._factors)

    def _candidates_of(self, axis: int, cuts: Parts) -> tuple[Factors, ...]:
        """The factors of the ranges that can be part of the fullest tile.

        A range whose factors are all no larger than another's cannot.
        """
        if len(self._factors) == 1:
            return ((max(self._factors[0](axis, cuts)),),)
        rows = set(zip(*(factors(axis, cuts) for factors in self._factors), strict=True)) or {()}
        return tuple(
            row
            for row in rows
            if not any(
                row != other and all(a <= b for a, b in zip(row, other, strict=True))
                for other in rows
            )
        )


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

    def cuts(self, axis: int, length: int) -> list[Parts]:
        return even_cuts(length)

    def suits(self, axis: int, cut: Range) -> bool:
        return True

    def arriving(self, axis: int, cuts: Parts) -> Factors:
        return (1 if axis else self.inputs,) * len(cuts)

    def memory_kind(self, axis: int, cut: Range) -> Hashable:
        return cut[1] - cut[0]

    def memory_bits(self, tile: Tile) -> int:
        # A list holds all neurons of its core, in order, so it needs no indices.
        return self.inputs * int(list_bits(size(tile), self.synapse_bits))

    def slots(self, grid: Grid) -> int:
        return cores(grid)

    def leaving(self, grid: Grid, axis: int, cuts: Parts) -> Factors:
        return tuple(stop - start for start, stop in cuts)

    def need(self, grid: Grid) -> tuple[int, Grid | None]:
        return cores(grid), None
