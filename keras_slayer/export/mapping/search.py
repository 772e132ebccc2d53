"""The cuts of all populations that need the fewest cores.

Populations are coupled: a core spends an outgoing axon for each core that a neuron reaches. So cuts
are chosen from the last population backwards, with the cuts of all that it leads to known, by a
shortest-path search (A*) whose cost is (cores, input axons summed over cores): fewest cores, and
among those the fewest deliveries of a spike. Its bound, the best cuts of the populations before
taken alone, is almost always reached, and then the search tries one cut per population.

Where the best cuts do not go together, partial choices count as one if populations still to come
cannot tell them apart: those of a chain if the last grid is the same. Should there be too many all
the same, a beam search, which keeps the best few choices only, takes over.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from keras_slayer.export.mapping.placement import Cost, Cuts
from keras_slayer.export.mapping.tiling import Grid, Products, Tiling

MOST_STATES = 10_000
"""Partial choices that the exact search looks at before it gives up."""
BEAM = 32
"""Partial choices that the beam search keeps."""
BRANCHES = 4
"""Cuts of a population that it tries for each of them."""


@dataclass(frozen=True, eq=False)
class Site:
    """One population to be placed.

    Attributes:
        cuts: its possible cuts, at least one.
        targets: the later populations, by number, that it has connections to.
    """

    cuts: Cuts
    targets: tuple[tuple[int, Tiling], ...]


@dataclass(frozen=True)
class Placement:
    """How every population is cut.

    Attributes:
        grids: of each; empty if none were found.
        is_optimal: whether no others need fewer cores.
        stuck: where none were found, the population whose neurons reach too many cores.
    """

    grids: tuple[Grid, ...]
    is_optimal: bool = True
    stuck: int | None = None


def place(sites: Sequence[Site], most_states: int = MOST_STATES) -> Placement:
    """Grids of all populations.

    Args:
        sites: every population before those that it has connections to.
        most_states: partial choices after which the exact search gives up.
    """
    search = _Search(sites)
    return search.exact(most_states) or search.beam()


Chosen = dict[int, Grid]
"""Grids of the populations that have one so far."""


class _Search:
    def __init__(self, sites: Sequence[Site]):
        self.sites = sites
        self.order, self.waiting = _order([[number for number, _ in s.targets] for s in sites])
        self.bound: list[Cost] = [(0, 0)]  # cost of those still to come, each taken alone
        for i in reversed(self.order):
            self.bound.insert(0, _add(self.bound[0], sites[i].cuts.get(0)[0]))
        self._leaving: dict[tuple, Products] = {}

    def exact(self, most_states: int) -> Placement | None:
        """The best grids, or None if there are too many to look at."""
        number = itertools.count()
        heap: list[tuple] = []

        def push(depth: int, rank: int, later: Chosen, spent: Cost) -> None:
            choice = self.sites[self.order[depth]].cuts.get(rank)
            if choice is not None:
                spent = _add(spent, choice[0])
                estimate = _add(spent, self.bound[depth + 1])
                entry = (estimate, next(number), depth, rank, later, spent, choice)
                heapq.heappush(heap, entry)

        push(0, 0, {}, (0, 0))
        done: set[tuple] = set()
        deepest = 0
        for _ in range(most_states):
            if not heap:
                return self._stuck(deepest)
            _, _, depth, rank, later, spent, (cost, grid) = heapq.heappop(heap)
            push(depth, rank + 1, later, _subtract(spent, cost))
            chosen = {**later, self.order[depth]: grid}
            state = self._state(depth, chosen)
            if state in done:
                continue  # was reached before, at less cost
            if not self._fits(self.order[depth], grid, later):
                continue
            done.add(state)
            deepest = max(deepest, depth + 1)
            if depth + 1 == len(self.sites):
                return self._placement(chosen)
            push(depth + 1, 0, chosen, spent)
        return None

    def beam(self) -> Placement:
        """Good grids, or none."""
        best: list[tuple[Cost, Chosen]] = [((0, 0), {})]
        for depth, i in enumerate(self.order):
            found: dict[tuple, tuple[Cost, Chosen]] = {}
            for spent, later in best:
                for cost, grid in itertools.islice(self._fitting(i, later), BRANCHES):
                    total, chosen = _add(spent, cost), {**later, i: grid}
                    state = self._state(depth, chosen)
                    if state not in found or total < found[state][0]:
                        found[state] = total, chosen
            if not found:
                return self._stuck(depth, is_optimal=False)
            best = sorted(found.values(), key=lambda row: row[0])[:BEAM]
        return self._placement(best[0][1], is_optimal=False)

    def _state(self, depth: int, chosen: Chosen) -> tuple:
        """All that populations still to come need to know of the grids that are chosen."""
        rows = []
        for i in self.waiting[depth]:
            targets = [
                (t, chosen[number]) for number, t in self.sites[i].targets if number in chosen
            ]
            numbers, rests = zip(*(tiling.need(grid) for tiling, grid in targets), strict=True)
            rows.append((sum(numbers), *(rest for rest in rests if rest is not None)))
        return depth, *rows

    def _fitting(self, i: int, later: Chosen):
        choices = iter(map(self.sites[i].cuts.get, itertools.count()))
        for cost, grid in iter(choices.__next__, None):
            if self._fits(i, grid, later):
                yield cost, grid

    def _fits(self, i: int, grid: Grid, later: Chosen) -> bool:
        """Whether population ``i`` so cut has enough output axons for what it leads to."""
        site = self.sites[i]
        if not site.targets:
            return True
        targets = [(tiling, later[number]) for number, tiling in site.targets]
        key = (i, *(later[number] for number, _ in site.targets), grid if site.cuts.loops else None)
        if key not in self._leaving:
            self._leaving[key] = site.cuts.leaving(grid, targets)
        return site.cuts.output_axons(grid, self._leaving[key]) <= 1

    def _placement(self, chosen: Chosen, is_optimal: bool = True) -> Placement:
        return Placement(tuple(chosen[i] for i in range(len(self.sites))), is_optimal)

    def _stuck(self, depth: int, is_optimal: bool = True) -> Placement:
        return Placement((), is_optimal, self.order[depth])


def _order(targets: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """In which order to choose, and after each choice who waits for it and others.

    Each population comes after all that it leads to. It waits from the first of these on. Of
    several the one comes next after which the fewest wait.
    """
    order: list[int] = []
    waiting: list[list[int]] = []
    left = list(reversed(range(len(targets))))
    while left:
        ready = [i for i in left if not set(targets[i]) & set(left)]
        after = {
            i: [other for other in left if other != i and {*order, i} & set(targets[other])]
            for i in ready
        }
        order.append(min(ready, key=lambda i: len(after[i])))
        waiting.append(after[order[-1]])
        left.remove(order[-1])
    return order, waiting


def _add(a: Cost, b: Cost) -> Cost:
    return a[0] + b[0], a[1] + b[1]


def _subtract(a: Cost, b: Cost) -> Cost:
    return a[0] - b[0], a[1] - b[1]
