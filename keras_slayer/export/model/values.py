"""What layers hand on: spikes, and currents on their way to neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_slayer.export.model.float_network import Part, Shape, Spikes, Synapses, Term, Window


@dataclass(frozen=True, eq=False)
class Current:
    """Synaptic input that waits for neurons.

    Attributes:
        shift: constant part per channel, or None.
    """

    shape: Shape
    parts: tuple[Part, ...]
    shift: np.ndarray | None = None

    @property
    def names(self) -> str:
        """Of the layers it comes from."""
        return " and ".join(dict.fromkeys(part.synapses.name for part in self.parts))


Value = Spikes | Current


def source_of(name: str, shape: Shape) -> Spikes:
    """The spikes of an input or a population."""
    size = int(np.prod(shape))
    return Spikes(shape, (Term(name, np.arange(size), np.zeros(size, int)),))


def reshaped(spikes: Spikes, shape: Shape) -> Spikes:
    return replace(spikes, shape=shape)


def padded(spikes: Spikes, shape: Shape, top: int, left: int) -> Spikes:
    """In an image of ``shape`` with zeros around, from row ``top`` and column ``left`` on."""
    rows, columns = (
        start + np.arange(n) for start, n in zip((top, left), spikes.shape, strict=False)
    )
    index = np.arange(np.prod(shape)).reshape(shape)[np.ix_(rows, columns)].ravel()
    terms = (replace(term, places=index[term.places]) for term in spikes.terms)
    return Spikes(shape, tuple(terms))


def delayed(spikes: Spikes, steps: np.ndarray) -> Spikes:
    """Later by ``steps``, an array that broadcasts to the shape."""
    steps = np.broadcast_to(steps, spikes.shape).ravel()
    terms = (replace(term, late=term.late + steps[term.places]) for term in spikes.terms)
    return replace(spikes, terms=tuple(terms))


def identity(spikes: Spikes, name: str, source: str) -> Current:
    """Spikes as synaptic input, each with a weight of 1."""
    size = spikes.shape[-1]
    if len(spikes.shape) == 3:
        kernel, window = np.ones((1, 1, 1, size)), Window(groups=size)
    else:
        kernel, window = np.eye(size), None
    synapses = Synapses(name, source, kernel, kernel, spikes.shape, window)
    return Current(spikes.shape, (Part(synapses, spikes),))


def scaled(value: Value, scale: np.ndarray | float) -> Value:
    """Times a number, or currents times one number per channel."""
    if isinstance(value, Spikes):
        return replace(
            value, terms=tuple(replace(term, gain=term.gain * scale) for term in value.terms)
        )
    parts = []
    for part in value.parts:
        own = scale[part.channels] if np.ndim(scale) else scale
        parts.append(replace(part, synapses=part.synapses.scaled(own)))
    shift = None if value.shift is None else value.shift * scale
    return replace(value, parts=tuple(parts), shift=shift)


def shifted(current: Current, shift: np.ndarray) -> Current:
    """Plus one number per channel."""
    return replace(current, shift=shift if current.shift is None else current.shift + shift)


def added(values: Sequence[Value]) -> Value:
    """The sum of values of one kind and shape."""
    first = values[0]
    if isinstance(first, Spikes):
        return Spikes(first.shape, tuple(term for value in values for term in value.terms))
    shifts = [value.shift for value in values if value.shift is not None]
    shift = sum(shifts) if shifts else None
    return Current(first.shape, tuple(part for value in values for part in value.parts), shift)


def joined(values: Sequence[Value], shape: Shape, axis: int) -> Value | None:
    """Values of one kind side by side along an axis of ``shape``, the shape of the result.

    None: currents along another axis than the last.
    """
    sizes = [value.shape[axis] for value in values]
    starts = np.cumsum([0, *sizes[:-1]])
    if isinstance(values[0], Spikes):
        index = np.arange(np.prod(shape)).reshape(shape)
        terms = []
        for value, start, size in zip(values, starts, sizes, strict=True):
            own = np.take(index, np.arange(start, start + size), axis).ravel()
            terms += [replace(term, places=own[term.places]) for term in value.terms]
        return Spikes(shape, tuple(terms))
    if axis not in (-1, len(shape) - 1):
        return None
    parts, shift = [], None
    for value, start in zip(values, starts, strict=True):
        parts += [replace(part, first=part.first + int(start)) for part in value.parts]
        if value.shift is not None:
            shift = np.zeros(shape[-1]) if shift is None else shift
            shift[start : start + value.shape[-1]] = value.shift
    return Current(shape, tuple(parts), shift)
