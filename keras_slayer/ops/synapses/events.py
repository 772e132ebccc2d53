"""Finds the events (nonzeros) of spike tensors once, for forward and backward products."""

from __future__ import annotations

from keras_slayer.ops import explanation, library, selection


def find_events(rows, dtype, max_density: float, earlier: bool = False):
    """The events of a matrix, as arguments of the native ops, and whether it is too dense.

    Args:
        rows: the matrix, of ``dtype`` or bytes. With ``earlier`` it is a series (batch, time,
            units).
        dtype: of the events' values.
        max_density: largest share of nonzero elements.
        earlier: rows are the steps of the series, and the events of a row are those of the step
            before it: none of a first step.

    Returns:
        ({"offsets", "index", "value"}, dense). If more than ``max_density`` of ``rows`` is
        nonzero, ``dense`` is true and the events are empty.
    """
    native = library.native()
    offsets, index, value, dense = native.keras_slayer_find_events(
        x=rows, max_density=max_density, T=dtype, earlier=earlier
    )
    return {"offsets": offsets, "index": index, "value": value}, dense


def events_for(choice: selection.Choice, rows, dtype):
    """``find_events`` with the largest density of ``choice``."""
    events, dense = find_events(rows, dtype, choice.max_density)
    return events, explanation.tell_density(choice, rows, dense)
