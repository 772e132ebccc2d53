"""What to say of a population that no number of cores can hold."""

from __future__ import annotations

from collections.abc import Mapping

from keras_slayer.export.mapping.chip import Chip
from keras_slayer.export.mapping.placement import Cuts
from keras_slayer.export.mapping.population_tiling import PopulationTiling
from keras_slayer.export.problems import Problem


def too_large(name: str, cuts: Cuts) -> Problem:
    """A population of which not even one neuron fits on a core."""
    tiling, chip = cuts.tiling, cuts.chip
    singles = tuple(tuple((i, i + 1) for i in range(length)) for length in tiling.shape)
    axons, bits = tiling.input_axons.peak(singles), tiling.peak_memory_bits(singles)
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
    if bits > chip.synaptic_memory_bits:
        return Problem(
            name,
            f"the synapses of one neuron take {bits // 8:,} bytes",
            f"{chip.synaptic_memory_bits // 8:,} bytes of synaptic memory per core of {chip.name}",
            "give it fewer inputs, or weights of fewer bits",
        )
    return Problem(
        name,
        f"its {tiling.neurons:,} neurons feed each other on too many cores",
        f"{chip.output_axons:,} output axons per core of {chip.name}",
        "make it smaller",
    )


def too_many_targets(name: str, targets: Mapping[str, PopulationTiling], chip: Chip) -> Problem:
    """A population whose neurons reach more cores than a core has output axons for.

    Args:
        targets: what it leads to, by name.
    """
    if len(targets) == 1:
        (target,) = targets.values()
        reached, remedy = f"the next layer has {target.neurons:,} neurons", "make the next layer"
    else:
        neurons = [f"{name!r} has {target.neurons:,} neurons" for name, target in targets.items()]
        reached, remedy = ", ".join(neurons), "make the layers after it"
    return Problem(
        name,
        f"its neurons reach too many cores: {reached}",
        f"{chip.output_axons:,} output axons per core of {chip.name}",
        f"{remedy} smaller",
    )
