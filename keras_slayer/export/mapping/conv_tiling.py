"""How a convolution is cut into cores, and what its shared weights take there.

An axon comes from every pixel that reaches a core and serves all channels of the pixel (a
*population axon*): the spike carries the channel, which selects one of the axon's lists of
synapses. Pixels that meet the same taps of the kernel share their lists. A list names the neurons
it reaches by an index, to which the axon adds its own offset of up to ``Chip.base_range`` - 1;
where that does not suffice, there is a second copy of the lists with larger indices. nengo-loihi
1.1.0 builds convolutions in this way (``conv2d_loihi_weights``).
"""

import bisect
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.tiling import Grid, Range, Tile, even_cuts, list_bits
from keras_slayer.export.network import IntegerConv

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
    """A convolution: tiles of rows, columns and channels.

    All channels of a pixel need lists of the same length. So a tile holds whole groups, or lies
    within one group.

    Args:
        layer: the layer.
        input_shape: (height, width, channels).
        chip: sets the formats.
        weight_bits: without the sign.
    """

    delay_bits = 0

    def __init__(
        self, layer: IntegerConv, input_shape: tuple[int, ...], chip: Chip, weight_bits: int
    ):
        self.shape = layer.output_shape(input_shape)
        self.neurons = math.prod(self.shape)
        self.chip = chip
        self.synapse_bits = chip.stored_weight_bits(weight_bits)
        self.groups = layer.groups
        self.group_inputs = layer.weight.shape[2]
        self.group_filters = self.shape[2] // layer.groups
        geometry = (layer.strides, layer.padding, layer.dilation)
        self.axes = tuple(
            Axis(input_shape[i], self.shape[i], layer.weight.shape[i], *(g[i] for g in geometry))
            for i in range(2)
        )
        self._memory: dict[tuple, int] = {}

    def grids(self) -> Iterator[Grid]:
        filters = self.group_filters
        whole_groups = [
            tuple((start * filters, stop * filters) for start, stop in cut)
            for cut in even_cuts(self.groups)
        ]
        parts_of_groups = [
            tuple(
                (g + start, g + stop)
                for g in range(0, self.shape[2], filters)
                for start, stop in cut
            )
            for cut in even_cuts(filters)[1:]
        ]
        rows, columns = (even_cuts(n) for n in self.shape[:2])
        return itertools.product(rows, columns, whole_groups + parts_of_groups)

    def input_axons(self, tile: Tile) -> int:
        return math.prod(self._inputs(axis, cut) for axis, cut in enumerate(tile[:2]))

    def peak_input_axons(self, grid: Grid) -> int:
        return math.prod(max(self._inputs(axis, cut) for cut in grid[axis]) for axis in range(2))

    def total_input_axons(self, grid: Grid) -> int:
        sums = (sum(self._inputs(axis, cut) for cut in grid[axis]) for axis in range(2))
        return math.prod(sums) * len(grid[2])

    def _inputs(self, axis: int, cut: Range) -> int:
        return len(reach(self.axes[axis], *cut).inputs)

    def memory_bits(self, tile: Tile) -> int:
        rows, columns = (reach(axis, *cut) for axis, cut in zip(self.axes, tile[:2], strict=True))
        width, filters = (stop - start for start, stop in tile[1:])
        key = (rows.shape, columns.shape, width, filters)
        if key not in self._memory:
            self._memory[key] = self._list_bits(rows, columns, width, filters)
        return self._memory[key]

    def peak_memory_bits(self, grid: Grid) -> int:
        # Ranges that look alike need the same memory: one of each kind will do.
        rows, columns = (
            {(reach(axis, *cut).shape, cut[1] - cut[0]): cut for cut in cuts}.values()
            for axis, cuts in zip(self.axes, grid[:2], strict=True)
        )
        channels = {stop - start: (start, stop) for start, stop in grid[2]}.values()
        return max(map(self.memory_bits, itertools.product(rows, columns, channels)))

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

    def arriving(self, grid: Grid, axis: int, source: Range) -> int:
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

    def where(self, tile: Tile) -> str:
        names = zip(("rows", "columns", "channels"), tile, strict=True)
        return ", ".join(f"{name} {start}-{stop - 1}" for name, (start, stop) in names)
