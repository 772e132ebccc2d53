"""Nonzeros of spike tensors, found once and used by forward and backward products."""

from __future__ import annotations

from keras_slayer.ops import explanation, library, selection


def find_events(rows, dtype, max_density: float):
    """Events of a matrix, as arguments of the native ops, and whether to use the dense product.

    Args:
        rows: the matrix, of ``dtype`` or bytes.
        dtype: of the events' values.
        max_density: share of nonzeros up to which there are events.

    Returns:
        ({"offsets", "index", "value"}, dense): where more than ``max_density`` of
        ``rows`` is nonzero, ``dense`` is true and there are no events.
    """
    native = library.native()
    offsets, index, value, dense = native.keras_slayer_find_events(
        x=rows, max_density=max_density, T=dtype
    )
    return {"offsets": offsets, "index": index, "value": value}, dense


def events_for(choice: selection.Choice, rows, dtype):
    """``find_events``, up to the density that was chosen."""
    events, dense = find_events(rows, dtype, choice.max_density)
    return events, explanation.tell_density(choice, rows, dense)
