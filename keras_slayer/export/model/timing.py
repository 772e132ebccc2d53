"""When spikes have to arrive on the chip so that every neuron sees what it sees in the model.

The model's time is the chip's: a layer of the chip's neurons takes a step in both. Only a
``DelayLayer`` moves spikes, and a delay on the chip is one of dense synapses. Before other synapses
it is passed on: where all that reaches a neuron comes late by L steps, the neuron on the chip is
given it at once, and spikes L steps early. Whoever reads it adds L to its own delay. Where a neuron
takes inputs that are late by different times, the earliest sets L and relays hold back the others:
neurons that repeat what they get, a step later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from keras_slayer.export.model.float_network import (
    FloatNetwork,
    FloatPopulation,
    Part,
    Shape,
    Term,
)
from keras_slayer.export.problems import Notes, Problem

MAX_RELAYS = 16
"""Most relays in a row: each is a neuron for every neuron that it repeats."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """How the spikes of a term come to synapses.

    Attributes:
        relays: steps that they are held back by relays.
        delay: steps of each dense synapse, int (inputs, outputs), or None.
    """

    relays: int = 0
    delay: np.ndarray | None = None


@dataclass(eq=False)
class Timing:
    """The timing of a network.

    Attributes:
        early: by name of a population, int of its shape: the steps by which its neurons spike early
            on the chip; those that do not are left out.
        arrivals: for each term of each part of each population (by name), in order.
        readout: relays after an output, by name of its population.
    """

    early: dict[str, np.ndarray] = field(default_factory=dict)
    arrivals: dict[str, list[list[Arrival]]] = field(default_factory=dict)
    readout: dict[str, int] = field(default_factory=dict)


def schedule(network: FloatNetwork, max_delay: int) -> tuple[Timing, list[Problem]]:
    """The timing of ``network``, and what cannot be timed.

    Args:
        max_delay: steps that a dense synapse can delay a spike.
    """
    timing, problems = Timing(), []
    for population in network.populations.values():
        notes = Notes(population)
        _schedule(population, network, timing, max_delay, notes)
        problems += notes
    for name in network.outputs:
        early = timing.early.get(name)
        if early is None:
            continue
        if early.min() == early.max() <= MAX_RELAYS:
            timing.readout[name] = int(early.max())
            continue
        notes = Notes(network.populations[name])
        notes.add(
            f"a delay comes before it, and no dense layer follows: it spikes {early.min()} to "
            f"{early.max()} steps early",
            f"delays that a dense layer takes up, or one of {MAX_RELAYS} steps at most for all",
            "move the DelayLayer after the last spiking layer, where the host runs it",
        )
        problems += notes
    return timing, problems


def _schedule(
    population: FloatPopulation,
    network: FloatNetwork,
    timing: Timing,
    max_delay: int,
    notes: Notes,
) -> None:
    channels = population.shape[-1]
    late = {}  # by part and term: of each input to dense synapses, of each channel to others
    for i, part in enumerate(population.parts):
        for j, term in enumerate(part.spikes.terms):
            steps = term.late
            if term.source in timing.early:
                steps = steps + timing.early[term.source].ravel()
            if part.synapses.window is not None:
                steps = _through(part, term, network.shape(term.source), steps, channels, notes)
            late[i, j] = steps
    dense = [i for i, part in enumerate(population.parts) if part.synapses.window is None]
    early = _early(population, late, set(dense))
    arrivals: list[list[Arrival]] = [[] for _ in population.parts]
    for (i, _), steps in late.items():
        part = population.parts[i]
        if i in dense:
            arrivals[i].append(_delays(part, steps, early, channels, max_delay, notes))
        else:
            arrivals[i].append(_relays(steps - early, notes))
    timing.arrivals[population.name] = arrivals
    if early.any():
        timing.early[population.name] = np.broadcast_to(early, population.shape)


def _early(
    population: FloatPopulation, late: dict[tuple[int, int], np.ndarray], dense: set[int]
) -> np.ndarray:
    """Steps by which each channel can spike early, int (channels,)."""
    channels = population.shape[-1]
    others = [steps for (i, _), steps in late.items() if i not in dense]
    constant = population.shift is not None or population.bias is not None  # from the first step
    if not others or constant or all(np.isnan(steps).all() for steps in others):
        return np.zeros(channels, int)
    lowest, highest = np.full(channels, np.inf), np.full(channels, -np.inf)
    for steps in others:
        lowest, highest = np.fmin(lowest, steps), np.fmax(highest, steps)
    least_dense = min((steps.min() for (i, _), steps in late.items() if i in dense), default=np.inf)
    met = np.isfinite(lowest)
    # Neurons that feed each other keep their time among themselves.
    apart = population.recurrent is None or (met.all() and lowest.min() == lowest.max())
    if apart and (lowest[met] == highest[met]).all() and lowest[met].max(initial=0) <= least_dense:
        return np.where(met, lowest, 0).astype(int)
    return np.full(channels, min(lowest.min(), least_dense), int)


def _through(
    part: Part, term: Term, source: Shape, late: np.ndarray, channels: int, notes: Notes
) -> np.ndarray:
    """The delay of a convolution's inputs as one of its outputs, (all channels of the neurons,).

    That is the same where all inputs of each group of channels are equally late: synapses and
    neurons do not change with time, and start at rest. NaN: channels that the term does not reach.
    """
    synapses = part.synapses
    filters = synapses.output_shape[-1]
    result = np.full(channels, np.nan)
    placement = placement_of(term, source, part.spikes.shape)
    if placement is None:
        notes.add(
            "it convolves data whose elements are not where their source had them",
            "whole images, side by side or padded",
            "join images along one axis",
        )
        return result
    groups = synapses.window.groups
    late = late.reshape(-1, source[-1])
    group_of = placement.channels // (part.spikes.shape[-1] // groups)
    per_group = filters // groups
    for group in np.unique(group_of):
        own = late[:, group_of == group]
        if (own != own.flat[0]).any():
            notes.add(
                "a delay comes before it that differs from input to input",
                "such delays before dense layers: the chip's convolutions have none",
                "move the DelayLayer after the convolution",
            )
            break
        start = part.first + int(group) * per_group
        result[start : start + per_group] = own.flat[0]
    return result


@dataclass(frozen=True)
class Placement:
    """Where the image of a source lies in the image that a convolution reads.

    Attributes:
        channels: the channel that each of its channels is.
        before, after: rows and columns around it, (vertical, horizontal).
    """

    channels: np.ndarray
    before: tuple[int, int]
    after: tuple[int, int]


def placement_of(term: Term, source: Shape, shape: Shape) -> Placement | None:
    """Of ``source`` in an image of ``shape``; None where it is not there as a whole."""
    if len(source) != 3 or len(shape) != 3:
        return None
    first = np.unravel_index(term.places[: source[2]], shape)
    top, left, channels = int(first[0][0]), int(first[1][0]), first[2]
    after = (shape[0] - top - source[0], shape[1] - left - source[1])
    if min(after) < 0:
        return None
    rows, columns = (start + np.arange(n) for start, n in zip((top, left), source, strict=False))
    index = np.arange(np.prod(shape)).reshape(shape)[np.ix_(rows, columns, channels)]
    if not np.array_equal(index.ravel(), term.places):
        return None
    return Placement(channels, (top, left), after)


def _delays(
    part: Part,
    late: np.ndarray,
    early: np.ndarray,
    channels: int,
    max_delay: int,
    notes: Notes,
) -> Arrival:
    outputs = int(np.prod(part.synapses.output_shape[:-1])) * channels
    delay = late[:, None] - np.resize(early, outputs)[None, :]
    if delay.max(initial=0) > max_delay:
        notes.add(
            f"the delays before it add up to {delay.max()} steps",
            f"at most {max_delay}",
            "build the DelayLayers with a smaller max_delay and train them",
        )
    return Arrival(delay=delay if delay.any() else None)


def _relays(late: np.ndarray, notes: Notes) -> Arrival:
    steps = late[np.isfinite(late)]
    if steps.size == 0:
        return Arrival()
    if steps.min() != steps.max() or steps.max() > MAX_RELAYS:
        notes.add(
            f"one of its inputs comes {steps.min():g} to {steps.max():g} steps later than another, "
            "or than its bias",
            f"the same for all channels, and {MAX_RELAYS} steps at most: relays hold it back",
            "move the DelayLayer before a dense layer, or use shorter delays",
        )
        return Arrival()
    return Arrival(relays=int(steps.max()))
