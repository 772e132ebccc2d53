"""The spikes that go into a simulated network, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Spikes = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]
"""What a network takes: an array, or for several inputs a list or a dict of them."""


def checked(spikes: Spikes, inputs: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """``spikes`` as uint8 (batch, time, *shape), by the names of the inputs.

    Raises:
        ValueError: they do not fit ``inputs``, or are not 0 or 1.
    """
    found = {
        name: _checked(spikes_of_one, inputs[name], f"{name}: " if len(inputs) > 1 else "")
        for name, spikes_of_one in _by_name(spikes, inputs).items()
    }
    lengths = {name: array.shape[:2] for name, array in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"inputs must have the same batch and time. Received: {lengths}")
    return found


def _by_name(spikes: Spikes, inputs: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    if isinstance(spikes, Mapping):
        if set(spikes) != set(inputs):
            raise ValueError(f"spikes must be given for {list(inputs)}. Received: {list(spikes)}")
        return {name: spikes[name] for name in inputs}
    if len(inputs) == 1:
        return dict.fromkeys(inputs, spikes)
    if not isinstance(spikes, list | tuple) or len(spikes) != len(inputs):
        raise ValueError(
            f"spikes must be a list of {len(inputs)} arrays, or a dict, for the inputs "
            f"{list(inputs)}. Received: {described(spikes)}"
        )
    return dict(zip(inputs, spikes, strict=True))


def described(spikes) -> str:
    """What was given where spikes for several inputs are wanted."""
    if isinstance(spikes, Mapping):
        return f"a dict of {list(spikes)}"
    if isinstance(spikes, list | tuple):
        return f"{type(spikes).__name__} of length {len(spikes)}"
    return f"{type(spikes).__name__} of shape {np.shape(spikes)}"


def _checked(spikes: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    spikes = np.asarray(spikes)
    if spikes.ndim < 3 or spikes.shape[2:] != shape:
        raise ValueError(
            f"{where}spikes must be (batch, time, {', '.join(map(str, shape))}). "
            f"Received: spikes of shape {spikes.shape}"
        )
    on = spikes == 1
    if not np.array_equal(on, spikes.astype(bool)):
        raise ValueError(f"{where}spikes must be 0 or 1. Received: spikes with other values")
    return on.view(np.uint8)


def single(values: Sequence):
    """The only one, or a list of several: as Keras gives what a model has."""
    values = list(values)
    return values[0] if len(values) == 1 else values
