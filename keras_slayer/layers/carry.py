"""Hands states to the layers of a model while it runs on a chunk of time (``Stream``)."""

from __future__ import annotations

import collections
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping

import keras
import tensorflow as tf

from keras_slayer.ops.link import Link

_current: contextvars.ContextVar[Carry | None] = contextvars.ContextVar("carry", default=None)


class CallNames:
    """Names the calls of layers, in the order in which they begin.

    Layers of different models may share a name: the second call under ``dense`` is ``dense:1``, be
    it of the same layer or of another.

    Args:
        paths: names of layers by ``id``. The others are called by Keras' path.
    """

    def __init__(self, paths: Mapping[int, str] | None = None) -> None:
        self._paths = paths or {}
        self._calls: collections.Counter[str] = collections.Counter()

    def __call__(self, layer: keras.layers.Layer) -> str:
        """The name of the call of ``layer`` that begins."""
        name = self._paths.get(id(layer)) or layer.path or layer.name
        call = self._calls[name]
        self._calls[name] += 1
        return f"{name}:{call}" if call else name


class Carry:
    """The states of a model's layers before a chunk, and after it.

    A layer that is called twice (shared) has two states. The names are those of ``CallNames``.

    Args:
        before: by name. A layer without one starts at rest.
        later: by name, what its backward pass takes from the next chunk, so that the gradients are
            those of the whole series (``ops.link``). A layer without it: nothing follows, and what
            it takes is noted. None: gradients end with the chunk.
        ports: by name, tensors of zeros that a tape watches, like those of ``later``.
        name_of: the name of the call of a layer that begins.
    """

    def __init__(
        self,
        before: Mapping[str, tf.Tensor],
        later: Mapping[str, tuple] | None = None,
        ports: Mapping[str, tuple] | None = None,
        name_of: Callable[[keras.layers.Layer], str] | None = None,
    ) -> None:
        self.before = dict(before)
        self.after: dict[str, tf.Tensor] = {}
        self.later = None if later is None else dict(later)
        self._ports = ports or {}
        self.name_of = name_of or CallNames()

    def link(self, name: str, at_rest: Callable[[], tuple]) -> Link | None:
        """What ties the call of this name to the next chunk, if chunks are linked."""
        if self.later is None:
            return None
        if name not in self.later:
            self.later[name] = at_rest()
        later = self.later[name]
        return Link(later, self._ports.get(name) or tuple(map(tf.zeros_like, later)))


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
