"""How a convolution is cut into cores, and what its shared weights take there.

An axon comes from every pixel that reaches a core and serves all channels of the pixel (a
*population axon*): the spike carries the channel, which selects one of the axon's lists of
synapses. Pixels that meet the same taps of the kernel share their lists. A list names the neurons
it reaches by an index, to which the axon adds its own offset of up to ``Chip.base_range`` - 1;
where that does not suffice, there is a second copy of the lists with larger indices. nengo-loihi
1.1.0 builds convolutions in this way (``conv2d_loihi_weights``).
"""

import bisect
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from keras_slayer.export.graph import ConvSynapses, Shape
from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.tiling import (
    Factors,
    Grid,
    Parts,
    Range,
    Tile,
    even_cuts,
    list_bits,
)

POPULATION_SLOTS = 2
"""Slots of an outgoing population axon (nengo-loihi's default, "pop32")."""


@dataclass(frozen=True)
class Axis:
    """A convolution along one axis: output o meets input o * stride - padding + tap * dilation."""

    inputs: int
    outputs: int
    taps: int
    stride: int
    padding: int
    dilation: int


@dataclass(frozen=True)
class Meetings:
    """What the inputs that reach a range of outputs meet there; equal for ranges that look alike.

    Attributes:
        first: for each input, the first output it reaches, counted from the start of the range.
        patterns: for each, the (output - first output, tap) that it meets.
    """

    first: tuple[int, ...]
    patterns: tuple[tuple[tuple[int, int], ...], ...]

    @cached_property
    def kinds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The distinct patterns: which one each input has; synapses and last output of each."""
        numbers = {pattern: n for n, pattern in enumerate(dict.fromkeys(self.patterns))}
        return (
            np.array([numbers[pattern] for pattern in self.patterns]),
            np.array([len(pattern) for pattern in numbers]),
            np.array([pattern[-1][0] for pattern in numbers]),
        )


@dataclass(frozen=True)
class Reach:
    """The inputs that reach a range of outputs of an ``Axis``: their positions, what they meet."""

    inputs: tuple[int, ...]
    meetings: Meetings


@lru_cache(maxsize=1 << 14)
def reach(axis: Axis, start: int, stop: int) -> Reach:
    """Which inputs reach the outputs ``start`` ... ``stop - 1``, and how."""
    met: dict[int, list[tuple[int, int]]] = {}
    for output in range(start, stop):
        for tap in range(axis.taps):
            i = output * axis.stride - axis.padding + tap * axis.dilation
            if 0 <= i < axis.inputs:
                met.setdefault(i, []).append((output, tap))
    inputs = tuple(sorted(met))
    first = tuple(met[i][0][0] - start for i in inputs)
    patterns = tuple(tuple((o - met[i][0][0], tap) for o, tap in met[i]) for i in inputs)
    return Reach(inputs, Meetings(first, patterns))


@lru_cache(maxsize=1 << 14)
def _arriving(axis: Axis, cuts: Parts) -> Factors:
    """How many inputs reach each of ``cuts``."""
    return tuple(len(reach(axis, *cut).inputs) for cut in cuts)


@lru_cache(maxsize=1 << 14)
def _leaving(axis: Axis, targets: Parts, cuts: Parts) -> Factors:
    """For each of ``cuts``, the pairs of an input in it and a range of ``targets`` it reaches."""
    reached = np.zeros(axis.inputs + 1, np.int64)  # how many ranges the inputs before it reach
    for target in targets:
        reached[[i + 1 for i in reach(axis, *target).inputs]] += 1
    before = reached.cumsum().tolist()
    return tuple(before[stop] - before[start] for start, stop in cuts)


@lru_cache(maxsize=1 << 14)
def _leaving_channels(inputs: int, filters: int, targets: Parts, cuts: Parts) -> Factors:
    """For each of ``cuts`` of the source's channels, the ranges of ``targets`` that see any of it.

    Groups have ``inputs`` channels of the source and ``filters`` of the target.
    """
    # Both are in order: count the ranges that see channels before it, and those only behind it.
    first = [start // filters * inputs for start, _ in targets]
    last = [-(-stop // filters) * inputs for _, stop in targets]
    return tuple(
        bisect.bisect_left(first, stop) - bisect.bisect(last, start) for start, stop in cuts
    )


@dataclass(frozen=True)
class Lists:
    """How the lists of synapses of a convolution are stored on a chip.

    Attributes:
        inputs, filters: channels of one group, before and after.
        synapse_bits: bits of a synapse without its index.
        chip: sets the formats of the index.
    """

    inputs: int
    filters: int
    synapse_bits: int
    chip: Chip


@lru_cache(maxsize=1 << 16)
def _memory_bits(lists: Lists, rows: Meetings, columns: Meetings, width: int, filters: int) -> int:
    """Memory of the distinct lists of a tile: neurons in the order row, column, filter."""
    if not (rows.first and columns.first):
        return 0
    row_kind, row_synapses, row_span = rows.kinds
    column_kind, column_synapses, column_span = columns.kinds
    first = np.add.outer(np.array(rows.first) * width, columns.first) * filters
    span = np.add.outer(row_span[row_kind] * width, column_span[column_kind]) * filters
    copy = first // lists.chip.base_range
    largest = (copy * lists.chip.base_range + span).max() + filters - 1
    bits = lists.synapse_bits + lists.chip.stored_index_bits(largest)

    kinds = len(row_synapses) * len(column_synapses)
    kind = np.add.outer(row_kind * len(column_synapses), column_kind)
    stored = np.unique(copy * kinds + kind) % kinds
    pixels = np.outer(row_synapses, column_synapses).ravel()[stored]
    groups = max(filters // lists.filters, 1)
    return int(list_bits(groups * lists.inputs * pixels * (filters // groups), bits).sum())


class ConvTiling:
    """Synapses of a convolution, on tiles of rows, columns and channels.

    All channels of a pixel need lists of the same length. So a tile holds whole groups, or lies
    within one group.

    Args:
        synapses: what they are.
        source: shape of what they come from, (height, width, channels).
        target: shape of the population that they lead to.
        chip: sets the formats.
        weight_bits: without the sign.
    """

    def __init__(
        self, synapses: ConvSynapses, source: Shape, target: Shape, chip: Chip, weight_bits: int
    ):
        self.groups = synapses.groups
        inputs, filters = synapses.weight.shape[2], target[2] // synapses.groups
        self.delay_bits = synapses.longest_delay.bit_length()
        bits = chip.stored_weight_bits(weight_bits) + self.delay_bits
        self.lists = Lists(inputs, filters, bits, chip)
        geometry = (synapses.strides, synapses.padding, synapses.dilation)
        self.axes = tuple(
            Axis(source[i], target[i], synapses.weight.shape[i], *(g[i] for g in geometry))
            for i in range(2)
        )

    def cuts(self, axis: int, length: int) -> list[Parts]:
        if axis < 2:
            return even_cuts(length)
        filters = self.lists.filters
        whole_groups = [
            tuple((start * filters, stop * filters) for start, stop in cut)
            for cut in even_cuts(self.groups)
        ]
        parts_of_groups = [
            tuple((g + start, g + stop) for g in range(0, length, filters) for start, stop in cut)
            for cut in even_cuts(filters)[1:]
        ]
        return whole_groups + parts_of_groups

    def suits(self, axis: int, cut: Range) -> bool:
        if axis < 2:
            return True
        start, stop = cut
        is_within = start // self.lists.filters == (stop - 1) // self.lists.filters
        return is_within or start % self.lists.filters == stop % self.lists.filters == 0

    def arriving(self, axis: int, cuts: Parts) -> Factors:
        return (1,) * len(cuts) if axis == 2 else _arriving(self.axes[axis], cuts)

    def memory_kind(self, axis: int, cut: Range) -> Hashable:
        # Ranges of pixels that look alike need the same memory.
        return cut[1] - cut[0], None if axis == 2 else reach(self.axes[axis], *cut).meetings

    def memory_bits(self, tile: Tile) -> int:
        rows, columns = (
            reach(axis, *cut).meetings for axis, cut in zip(self.axes, tile[:2], strict=True)
        )
        width, filters = (stop - start for start, stop in tile[1:])
        return _memory_bits(self.lists, rows, columns, width, filters)

    def slots(self, grid: Grid) -> int:
        return POPULATION_SLOTS

    def leaving(self, grid: Grid, axis: int, cuts: Parts) -> Factors:
        if axis < 2:
            return _leaving(self.axes[axis], grid[axis], cuts)
        return _leaving_channels(self.lists.inputs, self.lists.filters, grid[2], cuts)

    def need(self, grid: Grid) -> tuple[int, Grid | None]:
        return 0, grid
