"""From float layers to the integers of the chip: pure functions over small dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_slayer.export.graph import sums_by_sign
from keras_slayer.export.model.float_network import FloatNetwork, FloatPopulation, Synapses
from keras_slayer.export.problems import Notes, Problem
from keras_slayer.export.target import Target
from keras_slayer.export.weight_grid import WeightDamage, WeightGrid, weight_damage


@dataclass(frozen=True, eq=False)
class Kernel:
    """Weights in integers.

    Attributes:
        synapses: the float weights.
        gain: factor on these.
        weight: integers in the shape of the float weights (the network's may have more taps, which
            are zero).
        uses: how many sources share it.
        first: the first channel of the neurons that it leads to.
    """

    synapses: Synapses
    gain: float
    weight: np.ndarray
    uses: int = 1
    first: int = 0

    @property
    def used(self) -> np.ndarray:
        return self.synapses.used * self.gain


@dataclass(frozen=True, eq=False)
class Quantized:
    """One population of neurons in integers.

    Attributes:
        source: the population in floats.
        bits: width of its weights, without sign.
        kernels: all its weights.
        shift, bias: int per channel, its constant synaptic input and the bias of its voltage; None:
            it has none.
        grid: of the weights.
    """

    source: FloatPopulation
    bits: int
    kernels: tuple[Kernel, ...]
    grid: WeightGrid
    shift: np.ndarray | None = None
    bias: np.ndarray | None = None

    @property
    def exact(self) -> bool:
        """Whether the neurons see what they saw in the forward pass, whatever spikes come.

        They round their input to the integers' unit. So weights may differ as long as all of them
        together add up to less than half a unit: float noise, where a normalisation was folded in.
        """
        scale = float(self.grid.scale)
        worst = np.zeros(self.source.shape[-1])
        for kernel in self.kernels:
            difference = np.abs(kernel.used * scale - kernel.weight)
            sums = kernel.uses * difference.reshape(-1, difference.shape[-1]).sum(axis=0)
            worst[kernel.first : kernel.first + len(sums)] += sums
        for given, integers in ((self.source.shift, self.shift), (self.source.bias, self.bias)):
            if given is not None:
                worst += np.abs(given * scale - (0 if integers is None else integers))
        return bool(np.all(worst < 0.49))  # the rest is for float32 sums

    @property
    def constant_error(self) -> float:
        """The most by which constant input or bias differs from the trained, on their scale."""
        errors = [
            np.abs(given - (0 if integers is None else integers / self.grid.scale)).max()
            for given, integers in ((self.source.shift, self.shift), (self.source.bias, self.bias))
            if given is not None
        ]
        return float(max(errors, default=0.0))

    @property
    def weights(self) -> np.ndarray:
        """All its integers."""
        return np.concatenate([kernel.weight.ravel() for kernel in self.kernels])


MAX_CONSTANT = 1024
"""Largest constant synaptic input: 257 neurons of the chip that spike in every step."""


def largest_synaptic_sum(weight: np.ndarray) -> int:
    """Worst case over neurons of |sum of weights|, all inputs of one sign spiking at once.

    Args:
        weight: integers, the last axis counts neurons or filters.
    """
    return int(sums_by_sign(weight).max(initial=0))


def quantize(
    network: FloatNetwork, target: Target, weight_bits: int
) -> tuple[list[Quantized], list[Problem]]:
    """The populations of a float network in the chip's integers, and what keeps them from it.

    A population keeps the width that its weights were trained with; one trained in float, or with
    more than ``weight_bits``, is rounded to ``weight_bits``.
    """
    done: list[Quantized] = []
    problems: list[Problem] = []
    for population in network.populations.values():
        done.append(_rounded(population, target.grid, weight_bits, problems))
    return done, problems


def _rounded(
    population: FloatPopulation,
    grid: WeightGrid,
    weight_bits: int,
    problems: list[Problem],
) -> Quantized:
    trained = population.weight_bits
    bits = weight_bits if trained is None else min(weight_bits, trained)
    kernels = []
    for part in population.parts:
        gains = [term.gain for term in part.spikes.terms]
        for gain in dict.fromkeys(gains):
            on_grid = trained if gain == 1 else None
            weight = _to_integers(part.synapses, gain, on_grid, grid, bits, problems)
            kernels.append(Kernel(part.synapses, gain, weight, gains.count(gain), part.first))
    if population.recurrent is not None:
        weight = _to_integers(population.recurrent, 1.0, trained, grid, bits, problems)
        kernels.append(Kernel(population.recurrent, 1.0, weight))
    shift = bias = None
    notes = Notes(population)
    if population.shift is not None:
        shift = _constant(population.shift, grid.step(grid.bits), grid, notes)
    if population.bias is not None:
        bias = _constant(population.bias, 1, grid, notes)
    problems += notes
    return Quantized(population, bits, tuple(kernels), grid, shift, bias)


def _to_integers(
    synapses: Synapses,
    gain: float,
    trained: int | None,
    grid: WeightGrid,
    bits: int,
    problems: list[Problem],
) -> np.ndarray:
    """The integers of the weights that the forward pass used.

    A layer that was trained on the chip's weights must have those: a weight that is no multiple of
    the step, or lies out of range, is a problem, and is not rounded here.
    """
    used = synapses.used * gain
    # Those of the forward pass are finite where it clips the trained ones.
    wrong = ~(np.isfinite(used) & np.isfinite(synapses.kernel))
    allowed = "finite numbers"
    if trained is not None:
        # With NaN all comparisons are true, and it is wrong already.
        wrong |= grid.nearest(used, trained) != used * float(grid.scale)
        allowed = (
            f"multiples of {grid.step(trained)}/{grid.scale} from {grid.low}/{grid.scale} to "
            f"{grid.high(trained)}/{grid.scale}"
        )
    if not wrong.any():
        return grid.nearest(used, bits).astype(np.int16)
    notes = Notes(synapses)
    notes.add(
        f"{np.count_nonzero(wrong)} of {wrong.size} weights are not what the chip can hold "
        f"(the first: {np.where(np.isfinite(synapses.kernel), used, synapses.kernel)[wrong][0]:g})",
        allowed,
        "look for non-finite weights, and train with the layer's own quantisation",
    )
    problems += notes
    return np.zeros(used.shape, np.int16)


def _constant(values: np.ndarray, step: int, grid: WeightGrid, notes: Notes) -> np.ndarray | None:
    """Constant input in integers that are multiples of ``step``; None where all are zero."""
    if not (np.isfinite(values) & (np.abs(values) <= MAX_CONSTANT)).all():
        notes.add(
            f"its constant input reaches {np.abs(values).max():g}",
            f"numbers up to {MAX_CONSTANT}",
            "look at the training",
        )
        return None
    integers = (np.rint(values * grid.scale / step) * step).astype(np.int64)
    return integers if integers.any() else None


def compare(done: Sequence[Quantized]) -> list[WeightDamage]:
    """For each width, the damage to the weights of the forward pass, over all populations."""
    used = np.concatenate([kernel.used.ravel() for layer in done for kernel in layer.kernels])
    grid = done[0].grid
    return [weight_damage(used, grid, bits) for bits in range(1, grid.bits + 1)]
