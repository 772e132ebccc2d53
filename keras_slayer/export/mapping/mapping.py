"""Places the layers of a network on the cores of a chip, within the chip's limits."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.placement import Cuts, Utilisation, place
from keras_slayer.export.mapping.tiling import Grid, Tiling, output_axons, size, tiles
from keras_slayer.export.network import IntegerFlatten, IntegerNetwork
from keras_slayer.export.problems import Problem


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
    """One layer with neurons, summed up over its cores.

    Attributes:
        name: of the layer.
        cores, neurons: how many.
        input_axons, max_input_axons: over all its cores, and of the fullest.
        output_axons, max_output_axons: likewise.
        memory_bytes, max_memory_bytes: synaptic memory, likewise.
        weight_bits, delay_bits: bits of each in a stored synapse.
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
        layers: one entry for each layer with neurons.
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
    network: IntegerNetwork,
    chip: Chip,
    names: Sequence[str] | None = None,
    weight_bits: Sequence[int] | None = None,
) -> tuple[Mapping, list[Problem]]:
    """Places every neuron of ``network`` on a core, with as few cores as the limits allow.

    Dense layers are cut by neurons, convolutions by rows, columns and channels. What is counted,
    and how, is said in ``Mapping.assumptions`` and in tiling.py.

    Args:
        network: the network in the chip's integers.
        chip: its limits, of a target in ``keras_slayer.export.targets``.
        names: of the layers with neurons; default "layer 0", "layer 1", ...
        weight_bits: of the same layers, 1 ... 8 without the sign; default 8.

    Returns:
        The mapping, and a problem for each layer that no number of cores can hold. With problems
        the mapping is empty: nothing is clipped. A network that needs several chips is no problem.

    Raises:
        ValueError: not one name or number of bits per layer, or bits that no format has.
    """
    rows = list(zip(network.layers, network.shapes(), strict=False))
    rows = [(layer, shape) for layer, shape in rows if not isinstance(layer, IntegerFlatten)]
    if names is None:
        names = [f"layer {i}" for i in range(len(rows))]
    if weight_bits is None:
        weight_bits = [8] * len(rows)
    for argument, values in (("names", names), ("weight_bits", weight_bits)):
        if len(values) != len(rows):
            raise ValueError(
                f"{argument} must have one entry for each of the {len(rows)} layers with neurons. "
                f"Received: {argument}={values!r}"
            )
    tilings = [
        chip.tiling(layer, shape, chip, bits)
        for (layer, shape), bits in zip(rows, weight_bits, strict=True)
    ]
    layers = [Cuts(tiling, chip) for tiling in tilings]
    nothing = Mapping(chip.name, chip.cores, 0, (), (), chip.assumptions)
    problems = [
        _too_large(name, cuts)
        for name, cuts in zip(names, layers, strict=True)
        if cuts.get(0) is None
    ]
    if problems or not layers:
        return nothing, problems
    grids, stuck = place(layers)
    if stuck is not None:
        return nothing, [_too_many_targets(names[stuck], tilings[stuck + 1], chip)]
    cores = tuple(_cores(tilings, grids, chip))
    return (
        Mapping(
            chip.name,
            chip.cores,
            -(-len(cores) // chip.cores),
            tuple(
                _summary(
                    name,
                    [core for core in cores if core.layer == i],
                    chip.stored_weight_bits(weight_bits[i]),
                    tilings[i].delay_bits,
                    layers[i].limited_by(grids[i], *_next(i, tilings, grids)),
                )
                for i, name in enumerate(names)
            ),
            cores,
            chip.assumptions,
        ),
        [],
    )


def _next(i: int, tilings: list[Tiling], grids: list[Grid]):
    """Tiling and grid of the layer after layer ``i``."""
    return (tilings[i + 1], grids[i + 1]) if i + 1 < len(grids) else (None, None)


def _cores(tilings: list[Tiling], grids: list[Grid], chip: Chip) -> Iterator[Core]:
    index = 0
    for i, (tiling, grid) in enumerate(zip(tilings, grids, strict=True)):
        room = chip.compartments_with(tiling.delay_bits)
        target = _next(i, tilings, grids)
        for tile in tiles(grid):
            counts = (
                size(tile),
                tiling.input_axons(tile),
                output_axons(*target, tile),
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


def _too_large(name: str, cuts: Cuts) -> Problem:
    """A layer of which not even one neuron fits on a core."""
    tiling, chip = cuts.tiling, cuts.chip
    single = tuple((0, 1) for _ in tiling.shape)
    axons, bits = tiling.input_axons(single), tiling.memory_bits(single)
    if not chip.compartments_with(tiling.delay_bits):
        return Problem(
            name,
            f"its delays take {tiling.delay_bits} bits",
            f"{chip.delay_slots.bit_length() - 1} bits on a core of {chip.name}",
            "use shorter delays",
        )
    if axons > chip.input_axons:
        return Problem(
            name,
            f"a neuron needs {axons:,} input axons",
            f"{chip.input_axons:,} per core of {chip.name}",
            "give it fewer inputs: pool or stride before it",
        )
    return Problem(
        name,
        f"the synapses of one neuron take {bits // 8:,} bytes",
        f"{chip.synaptic_memory_bits // 8:,} bytes of synaptic memory per core of {chip.name}",
        "give it fewer inputs, or weights of fewer bits",
    )


def _too_many_targets(name: str, target: Tiling, chip: Chip) -> Problem:
    return Problem(
        name,
        f"its neurons reach too many cores: the next layer has {target.neurons:,} neurons",
        f"{chip.output_axons:,} output axons per core of {chip.name}",
        "make the next layer smaller",
    )
