"""The cuts of all layers that need the fewest cores.

Layers are coupled: a core spends an outgoing axon for each core of the next layer that a neuron
reaches. So cuts are chosen from the last layer backwards, with the cuts of the next layer known, by
a shortest-path search (A*) whose cost is (cores, input axons summed over cores): fewest cores, and
among those the fewest deliveries of a spike. Its bound, the best cuts of the layers before taken
alone, is almost always reached, and then the search tries one cut per layer.
"""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.tiling import Grid, Tiling, cores, peak_output_axons, size

Cost = tuple[int, int]


@dataclass(frozen=True)
class Utilisation:
    """Fractions of a core's limits."""

    compartments: float
    input_axons: float
    output_axons: float
    synaptic_memory: float

    @property
    def tightest(self) -> tuple[str, float]:
        """Name and fraction of the resource that is used most."""
        name = max(vars(self), key=vars(self).get)
        return name.replace("_", " "), getattr(self, name)


class Cuts:
    """The cuts of one layer that fit the chip whatever the next layer is, cheapest first."""

    def __init__(self, tiling: Tiling, chip: Chip):
        self.tiling = tiling
        self.chip = chip
        costs = (((cores(g), tiling.total_input_axons(g)), g) for g in tiling.grids())
        self._waiting = iter(sorted(costs))
        self._fitting: list[tuple[Cost, Grid]] = []

    def get(self, rank: int) -> tuple[Cost, Grid] | None:
        """Cost and grid number ``rank``; None past the last."""
        while len(self._fitting) <= rank:
            # Memory takes longest to count, so it is counted last, and only when asked for.
            cost, grid = next(self._waiting, (None, None))
            if grid is None:
                return None
            if self._load(grid) <= 1 and self.memory(grid) <= 1:
                self._fitting.append((cost, grid))
        return self._fitting[rank]

    def _load(self, grid: Grid) -> float:
        return max(self.compartments(grid), self.input_axons(grid))

    def compartments(self, grid: Grid) -> float:
        most = size(tuple(cuts[0] for cuts in grid))
        room = self.chip.compartments_with(self.tiling.delay_bits)
        return most / room if room else float("inf")

    def input_axons(self, grid: Grid) -> float:
        return self.tiling.peak_input_axons(grid) / self.chip.input_axons

    def memory(self, grid: Grid) -> float:
        return self.tiling.peak_memory_bits(grid) / self.chip.synaptic_memory_bits

    def output_axons(self, grid: Grid, target: Tiling | None, target_grid: Grid | None):
        return peak_output_axons(target, target_grid, grid) / self.chip.output_axons

    def limited_by(self, grid: Grid, target: Tiling | None, target_grid: Grid | None) -> str:
        """The resource that kept the layer from fewer cores than ``grid`` has.

        Of all cuts into fewer cores the one that exceeds the limits least; of the resources the one
        that it exceeds most.
        """
        if cores(grid) == 1:
            return "layer size"
        fewer = []
        for other in self.tiling.grids():
            if cores(other) < cores(grid):
                loads = Utilisation(
                    self.compartments(other),
                    self.input_axons(other),
                    self.output_axons(other, target, target_grid),
                    0.0,
                )
                fewer.append((loads.tightest[1], other, loads))
        best = ("", float("inf"))
        for load, other, loads in sorted(fewer, key=lambda row: row[:2]):
            if load >= best[1]:
                break
            memory = self.memory(other)
            tightest = max(loads.tightest, ("synaptic memory", memory), key=lambda row: row[1])
            best = min(best, tightest, key=lambda row: row[1])
        return best[0]


def place(layers: Sequence[Cuts]) -> tuple[list[Grid], int | None]:
    """Grids of all layers, each of which has at least one cut that fits.

    Returns:
        The grids, and None; or no grids and the index of the layer whose neurons reach more cores
        of the next layer than a core has outgoing axons for.
    """
    bound = [(0, 0)]  # cost of the best cuts of the layers before, each taken alone
    for cuts in layers:
        bound.append(_add(bound[-1], cuts.get(0)[0]))
    number = itertools.count()
    heap: list[tuple] = []

    def push(layer: int, rank: int, later: tuple[Grid, ...], spent: Cost) -> None:
        choice = layers[layer].get(rank)
        if choice is not None:
            spent = _add(spent, choice[0])
            entry = (_add(spent, bound[layer]), next(number), layer, rank, later, spent, choice)
            heapq.heappush(heap, entry)

    push(len(layers) - 1, 0, (), (0, 0))
    done: set[tuple[int, int]] = set()
    while heap:
        _, _, layer, rank, later, spent, (cost, grid) = heapq.heappop(heap)
        push(layer, rank + 1, later, _subtract(spent, cost))
        if (layer, rank) in done:
            continue  # was reached before, at less cost
        if later:
            target = layers[layer + 1].tiling
            if layers[layer].output_axons(grid, target, later[0]) > 1:
                continue
        done.add((layer, rank))
        if layer == 0:
            return [grid, *later], None
        push(layer - 1, 0, (grid, *later), spent)
    return [], min(layer for layer, _ in done) - 1


def _add(a: Cost, b: Cost) -> Cost:
    return a[0] + b[0], a[1] + b[1]


def _subtract(a: Cost, b: Cost) -> Cost:
    return a[0] - b[0], a[1] - b[1]
