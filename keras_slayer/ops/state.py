"""State: what neurons and filters carry from one chunk of time to the next.

A state is a tensor (batch, numbers, ...): so many numbers for each neuron. Those of neurons are
float64, which holds the numbers of every dtype, so that a run in chunks computes what one run over
the whole time computes, to the bit. Histories, of what needs the last inputs themselves, have the
dtype of the input. At rest all are zero. No gradient flows through a state, but within ``linked``.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

_linked: contextvars.ContextVar[bool] = contextvars.ContextVar("linked", default=False)


@contextlib.contextmanager
def linked() -> Iterator[None]:
    """States that TensorFlow computes within this block have gradients (``ops.link``)."""
    token = _linked.set(True)
    try:
        yield
    finally:
        _linked.reset(token)


def without_gradient(state):
    """The state (or None), without a gradient but within ``linked``."""
    return state if state is None or _linked.get() else tf.stop_gradient(state)


def are_linked() -> bool:
    return _linked.get()


def at_rest(numbers, like, dtype=tf.float64):
    """The state of neurons that have had no input, so many numbers of each.

    ``like`` is a tensor (batch, time, ...) of these neurons.
    """
    shape = tf.shape(like)
    state = tf.zeros(tf.concat([shape[:1], [numbers], shape[2:]], axis=0), dtype)
    return tf.ensure_shape(state, [like.shape[0], None, *like.shape[2:]])


def checked(state, numbers: int, like, dtype=tf.float64):
    """``state`` as a tensor of ``dtype``, ``without_gradient``.

    Raises:
        ValueError: a shape other than (batch, numbers, ...) of ``like``.
    """
    state = without_gradient(tf.convert_to_tensor(state))
    expected = [like.shape[0], numbers, *like.shape[2:]]
    if not state.shape.is_compatible_with(expected):
        raise ValueError(
            f"a state of these neurons has the shape {_text(expected)}. Received: a state of shape "
            f"{_text(state.shape)}"
        )
    return tf.cast(state, dtype)


def _text(shape) -> str:
    names = "batch", "steps"
    sizes = (names[min(i, 1)] if size is None else str(size) for i, size in enumerate(shape))
    return f"({', '.join(sizes)})"


def with_history(history, x):
    """``x`` with the inputs before it: (batch, time before + time, ...)."""
    return tf.concat([tf.cast(history, x.dtype), x], axis=1)


def history(x, steps):
    """The last steps of ``x``; zeros before its first one."""
    missing = tf.maximum(steps - tf.shape(x)[1], 0)
    padded = tf.pad(x, [[0, 0], [missing, 0], *[[0, 0]] * (x.shape.rank - 2)])
    kept = padded[:, tf.shape(padded)[1] - steps :]
    kept.set_shape([x.shape[0], steps if isinstance(steps, int) else None, *x.shape[2:]])
    return without_gradient(kept)


def listed(state) -> list:
    """The argument ``state`` of native ops."""
    return [] if state is None else [state]


def with_final(outputs):
    """(spikes, membrane, state or None) of what may end with a state, or with a list of states."""
    spikes, membrane, *final = tf.nest.flatten(list(outputs))
    return spikes, membrane, final[0] if final else None
