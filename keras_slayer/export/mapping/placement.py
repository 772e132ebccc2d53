"""What each way to cut a population takes of a core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.population_tiling import PopulationTiling
from keras_slayer.export.mapping.tiling import Factors, Grid, Parts, Products, Tiling, cores, size

Cost = tuple[int, int]
"""Cores, and input axons summed over cores: how many deliveries a spike of every source makes."""


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


def output_axons(targets: Sequence[tuple[Tiling, Grid]]) -> Products:
    """Output axon slots of a core, by the connections that leave it and the cores they lead to."""

    def factor(tiling: Tiling, grid: Grid):
        slots = tiling.slots(grid)

        def leaving(axis: int, cuts: Parts) -> Factors:
            factors = tiling.leaving(grid, axis, cuts)
            return factors if axis else tuple(slots * factor for factor in factors)

        return leaving

    return Products([factor(*target) for target in targets])


class Cuts:
    """The cuts of one population that fit the chip whatever it leads to, cheapest first.

    Args:
        tiling: the population.
        chip: the limits.
        loops: those of its connections that come from itself.
    """

    def __init__(self, tiling: PopulationTiling, chip: Chip, loops: Sequence[Tiling] = ()):
        self.tiling = tiling
        self.chip = chip
        self.loops = tuple(loops)
        costs = (((cores(g), tiling.input_axons.total(g)), g) for g in tiling.grids())
        self._waiting = iter(sorted(costs))
        self._fitting: list[tuple[Cost, Grid]] = []

    def get(self, rank: int) -> tuple[Cost, Grid] | None:
        """Cost and grid number ``rank``; None past the last."""
        while len(self._fitting) <= rank:
            # Memory takes longest to count, so it is counted last, and only when asked for.
            cost, grid = next(self._waiting, (None, None))
            if grid is None:
                return None
            if self._load(grid) <= 1 and self._memory(grid, 1) <= 1:
                self._fitting.append((cost, grid))
        return self._fitting[rank]

    def _load(self, grid: Grid) -> float:
        load = max(self.compartments(grid), self.input_axons(grid))
        return max(load, self.output_axons(grid, self.leaving(grid))) if self.loops else load

    def compartments(self, grid: Grid) -> float:
        most = size(tuple(cuts[0] for cuts in grid))
        room = self.chip.compartments_with(self.tiling.delay_bits)
        return most / room if room else float("inf")

    def input_axons(self, grid: Grid) -> float:
        return self.tiling.input_axons.peak(grid) / self.chip.input_axons

    def _memory(self, grid: Grid, enough: float) -> float:
        """Where it exceeds ``enough``, any number that does."""
        there = self.chip.synaptic_memory_bits
        return self.tiling.peak_memory_bits(grid, enough * there) / there

    def output_axons(self, grid: Grid, leaving: Products) -> float:
        return leaving.peak(grid) / self.chip.output_axons

    def leaving(self, grid: Grid, targets: Sequence[tuple[Tiling, Grid]] = ()) -> Products:
        """Output axons of cores cut as in ``grid``: to ``targets``, and to themselves."""
        return output_axons([*targets, *((tiling, grid) for tiling in self.loops)])

    def limited_by(self, grid: Grid, targets: Sequence[tuple[Tiling, Grid]]) -> str:
        """The resource that kept the population from fewer cores than ``grid`` has.

        Of all cuts into fewer cores the one that exceeds the limits least; of the resources the one
        that it exceeds most.

        Args:
            targets: the connections to other populations, and how those are cut.
        """
        if cores(grid) == 1:
            return "layer size"
        leaving = None if self.loops else self.leaving(grid, targets)
        fewer = []
        for other in self.tiling.grids():
            if cores(other) < cores(grid):
                loads = Utilisation(
                    self.compartments(other),
                    self.input_axons(other),
                    self.output_axons(other, leaving or self.leaving(other, targets)),
                    0.0,
                )
                fewer.append((loads.tightest[1], other, loads))
        best = ("", float("inf"))
        for load, other, loads in sorted(fewer, key=lambda row: row[:2]):
            if load >= best[1]:
                break
            memory = self._memory(other, best[1])
            tightest = max(loads.tightest, ("synaptic memory", memory), key=lambda row: row[1])
            best = min(best, tightest, key=lambda row: row[1])
        return best[0]
