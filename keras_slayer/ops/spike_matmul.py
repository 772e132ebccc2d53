"""Matrix product with a spike tensor: costs what the spikes cost."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import compact, library, reference
from keras_slayer.ops.events import find_events

# For so few units events are not kept: each product finds its own on the way. For even fewer the
# weight gradient does so too.
MIN_UNITS = 64
NARROW_UNITS = 32


def max_density(units: int | None) -> float:
    """Density of the input above which the dense product is faster (benchmarks/synapses.py)."""
    return 0.19 - 8 / max(units or 64, 64)


@tf.autograph.experimental.do_not_convert
def spike_matmul(spikes, weights):
    """z = spikes @ weights over the last axis, adding only the rows that spikes select.

    For 64 units and more, where few of ``spikes`` are nonzero (17 % for 512 units, 6 %
    for 64), the nonzeros are found once, and the forward product and the weight gradient
    run over them; else both are dense products. For fewer units, the products find the
    nonzeros themselves. Values other than 0 and 1 multiply. The input gradient is the
    dense product dz @ weights^T, computed only where something asks for it. Results
    equal the dense product's to rounding. They do not depend on the number of threads but
    for TensorFlow's own products, which on some processors do: those of dense input for 64
    units and more, and the weight gradient for 33 to 63.

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
    data = compact.narrowest(spikes)
    shape = tf.concat([tf.shape(data)[:-1], tf.shape(weights)[1:]], axis=0)
    out = tf.reshape(_product(spikes, data, weights), shape)
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


def matmul_gradients(spikes, data, weights, events, dense, grad):
    """Gradients of ``spikes`` (None of bytes) and ``weights`` from that of their product.

    ``data`` are the values of ``spikes`` that were multiplied, ``grad`` has a row of each step.
    """
    grad_weights = tf.cond(
        dense,
        lambda: _dense_grad_weights(as_rows(data, weights), grad),
        lambda: library.native().keras_slayer_event_matmul_weights_grad(
            **events, grad=grad, columns=tf.shape(weights, tf.int64)[0]
        ),
    )
    grad_weights.set_shape(weights.shape)
    return _grad_spikes(spikes, data, weights, grad), grad_weights


def _product(spikes, data, weights):
    """The product, a row of each step, in the way that is fastest for so many units."""
    if library.native() is None:
        return reference.spike_matmul(as_rows(spikes, weights), weights)
    product = _event_matmul if worth_events(weights) else _narrow_matmul
    return product(data)(spikes, weights)


def _grad_spikes(spikes, data, weights, grad):
    """grad @ weights^T; None for bytes, which have no gradient."""
    if checks.are_bytes(spikes):
        return None
    grad = library.native().keras_slayer_matmul_input_grad(grad=grad, weights=weights)
    return tf.reshape(grad, tf.shape(data))


def _dense_grad_weights(rows, grad):
    return tf.linalg.matmul(tf.cast(rows, grad.dtype), grad, transpose_a=True)


def _narrow_matmul(data):
    @tf.custom_gradient
    def multiply(spikes, weights):
        rows = as_rows(data, weights)

        def gradients(grad):
            if weights.shape[1] <= NARROW_UNITS:
                grad_weights = library.native().keras_slayer_narrow_matmul_weights_grad(
                    x=rows, grad=grad
                )
            else:
                grad_weights = _dense_grad_weights(rows, grad)
            return _grad_spikes(spikes, data, weights, grad), grad_weights

        product = library.native().keras_slayer_narrow_matmul(x=rows, weights=weights)
        return product, gradients

    return multiply


def _event_matmul(data):
    @tf.custom_gradient
    def multiply(spikes, weights):
        rows, kernel = as_rows(tf.stop_gradient(data), weights), tf.stop_gradient(weights)
        events, dense = matmul_events(rows, kernel)  # see conv2d_layer
        product = tf.cond(
            dense,
            lambda: reference.spike_matmul(rows, kernel),
            lambda: library.native().keras_slayer_event_matmul(**events, weights=kernel),
        )
        return product, lambda grad: matmul_gradients(spikes, data, weights, events, dense, grad)

    return multiply
