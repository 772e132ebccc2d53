"""Places the populations of a network on the cores of a chip, within the chip's limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_slayer.export.graph import IntegerGraph, graph_of
from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.placement import Cuts, Utilisation
from keras_slayer.export.mapping.population_tiling import PopulationTiling
from keras_slayer.export.mapping.search import Site, place
from keras_slayer.export.mapping.tiling import Grid, size, tiles
from keras_slayer.export.mapping.too_large import too_large, too_many_targets
from keras_slayer.export.network import IntegerFlatten, IntegerNetwork
from keras_slayer.export.problems import Problem

NOT_OPTIMAL = (
    "There are too many ways to cut this network to look at all: its cores may not be the fewest."
)
"""What ``Mapping.assumptions`` says where the exact search was given up (search.py)."""


@dataclass(frozen=True)
class Core:
    """One core and what it holds.

    Attributes:
        index: number among all cores.
        chip, core_on_chip: where it is.
        layer: index into ``Mapping.layers``.
        where: its part of the layer, in words.
        ranges: the same in numbers, (start, stop) for each axis: neurons, or rows, columns and
            channels.
        compartments: neurons.
        input_axons, output_axons: entries of the two axon tables.
        synaptic_memory_bits: including unused bits of begun words.
        utilisation: these four as fractions of the chip's limits.
    """

    index: int
    chip: int
    core_on_chip: int
    layer: int
    where: str
    ranges: tuple[tuple[int, int], ...]
    compartments: int
    input_axons: int
    output_axons: int
    synaptic_memory_bits: int
    utilisation: Utilisation


@dataclass(frozen=True)
class LayerMapping:
    """One layer with neurons (a population of a graph), summed up over its cores.

    Attributes:
        name: of the layer.
        cores, neurons: how many.
        input_axons, max_input_axons: over all its cores, and of the fullest.
        output_axons, max_output_axons: likewise.
        memory_bytes, max_memory_bytes: synaptic memory, likewise.
        weight_bits, delay_bits: bits of each in a stored synapse; of several connections the most;
            0 without any.
        utilisation: fraction of the tightest resource of a core, mean over its cores.
        limited_by: the resource that kept the layer from fewer cores ("compartments", "input
            axons", "output axons", "synaptic memory"), or "layer size" if it fits on one.
    """

    name: str
    cores: int
    neurons: int
    input_axons: int
    max_input_axons: int
    output_axons: int
    max_output_axons: int
    memory_bytes: int
    max_memory_bytes: int
    weight_bits: int
    delay_bits: int
    utilisation: float
    limited_by: str


@dataclass(frozen=True)
class Mapping:
    """Where the neurons of a network are: ``dataclasses.asdict`` makes it ready for JSON.

    Attributes:
        chip: name of the chip.
        cores_per_chip: cores on each.
        chips: chips needed.
        layers: one entry for each layer with neurons, in the order of the network.
        cores: one entry for each core used, layer by layer.
        assumptions: what the counts rest on, in sentences.
    """

    chip: str
    cores_per_chip: int
    chips: int
    layers: tuple[LayerMapping, ...]
    cores: tuple[Core, ...]
    assumptions: tuple[str, ...]


def map_network(
    network: IntegerGraph | IntegerNetwork,
    chip: Chip,
    names: Sequence[str] | None = None,
    weight_bits: Sequence[int | Sequence[int]] | None = None,
) -> tuple[Mapping, list[Problem]]:
    """Places every neuron of ``network`` on a core, with as few cores as the limits allow.

    Vectors are cut by neurons, images by rows, columns and channels. What is counted, and how, is
    said in ``Mapping.assumptions``, in tiling.py and conv_tiling.py.

    Args:
        network: the network in the chip's integers.
        chip: its limits, of a target in ``keras_slayer.export.targets``.
        names: of the layers with neurons; default: those of a graph's populations, "layer 0",
            "layer 1", ... for a chain.
        weight_bits: of the same layers, 1 ... 8 without the sign, or one such number for each of a
            population's connections; default 8.

    Returns:
        The mapping, and a problem for each layer that no number of cores can hold. With problems
        the mapping is empty: nothing is clipped. A network that needs several chips is no problem.

    Raises:
        ValueError: not one name or number of bits per layer, or bits that no format has.
    """
    nothing = Mapping(chip.name, chip.cores, 0, (), (), chip.assumptions)
    graph, names = _graph(network, names)
    if graph is None:
        return nothing, []
    bits = _bits_of_connections(graph, weight_bits)
    sites = sites_of(graph, chip, bits)
    problems = [
        too_large(name, site.cuts)
        for name, site in zip(names, sites, strict=True)
        if site.cuts.get(0) is None
    ]
    if problems:
        return nothing, problems
    placement = place(sites)
    if placement.stuck is not None:
        site = sites[placement.stuck]
        targets = {names[i]: sites[i].cuts.tiling for i, _ in site.targets}
        return nothing, [too_many_targets(names[placement.stuck], targets, chip)]
    grids = placement.grids
    cores = tuple(_cores(sites, grids, chip))
    layers = tuple(
        _summary(
            name,
            [core for core in cores if core.layer == i],
            max(map(chip.stored_weight_bits, bits[i]), default=0),
            site.cuts.tiling.delay_bits,
            site.cuts.limited_by(grids[i], _targets(site, grids)),
        )
        for i, (name, site) in enumerate(zip(names, sites, strict=True))
    )
    assumptions = chip.assumptions if placement.is_optimal else (*chip.assumptions, NOT_OPTIMAL)
    chips = -(-len(cores) // chip.cores)
    return Mapping(chip.name, chip.cores, chips, layers, cores, assumptions), []


def _graph(
    network: IntegerGraph | IntegerNetwork, names: Sequence[str] | None
) -> tuple[IntegerGraph | None, Sequence[str]]:
    """The network as a graph, None without neurons, and the names of what has them."""
    if isinstance(network, IntegerNetwork):
        number = sum(not isinstance(layer, IntegerFlatten) for layer in network.layers)
        graph = graph_of(network) if number else None
        default = [f"layer {i}" for i in range(number)]
    else:
        graph, default = network, list(network.populations)
    names = default if names is None else names
    _check_entries("names", names, len(default))
    return graph, names


def _check_entries(argument: str, values: Sequence, number: int) -> None:
    if len(values) != number:
        raise ValueError(
            f"{argument} must have one entry for each of the {number} layers with neurons. "
            f"Received: {argument}={values!r}"
        )


def _bits_of_connections(
    graph: IntegerGraph, weight_bits: Sequence[int | Sequence[int]] | None
) -> list[tuple[int, ...]]:
    """Bits of weight of every connection of every population."""
    populations = list(graph.populations.items())
    if weight_bits is None:
        weight_bits = [8] * len(populations)
    _check_entries("weight_bits", weight_bits, len(populations))
    rows = []
    for (name, population), bits in zip(populations, weight_bits, strict=True):
        number = len(population.connections)
        row = tuple(bits) if isinstance(bits, Sequence) else (bits,) * number
        if len(row) != number:
            raise ValueError(
                f"weight_bits must have one number for each of the {number} connections of "
                f"{name!r}. Received: {bits!r}"
            )
        rows.append(row)
    return rows


def sites_of(graph: IntegerGraph, chip: Chip, bits: Sequence[Sequence[int]]) -> list[Site]:
    """The populations, to be placed, with where their connections lead."""
    number = {name: i for i, name in enumerate(graph.populations)}
    targets: dict[str, list] = {name: [] for name in number}
    loops: dict[str, list] = {name: [] for name in number}
    tilings: list[PopulationTiling] = []
    for (name, population), row in zip(graph.populations.items(), bits, strict=True):
        incoming = []
        for connection, width in zip(population.connections, row, strict=True):
            source = connection.source
            tiling = chip.tiling(
                connection.synapses, graph.shape(source), population.shape, chip, width
            )
            incoming.append(tiling)
            if source == name:
                loops[name].append(tiling)
            elif source in number:
                targets[source].append((number[name], tiling))
        tilings.append(PopulationTiling(population.shape, incoming))
    return [
        Site(Cuts(tiling, chip, loops[name]), tuple(targets[name]))
        for name, tiling in zip(number, tilings, strict=True)
    ]


def _targets(site: Site, grids: Sequence[Grid]):
    """Tiling and grid of every connection to another population."""
    return [(tiling, grids[i]) for i, tiling in site.targets]


def _cores(sites: Sequence[Site], grids: Sequence[Grid], chip: Chip) -> Iterator[Core]:
    index = 0
    for i, (site, grid) in enumerate(zip(sites, grids, strict=True)):
        tiling = site.cuts.tiling
        room = chip.compartments_with(tiling.delay_bits)
        leaving = site.cuts.leaving(grid, _targets(site, grids))
        for tile in tiles(grid):
            counts = (
                size(tile),
                tiling.input_axons.of(tile),
                leaving.of(tile),
                tiling.memory_bits(tile),
            )
            limits = (room, chip.input_axons, chip.output_axons, chip.synaptic_memory_bits)
            yield Core(
                index,
                *divmod(index, chip.cores),
                i,
                tiling.where(tile),
                tile,
                *counts,
                Utilisation(*(n / limit for n, limit in zip(counts, limits, strict=True))),
            )
            index += 1


def _summary(
    name: str, cores: list[Core], weight_bits: int, delay_bits: int, limited_by: str
) -> LayerMapping:
    def total_and_most(field: str) -> tuple[int, int]:
        values = [getattr(core, field) for core in cores]
        return sum(values), max(values)

    return LayerMapping(
        name,
        len(cores),
        sum(core.compartments for core in cores),
        *total_and_most("input_axons"),
        *total_and_most("output_axons"),
        *(bits // 8 for bits in total_and_most("synaptic_memory_bits")),
        weight_bits,
        delay_bits,
        math.fsum(core.utilisation.tightest[1] for core in cores) / len(cores),
        limited_by,
    )
