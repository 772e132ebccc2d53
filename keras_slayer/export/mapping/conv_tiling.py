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
from keras_slayer.export.mapping.tiling import Grid, Range, Tile, even_cuts, list_bits

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
class Reach:
    """The inputs that reach a range of outputs of an ``Axis``.

    Attributes:
        inputs: their positions.
        first: for each, the first output it reaches, counted from the start of the range.
        patterns: for each, the (output - first output, tap) that it meets.
    """

    inputs: tuple[int, ...]
    first: tuple[int, ...]
    patterns: tuple[tuple[tuple[int, int], ...], ...]

    @cached_property
    def shape(self) -> tuple:
        """Equal for ranges that differ only by a shift."""
        return self.first, self.patterns

    def kinds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The distinct patterns: which one each input has; synapses and last output of each."""
        numbers = {pattern: n for n, pattern in enumerate(dict.fromkeys(self.patterns))}
        return (
            np.array([numbers[pattern] for pattern in self.patterns]),
            np.array([len(pattern) for pattern in numbers]),
            np.array([pattern[-1][0] for pattern in numbers]),
        )


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
    return Reach(inputs, first, patterns)


@lru_cache(maxsize=1 << 14)
def _arrivals(axis: Axis, source: Range, targets: tuple[Range, ...]) -> int:
    """Pairs of an input in ``source`` and a range of ``targets`` that it reaches."""
    inputs = (i for start, stop in targets for i in reach(axis, start, stop).inputs)
    return sum(source[0] <= i < source[1] for i in inputs)


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

    delay_bits = 0

    def __init__(
        self, synapses: ConvSynapses, source: Shape, target: Shape, chip: Chip, weight_bits: int
    ):
        self.chip = chip
        self.synapse_bits = chip.stored_weight_bits(weight_bits)
        self.group_inputs = synapses.weight.shape[2]
        self.group_filters = target[2] // synapses.groups
        self.groups = synapses.groups
        geometry = (synapses.strides, synapses.padding, synapses.dilation)
        self.axes = tuple(
            Axis(source[i], target[i], synapses.weight.shape[i], *(g[i] for g in geometry))
            for i in range(2)
        )
        self._memory: dict[tuple, int] = {}

    def cuts(self, axis: int, length: int) -> list[tuple[Range, ...]]:
        if axis < 2:
            return even_cuts(length)
        filters = self.group_filters
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
        is_within = start // self.group_filters == (stop - 1) // self.group_filters
        return is_within or start % self.group_filters == stop % self.group_filters == 0

    def arriving(self, axis: int, cut: Range) -> int:
        return 1 if axis == 2 else len(reach(self.axes[axis], *cut).inputs)

    def memory_kind(self, axis: int, cut: Range) -> Hashable:
        # Ranges of pixels that look alike need the same memory.
        return cut[1] - cut[0], None if axis == 2 else reach(self.axes[axis], *cut).shape

    def memory_bits(self, tile: Tile) -> int:
        rows, columns = (reach(axis, *cut) for axis, cut in zip(self.axes, tile[:2], strict=True))
        width, filters = (stop - start for start, stop in tile[1:])
        key = (rows.shape, columns.shape, width, filters)
        if key not in self._memory:
            self._memory[key] = self._list_bits(rows, columns, width, filters)
        return self._memory[key]

    def _list_bits(self, rows: Reach, columns: Reach, width: int, filters: int) -> int:
        """Memory of the distinct lists of a tile: neurons in the order row, column, filter."""
        if not (rows.inputs and columns.inputs):
            return 0
        row_kind, row_synapses, row_span = rows.kinds()
        column_kind, column_synapses, column_span = columns.kinds()
        first = np.add.outer(np.array(rows.first) * width, columns.first) * filters
        span = np.add.outer(row_span[row_kind] * width, column_span[column_kind]) * filters
        copy = first // self.chip.base_range
        largest = (copy * self.chip.base_range + span).max() + filters - 1
        bits = self.synapse_bits + self.chip.stored_index_bits(largest)

        kinds = len(row_synapses) * len(column_synapses)
        kind = np.add.outer(row_kind * len(column_synapses), column_kind)
        stored = np.unique(copy * kinds + kind) % kinds
        pixels = np.outer(row_synapses, column_synapses).ravel()[stored]
        groups = max(filters // self.group_filters, 1)
        channels = groups * self.group_inputs
        return int(list_bits(channels * pixels * (filters // groups), bits).sum())

    def slots(self, grid: Grid) -> int:
        return POPULATION_SLOTS

    def leaving(self, grid: Grid, axis: int, source: Range) -> int:
        if axis < 2:
            return _arrivals(self.axes[axis], source, grid[axis])
        cuts = grid[2]
        if self.groups == 1:
            return len(cuts)
        # Tiles in order see input channels in order: count those that see any of ``source``.
        begin = bisect.bisect(cuts, source[0], key=lambda cut: self._input_channels(cut)[1])
        end = bisect.bisect_left(cuts, source[1], key=lambda cut: self._input_channels(cut)[0])
        return end - begin

    def _input_channels(self, cut: Range) -> Range:
        """Channels of the input that the channels of a tile see."""
        start, stop = cut[0] // self.group_filters, -(-cut[1] // self.group_filters)
        return start * self.group_inputs, stop * self.group_inputs
