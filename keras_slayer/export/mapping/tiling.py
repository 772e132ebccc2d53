"""Ways to cut a layer into cores, and what each core then holds.

A layer's neurons lie on axes: (neurons,) for a dense layer, (rows, columns, channels) for a
convolution. A *grid* cuts every axis into ranges (start, stop); a core holds a *tile*, one range of
each axis. Counting is separable over the axes, which is what makes it fast.

Synapses are stored in lists of 64 bit words:

    bits(n) = sum over groups of up to 64 synapses of ceil64(n_group b + 10)
    b       = weight bits + delay bits + index bits

which is the format that nengo-loihi 1.1.0 writes.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.network import IntegerDense

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
    """One layer, to be cut.

    Attributes:
        shape, neurons: of the layer.
        delay_bits: bits of delay in each synapse.
    """

    shape: tuple[int, ...]
    neurons: int
    delay_bits: int

    def grids(self) -> Iterator[Grid]:
        """All grids worth trying. They do not depend on the chip."""

    def input_axons(self, tile: Tile) -> int:
        """Axons that come into a core with ``tile``."""

    def peak_input_axons(self, grid: Grid) -> int:
        """The most of any tile of ``grid``."""

    def total_input_axons(self, grid: Grid) -> int:
        """Summed over the tiles of ``grid``."""

    def memory_bits(self, tile: Tile) -> int:
        """Synaptic memory of a core with ``tile``."""

    def peak_memory_bits(self, grid: Grid) -> int:
        """The most of any tile of ``grid``."""

    def slots(self, grid: Grid) -> int:
        """Output axon slots for each arriving axon."""

    def arriving(self, grid: Grid, axis: int, source: Range) -> int:
        """Axons that arrive from the range ``source`` of an axis of the layer before: one factor of
        their number, the others are those of the other axes."""

    def where(self, tile: Tile) -> str:
        """``tile`` in words."""


def output_axons(target: Tiling | None, target_grid: Grid | None, tile: Tile) -> int:
    """Output axon slots of a core with ``tile``, if the next layer, ``target``, is cut like that.

    The last layer has no target.
    """
    return peak_output_axons(target, target_grid, tuple((cut,) for cut in tile))


def peak_output_axons(target: Tiling | None, target_grid: Grid | None, grid: Grid) -> int:
    """The most of any tile of ``grid``."""
    if target is None:
        return 0
    return target.slots(target_grid) * math.prod(
        max(target.arriving(target_grid, axis, cut) for cut in cuts)
        for axis, cuts in enumerate(grid)
    )


class DenseTiling:
    """A dense layer: an axon from every input to every core, with a list of the core's neurons.

    Args:
        layer: the layer.
        chip: sets the formats.
        weight_bits: without the sign.
    """

    def __init__(self, layer: IntegerDense, chip: Chip, weight_bits: int):
        self.inputs, self.neurons = layer.weight.shape
        self.shape = (self.neurons,)
        largest = 0 if layer.delay is None else int(layer.delay.max(initial=0))
        self.delay_bits = largest.bit_length()
        self.synapse_bits = chip.stored_weight_bits(weight_bits) + self.delay_bits

    def grids(self) -> Iterator[Grid]:
        return ((cut,) for cut in even_cuts(self.neurons))

    def input_axons(self, tile: Tile) -> int:
        return self.inputs

    def peak_input_axons(self, grid: Grid) -> int:
        return self.inputs

    def total_input_axons(self, grid: Grid) -> int:
        return self.inputs * cores(grid)

    def memory_bits(self, tile: Tile) -> int:
        # The neurons of a list are consecutive, so it needs no indices.
        return self.inputs * int(list_bits(size(tile), self.synapse_bits))

    def peak_memory_bits(self, grid: Grid) -> int:
        """Of the fullest core, and no less than the lists of the uncut layer, shared out evenly.

        The second is nengo-loihi's rule (``split_block``), and with it the counts agree. Short
        lists pack a little better than long ones: without it 2312 -> 512 would fit on 10 cores,
        not 11.
        """
        start, stop = grid[0][0]
        fullest = self.memory_bits(((start, stop),))
        if stop - start == 1:
            return fullest
        # The most parts of a layer that still come out with this many neurons each.
        parts = (self.neurons - 1) // (stop - start - 1)
        return max(fullest, -(-self.memory_bits(((0, self.neurons),)) // parts))

    def slots(self, grid: Grid) -> int:
        return cores(grid)

    def arriving(self, grid: Grid, axis: int, source: Range) -> int:
        return source[1] - source[0]

    def where(self, tile: Tile) -> str:
        ((start, stop),) = tile
        return f"neurons {start}-{stop - 1}"
