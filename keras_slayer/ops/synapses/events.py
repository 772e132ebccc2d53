"""Finds the events (nonzeros) of spike tensors once, for forward and backward products."""

from __future__ import annotations

from keras_slayer.ops import explanation, library, selection


def find_events(rows, dtype, max_density: float):
    """The events of a matrix, as arguments of the native ops, and whether it is too dense.

    Args:
        rows: the matrix, of ``dtype`` or bytes.
        dtype: of the events' values.
        max_density: largest share of nonzero elements.

    Returns:
        ({"offsets", "index", "value"}, dense). If more than ``max_density`` of ``rows`` is
        nonzero, ``dense`` is true and the events are empty.
    """
    native = library.native()
    offsets, index, value, dense = native.keras_slayer_find_events(
        x=rows, max_density=max_density, T=dtype
    )
    return {"offsets": offsets, "index": index, "value": value}, dense


def find_earlier_events(spikes, dtype):
    """The events of the step before each step of ``spikes`` (batch, time, units): rows are steps.

    As arguments of the native ops. Before a first step there are none.
    """
    offsets, index, value = library.native().keras_slayer_find_earlier_events(x=spikes, T=dtype)
    return {"offsets": offsets, "index": index, "value": value}


def events_for(choice: selection.Choice, rows, dtype):
    """``find_events`` with the largest density of ``choice``."""
    events, dense = find_events(rows, dtype, choice.max_density)
    return events, explanation.tell_density(choice, rows, dense)
