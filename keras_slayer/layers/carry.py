"""Hands states to the layers of a model while it runs on a chunk of time (``Stream``)."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Mapping

import keras
import tensorflow as tf

_current: contextvars.ContextVar[Carry | None] = contextvars.ContextVar("carry", default=None)


class Carry:
    """The states of a model's layers before a chunk, and after it.

    A layer that is called twice (shared) has two states. The names are those of the layers, with
    the path of nested models; the second call of ``dense`` is ``dense:1``.

    Args:
        before: by name. A layer without one starts at rest.
    """

    def __init__(self, before: Mapping[str, tf.Tensor]) -> None:
        self.before = dict(before)
        self.after: dict[str, tf.Tensor] = {}
        self._calls: dict[int, int] = {}

    def name_of(self, layer: keras.layers.Layer) -> str:
        """The name of the call of ``layer`` that begins."""
        call = self._calls.get(id(layer), 0)
        self._calls[id(layer)] = call + 1
        name = layer.path or layer.name
        return f"{name}:{call}" if call else name


def current() -> Carry | None:
    """The carry of the run that layers are called in, if there is one."""
    return _current.get()


@contextlib.contextmanager
def carrying(carry: Carry) -> Iterator[Carry]:
    """Layers called within this block take their states from ``carry`` and leave them there."""
    token = _current.set(carry)
    try:
        yield carry
    finally:
        _current.reset(token)
