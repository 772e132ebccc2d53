"""Matrix product with a spike tensor: costs what the spikes cost."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer.ops import checks, library, reference
from keras_slayer.ops.events import find_events

# For so few units the dense product is always faster (benchmarks/synapses.py):
# finding the events costs more than it saves. For even fewer the weight gradient is an op of
# its own: a product of few columns.
MIN_UNITS = 64
NARROW_UNITS = 32


def max_density(units: int | None) -> float:
    """Density of the input above which the dense product is faster (benchmarks/synapses.py)."""
    return 0.19 - 8 / max(units or 64, 64)


@tf.autograph.experimental.do_not_convert
def spike_matmul(spikes, weights):
    """z = spikes @ weights over the last axis, adding only the rows that spikes select.

    Where few of ``spikes`` are nonzero (17 % for 512 units, 6 % for 64) and units
    are not too few (64), the nonzeros are found once, and the forward product and
    the weight gradient run over them; else both are dense products. Values other
    than 0 and 1 multiply. The input gradient is the dense product dz @ weights^T, computed
    only where something asks for it. Results equal the dense product's to
    rounding. They do not depend on the number of threads but for two products,
    which are TensorFlow's and, on some processors, do: forward, where the input is
    dense or units are few, and the weight gradient of dense input for more than 32.

    Args:
        spikes: tensor (batch, time, ..., inputs) of the dtype of ``weights``, or of
            uint8 or bool, which take a fourth of the memory and have no gradient.
        weights: matrix (inputs, units) of floats.

    Returns:
        Tensor (batch, time, ..., units).

    Raises:
        ValueError: ranks, sizes or dtypes that do not fit.
    """
    spikes, weights = check(spikes, weights)
    rows = as_rows(spikes, weights)
    shape = tf.concat([tf.shape(spikes)[:-1], tf.shape(weights)[1:]], axis=0)
    out = tf.reshape(_product(weights)(rows, weights), shape)
    out.set_shape([*spikes.shape[:-1], weights.shape[1]])
    return out


def check(spikes, weights):
    """Both as tensors that fit together."""
    spikes = checks.spikes(spikes)
    weights = tf.convert_to_tensor(weights)
    checks.same_dtype(spikes, weights)
    if weights.shape.rank != 2 or not spikes.shape[-1:].is_compatible_with(weights.shape[:1]):
        raise ValueError(
            "weights must be a matrix with as many rows as the last axis of spikes. Received: "
            f"weights of shape {weights.shape}, spikes of shape {spikes.shape}"
        )
    return spikes, weights


def as_rows(spikes, weights):
    return tf.reshape(spikes, [-1, weights.shape[0] or tf.shape(weights)[0]])


def worth_events(weights) -> bool:
    """Whether there are native ops, and units enough for them."""
    few = weights.shape[1] is not None and weights.shape[1] < MIN_UNITS
    return library.native() is not None and not few


def matmul_events(rows, weights):
    """The events of ``rows`` and whether they are too many to use."""
    return find_events(rows, weights.dtype, max_density(weights.shape[1]))


def matmul_gradients(rows, weights, events, dense, grad):
    """Gradients of ``rows`` (None of bytes) and ``weights`` from that of their product."""
    grad_weights = tf.cond(
        dense,
        lambda: _dense_grad_weights(rows, grad),
        lambda: library.native().keras_slayer_event_matmul_weights_grad(
            **events, grad=grad, columns=tf.shape(weights, tf.int64)[0]
        ),
    )
    grad_weights.set_shape(weights.shape)
    return _grad_rows(rows, weights, grad), grad_weights


def _product(weights):
    """(rows, weights) -> rows @ weights, the fastest one for so many units."""
    if worth_events(weights):
        return _event_matmul
    return _dense_matmul if library.native() is not None else reference.spike_matmul


def _grad_rows(rows, weights, grad):
    """grad @ weights^T; None for bytes, which have no gradient."""
    if checks.are_bytes(rows):
        return None
    return library.native().keras_slayer_matmul_input_grad(grad=grad, weights=weights)


def _dense_grad_weights(rows, grad):
    return tf.linalg.matmul(tf.cast(rows, grad.dtype), grad, transpose_a=True)


@tf.custom_gradient
def _dense_matmul(rows, weights):
    def gradients(grad):
        if weights.shape[1] <= NARROW_UNITS:
            grad_weights = library.native().keras_slayer_narrow_matmul_weights_grad(
                x=rows, grad=grad
            )
        else:
            grad_weights = _dense_grad_weights(rows, grad)
        return _grad_rows(rows, weights, grad), grad_weights

    return reference.spike_matmul(rows, weights), gradients


@tf.custom_gradient
def _event_matmul(rows, weights):
    events, dense = matmul_events(rows, weights)
    product = tf.cond(
        dense,
        lambda: reference.spike_matmul(rows, weights),
        lambda: library.native().keras_slayer_event_matmul(**events, weights=weights),
    )
    return product, lambda grad: matmul_gradients(rows, weights, events, dense, grad)
