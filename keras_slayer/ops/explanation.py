"""Says which kernel runs for each layer and why (``ops.explain``, ``KERAS_SLAYER_EXPLAIN=1``)."""

from __future__ import annotations

import contextlib
import contextvars
import math
import os
import sys
import threading

import tensorflow as tf

_VARIABLE = "KERAS_SLAYER_EXPLAIN"

_switch: bool | None = None  # None: the environment variable decides
_layer = contextvars.ContextVar("layer", default="")
_told: set[str] = set()
_lock = threading.Lock()


def explain(on: bool = True) -> None:
    """Prints on stderr which kernel runs for each layer, and why. Each line comes once.

    A line names the layer, the op and its shapes, the kernel, and what the kernels before it in
    the list (``keras_slayer/ops/selection.py``) would have needed::

        keras_slayer: spiking_dense: matmul and neuron, input 2312, weights 2312x512: one pass
        over events where at most 17.4% of the input is nonzero, else dense, then neuron

    If the choice depends on the density of the input, a second line prints the density when each
    of the two kernels first runs. A layer is slow if its op runs as ``reference`` (the native ops
    are missing), or if its input is not as sparse as expected.

    Only functions that are traced after the call are explained, so call it before ``compile`` or
    set ``KERAS_SLAYER_EXPLAIN=1``. Switch it off afterwards, because measuring densities takes
    time.

    Args:
        on: False to stop.
    """
    global _switch
    _switch = bool(on)
    with _lock:
        _told.clear()


def wanted() -> bool:
    """Whether choices are to be explained."""
    if _switch is not None:
        return _switch
    wish = os.environ.get(_VARIABLE, "")
    if wish not in ("", "0", "1"):
        raise ValueError(f"{_VARIABLE} must be '0', '1' or unset. Received: {_VARIABLE}={wish!r}")
    return wish == "1"


@contextlib.contextmanager
def layer(name: str):
    """Ops called within the block belong to this layer."""
    token = _layer.set(name)
    try:
        yield
    finally:
        _layer.reset(token)


def current_layer() -> str:
    """Name of the layer that is being called, else of the innermost name scope, else empty."""
    return _layer.get() or (tf.get_current_name_scope().split("/")[-1] if wanted() else "")


def _tell(line: str, key: str | None = None) -> None:
    """Prints a line once; with a key, the first line of that key."""
    key = line if key is None else key
    with _lock:
        if key in _told:
            return
        _told.add(key)
    print(f"keras_slayer: {line}", file=sys.stderr, flush=True)


def _sizes(name: str, shape) -> list[str]:
    if shape is None:
        return []
    return [f"{name} {'x'.join('?' if size is None else str(size) for size in shape) or '1'}"]


def _title(choice) -> str:
    return f"{choice.layer or 'outside of layers'}: {choice.op}"


def _subject(choice) -> str:
    """Title and sizes without batch and time, on which no choice depends."""
    spikes = choice.facts.spikes and choice.facts.spikes[2:]
    sizes = _sizes("input", spikes) + _sizes("weights", choice.facts.weights)
    return ", ".join([_title(choice), *sizes])


def tell_choice(choice, candidates) -> None:
    """Prints what was chosen of ``candidates`` (``selection.Candidate``) and why not another."""
    line = f"{_subject(choice)}: {choice.kernel}"
    if choice.max_density is not None:
        line += (
            f" where at most {choice.max_density:.1%} of the input is nonzero, "
            f"else {choice.otherwise}"
        )
    names = [candidate.kernel for candidate in candidates]
    needs = {}
    for candidate in candidates[: names.index(choice.kernel)]:
        needs.setdefault(candidate.needs, candidate.kernel)
    if needs:
        missing = "; ".join(f"{kernel!r} needs {need}" for need, kernel in needs.items())
        line += f" ({missing})"
    _tell(line)


def tell_own_neuron(neuron) -> None:
    """Prints that a neuron has no native op."""
    if wanted():
        title = current_layer() or "outside of layers"
        _tell(
            f"{title}: neuron {type(neuron).__name__}: reference (it is defined in Python: its "
            "steps run one after the other as TensorFlow ops, slower than a native neuron)"
        )


def tell_density(choice, rows, dense):
    """Returns ``dense``. If choices are explained, adds an op that prints the density of ``rows``.

    It prints when each of the two kernels first runs.
    """
    if not wanted():
        return dense

    def report(density, dense):
        share = "none" if math.isnan(density) else f"{density:.1%}"
        taken = choice.otherwise if dense else choice.kernel
        line = f"{_title(choice)}: {share} of the input is nonzero: {taken}"
        _tell(line, key=f"{_subject(choice)} {dense}")
        return dense

    nonzero = tf.cast(tf.cast(rows, tf.bool), tf.float32)
    told = tf.numpy_function(report, [tf.reduce_mean(nonzero), dense], tf.bool)
    told.set_shape([])
    return told
