"""The Loihi neuron with the linear response of another one, and the scale of its weights."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_slayer import loihi
from keras_slayer.export.quantize import largest_synaptic_sum
from keras_slayer.export.targets.loihi1 import TARGET
from keras_slayer.neurons import CUBA, SRM, LoihiCUBA

GRID = TARGET.grid
"""Of the weights of every Loihi."""

TOLERATED_ERROR = 0.05
"""Relative rounding error of a layer's weights (rms) up to which their scale is lowered until the
worst-case synaptic sum fits into the chip's 16 bits."""

SCALES = 2.0 ** np.arange(-5, 5.25, 0.25)
"""Scales that are tried, relative to the one with which the largest weight is 4."""


class NoEquivalentError(ValueError):
    """(what, allowed, remedy) of a neuron or weights that the chip cannot hold."""


def equivalent_neuron(neuron: SRM | CUBA, weight_bits: int) -> tuple[LoihiCUBA, float]:
    """The Loihi neuron (threshold not yet set) and the gain: response = gain * its response.

    The gain is that of least squares over the response kernels, for SRM e (dt / tau) exp(-dt / tau)
    up to the rounding of the decays.

    Raises:
        NoEquivalentError: a time constant off the chip's range.
    """
    response = neuron.response_kernel()
    if isinstance(neuron, SRM):
        lost = [1 - math.exp(-neuron.dt / neuron.tau_response)] * 2  # per step
    else:
        lost = [neuron.current_decay, neuron.voltage_decay]
        response = np.concatenate([[0.0], response[:-1]])  # the chip's step from layer to layer
    decays = [round(loihi.DECAY_UNIT * fraction) for fraction in lost]
    if any(fraction > 0 and decay == 0 for fraction, decay in zip(lost, decays, strict=True)):
        raise NoEquivalentError(
            f"a time constant of {neuron} rounds to a decay of 0",
            "at most 8192 steps",
            "train it with a shorter one",
        )
    found = LoihiCUBA(
        current_decay=decays[0],
        voltage_decay=decays[1],
        weight_bits=weight_bits,
        dt=neuron.dt,
        **_gradient(neuron),
    )
    chip = found.response_kernel()
    gain = float(response @ chip / (chip @ chip))
    if not gain > 1e-9:
        raise NoEquivalentError(
            f"the response of {neuron} is over before its first step",
            "time constants of at least a tenth of a step",
            "train it with a longer one",
        )
    return found, gain


def _gradient(neuron: SRM | CUBA) -> dict:
    """The fields that say how a neuron learns. They hold whatever its dynamics are."""
    names = (field.name for field in dataclasses.fields(LoihiCUBA))
    return {
        name: getattr(neuron, name)
        for name in names
        if name.startswith("surrogate") or name == "gradient"
    }


def threshold_mantissa(threshold: float) -> int:
    """The nearest of the chip's thresholds."""
    return int(np.clip(round(threshold * GRID.scale), 1, loihi.MAX_THRESHOLD))


def choose_scale(kernel: np.ndarray, threshold: float, bits: int) -> float:
    """The factor with which float weights become the chip's at the least loss.

    Of all SCALES whose synaptic sums fit even if all inputs of one sign spike at once, the one with
    the least rounding error. Where that exceeds TOLERATED_ERROR, as it may with few bits and many
    inputs, the least rounding error of all: inputs seldom spike all at once.

    Args:
        kernel: float weights, outputs last.
        threshold: of the neuron, for these weights.
        bits: of the chip's weights.

    Raises:
        NoEquivalentError: weights that are not finite.
    """
    infinite = int(np.count_nonzero(~np.isfinite(kernel)))
    if infinite:
        raise NoEquivalentError(
            f"{infinite} of {kernel.size} weights are not finite", "numbers", "look at the training"
        )
    largest = float(np.abs(kernel).max(initial=0.0))
    most = loihi.MAX_THRESHOLD / GRID.scale / threshold
    if largest == 0:
        return min(1.0, most)
    scales = np.unique(np.minimum(SCALES * -GRID.low / GRID.scale / largest, most))
    tried = []
    for scale in scales.tolist():
        integers = GRID.nearest(kernel * scale, bits)
        error = np.linalg.norm(integers / (GRID.scale * scale) - kernel) / np.linalg.norm(kernel)
        fits = largest_synaptic_sum(integers) <= TARGET.synaptic_sum_limit
        tried.append((fits and error <= TOLERATED_ERROR, -error, scale))
    return max(tried)[2]


def choose_pool_scale(weight: float, window: int, threshold: float, bits: int) -> float:
    """The factor that makes the taps of a pool the largest weight of the chip that is allowed.

    Args:
        weight: of every tap.
        window: number of taps.
        threshold, bits: as in ``choose_scale``.

    Raises:
        NoEquivalentError: the threshold would be off the chip's range.
    """
    step, high = GRID.step(bits), GRID.high(bits)
    in_range = loihi.MAX_THRESHOLD * weight / threshold
    most = min(high, TARGET.synaptic_sum_limit / window, in_range)
    tap = most // step * step
    if tap == 0:
        raise NoEquivalentError(
            f"its taps are {weight / threshold:.2g} of its neuron's threshold (once converted)",
            f"taps of {step}/{GRID.scale} to {high}/{GRID.scale} with {bits} bits, thresholds up "
            f"to {loihi.MAX_THRESHOLD:,}/{GRID.scale}",
            "build it with a larger weight, or convert to more weight_bits",
        )
    return tap / GRID.scale / weight
