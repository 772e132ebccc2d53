"""The search for the cuts of all populations: against all there are, and when it gives up."""

import bisect
import dataclasses
import functools
import itertools

import pytest
from mapping_cases import TINY
from mapping_graph_cases import conv, dense, population, residual
from random_graphs import RandomGraphs

from keras_slayer.export.graph import IntegerGraph, graph_of
from keras_slayer.export.mapping import mapping, search
from keras_slayer.export.mapping.mapping import NOT_OPTIMAL, map_network, sites_of
from keras_slayer.export.mapping.search import place
from keras_slayer.export.mapping.tiling import cores
from keras_slayer.export.network import IntegerNetwork
from keras_slayer.export.targets.loihi1 import CHIP as LOIHI1


def sites(graph, chip):
    return sites_of(graph, chip, [[8] * len(p.connections) for p in graph.populations.values()])


def fitting(cuts):
    """Every cut of a population that fits, if what it leads to is left aside."""
    ranks = map(cuts.get, itertools.count())
    return [grid for _, grid in itertools.takewhile(bool, ranks)]


def fits(site, grid, grids, chip):
    """Whether the output axons suffice, ``grids`` by number."""
    targets = [(tiling, grids[number]) for number, tiling in site.targets]
    return site.cuts.leaving(grid, targets).peak(grid) <= chip.output_axons


def fewest_cores(graph, chip):
    """Of all combinations of cuts; infinite if none fits."""
    rows = [(site, fitting(site.cuts)) for site in sites(graph, chip)]
    best = float("inf")

    def extend(left, grids, spent):
        nonlocal best
        if not left:
            best = min(best, spent)
            return
        site, candidates = rows[left - 1]
        for grid in candidates:
            if spent + cores(grid) >= best:
                return  # they get no smaller
            if fits(site, grid, grids, chip):
                extend(left - 1, {**grids, left - 1: grid}, spent + cores(grid))

    extend(len(rows), {}, 0)
    return best


def chain(random_networks, seed):
    """Three convolutions, and a chip whose output axons are scarce."""
    source = random_networks(seed)
    shape = (7, 6, 2)
    layers = []
    for _ in range(3):
        layers.append(source.conv(shape))
        shape = layers[-1].output_shape(shape)
    chip = dataclasses.replace(TINY, output_axons=int(source.rng.integers(4, 40)))
    return graph_of(IntegerNetwork((7, 6, 2), tuple(layers))), chip


@pytest.mark.parametrize("seed", [23, 43, 49, 60, 66, 69, 72, 75, 83, 103, 117, 133])
def test_the_search_finds_the_fewest_cores_of_a_chain(random_networks, seed):
    """The seeds are such that the best cuts of each layer do not go together."""
    graph, chip = chain(random_networks, seed)
    placed, problems = map_network(graph, chip)
    fewest = fewest_cores(graph, chip)
    assert bool(problems) == (fewest == float("inf"))
    assert len(placed.cores) == (0 if problems else fewest)


SEEDS = [1, 3, 5, 9, 18, 23, 26, 37, 38, 39, 58, 71, 76, 78, 79, 103]


def graph_and_chip(seed):
    source = RandomGraphs(seed)
    graph = source.graph(populations=4)
    axons = int(source.rng.integers(20, 200))
    chip = dataclasses.replace(TINY, compartments=12, input_axons=200, output_axons=axons)
    return graph, chip


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_finds_the_fewest_cores_of_a_graph(seed):
    """Here, too, the best cuts do not go together; 5 and 78 have none that do."""
    graph, chip = graph_and_chip(seed)
    placed, problems = map_network(graph, chip)
    fewest = fewest_cores(graph, chip)
    assert bool(problems) == (fewest == float("inf")) == (seed in (5, 78))
    assert len(placed.cores) == (0 if problems else fewest)


# Giving up


@pytest.mark.parametrize("seed", [38, 71, 103])
def test_the_search_gives_up_only_beyond_its_number_of_states(seed):
    graph, chip = graph_and_chip(seed)
    rows = sites(graph, chip)
    numbers = range(search.MOST_STATES)
    least = bisect.bisect_left(numbers, True, key=lambda n: place(rows, n).is_optimal)
    assert len(rows) < least < search.MOST_STATES - 1
    assert place(rows, least) == place(rows)
    for states in (0, 1, least // 2, least - 1):
        placement = place(rows, states)
        assert not placement.is_optimal
        grids = dict(enumerate(placement.grids))
        assert len(grids) == len(rows)
        assert all(fits(site, grids[i], grids, chip) for i, site in enumerate(rows))
        # A few states suffice here to find the best all the same.
        assert sum(map(cores, grids.values())) == fewest_cores(graph, chip)


def test_the_mapping_says_where_the_search_gave_up(monkeypatch):
    graph, chip = graph_and_chip(71)
    exact, _ = map_network(graph, chip)
    assert NOT_OPTIMAL not in exact.assumptions
    monkeypatch.setattr(mapping, "place", functools.partial(place, most_states=5))
    given_up, _ = map_network(graph, chip)
    assert given_up.assumptions == (*exact.assumptions, NOT_OPTIMAL)
    assert len(given_up.cores) == len(exact.cores)


def test_no_cuts_are_found_where_there_are_none_after_giving_up():
    graph, chip = graph_and_chip(78)
    rows = sites(graph, chip)
    exact, given_up = place(rows), place(rows, 3)
    assert exact.grids == given_up.grids == ()
    assert exact.stuck == given_up.stuck == 2
    assert (exact.is_optimal, given_up.is_optimal) == (True, False)


def test_a_deep_and_wide_network_is_given_up_and_placed_all_the_same():
    graph = residual(16, (128, 256), 1)
    placed, problems = map_network(graph, LOIHI1)
    assert not problems
    assert placed.assumptions == (*LOIHI1.assumptions, NOT_OPTIMAL)
    bound = sum(cores(site.cuts.get(0)[1]) for site in sites(graph, LOIHI1))
    assert bound <= len(placed.cores) < 2 * bound


# Which partial choices count as one


def test_a_constant_source_of_many_does_not_multiply_the_choices():
    """It is chosen last. Of all that it leads to it needs to know but one number, their cores."""

    def states_of(with_constant):
        populations = {"constant": population((1,))} if with_constant else {}
        last, constant = "x", ("constant", dense(1, 72))
        for i in range(10):
            connections = [(last, conv(1, 2, 2)), constant][: 1 + with_constant]
            populations[f"p{i}"] = population((6, 6, 2), *connections)
            last = f"p{i}"
        graph = IntegerGraph({"x": (6, 6, 2)}, populations, (last,))
        rows = sites(graph, dataclasses.replace(TINY, output_axons=40))
        numbers = range(search.MOST_STATES)
        return bisect.bisect_left(numbers, True, key=lambda n: place(rows, n).is_optimal)

    assert states_of(False) < states_of(True) < 4 * states_of(False)
