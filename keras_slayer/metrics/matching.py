"""How many spikes of a train are where a target train has one: matching within a tolerance."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_slayer import checks


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SpikeMatches:
    """Which spikes of an output have a partner in its target, and which of the target in it.

    Args:
        output: the output's spikes, boolean `(..., time, neurons)`.
        target: the target's spikes, of the same shape.
        output_matched: the spikes of `output` that have a partner in `target`.
        target_matched: the spikes of `target` that have a partner in `output`; as many, neuron by
            neuron.
    """

    output: np.ndarray
    target: np.ndarray
    output_matched: np.ndarray
    target_matched: np.ndarray

    def __repr__(self) -> str:
        return (
            f"SpikeMatches({np.count_nonzero(self.output)} output spikes, "
            f"{np.count_nonzero(self.target)} target spikes, matched={self.matched:.4g}, "
            f"spurious={self.spurious:.4g})"
        )

    @property
    def matched(self) -> float:
        """Share of the target's spikes that have a partner; 1.0 where it has no spikes."""
        return _share(self.target_matched, self.target, of_none=1.0)

    @property
    def spurious(self) -> float:
        """Share of the output's spikes that have no partner; 0.0 where it has no spikes."""
        return 1.0 - _share(self.output_matched, self.output, of_none=1.0)


def match_spikes(output, target, tolerance: float = 2.0, dt: float = 1.0) -> SpikeMatches:
    """Pairs output spikes with target spikes of the same neuron, at most `tolerance` ms apart.

    Each spike has one partner at most, and no other choice of partners makes more pairs. So
    neither a burst around a target spike nor one spike between two targets counts twice.

    The pairs are made from early to late: of the first spikes of both trains that are left, either
    the two are within the tolerance and become a pair, or the earlier one is too early for
    everything that follows and has no partner. That is optimal where all spikes have the same
    tolerance: a best choice that differs can be exchanged for this one, pair by pair.

    Args:
        output: spikes `(time, neurons)` or `(batch, time, neurons)`, zeros and ones; further axes
            after time are allowed.
        target: the same shape.
        tolerance: ms; 0 asks for the same step.
        dt: ms per step.

    Returns:
        The `SpikeMatches`, in the shape of the arguments.

    Raises:
        ValueError: shapes that differ or have fewer than two axes, values other than 0 and 1, a
            negative tolerance.

    Example:

    >>> matches = match_spikes(model.predict(x), y, tolerance=2.0)
    >>> print(f"{matches.matched:.1%} matched, {matches.spurious:.1%} spurious")
    """
    dt = checks.number(dt, "dt", open_low=True)
    tolerance = checks.number(tolerance, "tolerance")
    output, target = _checked_spikes(output, "output"), _checked_spikes(target, "target")
    if output.shape != target.shape:
        raise ValueError(
            "`output` and `target` must have the same shape. "
            f"Received: output.shape={output.shape}, target.shape={target.shape}"
        )
    time_axis = 1 if output.ndim > 2 else 0
    # One row per train, (trains, time), whatever the shape was.
    trains = [np.moveaxis(spikes, time_axis, -1) for spikes in (output, target)]
    rows = [spikes.reshape(math.prod(spikes.shape[:-1]), spikes.shape[-1]) for spikes in trains]
    # Half a thousandth of a step forgives the rounding of tolerance / dt.
    reach = int(np.floor(tolerance / dt + 5e-4))
    pairs = _pair(*rows, reach)
    matched = [
        np.moveaxis(pair.reshape(spikes.shape), -1, time_axis)
        for pair, spikes in zip(pairs, trains, strict=True)
    ]
    return SpikeMatches(output, target, *matched)


def _pair(output, target, reach: int):
    """Which spikes of boolean `(trains, time)` arrays have partners at most `reach` steps away."""
    times = [_spike_times(spikes, reach) for spikes in (output, target)]
    partners = [np.zeros_like(output), np.zeros_like(target)]
    trains = np.arange(len(output))
    heads = [np.zeros(len(output), int), np.zeros(len(output), int)]
    # All trains advance together: each round takes at least one spike off each that has any.
    while True:
        first, second = (each[trains, head] for each, head in zip(times, heads, strict=True))
        left = np.minimum(first, second) < output.shape[1]
        if not left.any():
            return partners
        pair = left & (np.abs(first - second) <= reach)
        for spikes, own in zip(partners, (first, second), strict=True):
            spikes[trains[pair], own[pair]] = True
        heads[0] += left & (pair | (first < second))
        heads[1] += left & (pair | (second < first))


def _spike_times(spikes, reach: int):
    """Steps of each train's spikes, `(trains, most spikes + 1)`, past the end where none is left.

    The padding is further than `reach` from every step, so that it pairs with no spike.
    """
    counts = spikes.sum(axis=1)
    steps = np.full((len(spikes), counts.max(initial=0) + 1), spikes.shape[1] + reach + 1)
    train, step = np.nonzero(spikes)
    steps[train, np.arange(len(train)) - np.repeat(np.cumsum(counts) - counts, counts)] = step
    return steps


def _checked_spikes(spikes, name: str):
    spikes = np.asarray(spikes)
    if spikes.ndim < 2:
        raise ValueError(
            f"`{name}` must be spikes of shape (time, neurons) or (batch, time, neurons). "
            f"Received: {name}.shape={spikes.shape}"
        )
    fired = spikes != 0
    if not (spikes[fired] == 1).all():
        value = spikes[fired & (spikes != 1)][0]
        raise ValueError(f"`{name}` must be 0 or 1 everywhere. Received: a value of {value}")
    return fired


def _share(part, whole, of_none: float) -> float:
    count = np.count_nonzero(whole)
    return np.count_nonzero(part) / count if count else of_none
