"""Matrix product with a spike tensor: costs what the spikes cost."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer.ops import checks, library, reference

# Above this density, and for so few units, the dense product is faster
# (benchmarks/synapses.py): finding the events costs more than it saves.
MAX_DENSITY = 0.08
MIN_UNITS = 32


@tf.autograph.experimental.do_not_convert
def spike_matmul(spikes, weights):
    """z = spikes @ weights over the last axis, adding only the rows that spikes select.

    Where few of ``spikes`` are nonzero (8 %) and units are not too few (32), the
    nonzeros are found once, and the forward product and the weight gradient
    run over them; else both are dense products. Values other than 0 and 1
    multiply. The input gradient is the dense product dz @ weights^T, computed
    only where something asks for it. Results equal the dense product's to
    rounding, and do not depend on the number of threads.

    Args:
        spikes: tensor (batch, time, ..., inputs).
        weights: matrix (inputs, units) of the same dtype.

    Returns:
        Tensor (batch, time, ..., units).

    Raises:
        ValueError: ranks, sizes or dtypes that do not fit.
    """
    spikes = checks.series(spikes, "spikes")
    weights = tf.convert_to_tensor(weights)
    if weights.dtype != spikes.dtype:
        raise ValueError(
            "weights must have the dtype of spikes. "
            f"Received: {weights.dtype.name} weights and {spikes.dtype.name} spikes"
        )
    if weights.shape.rank != 2 or not spikes.shape[-1:].is_compatible_with(weights.shape[:1]):
        raise ValueError(
            "weights must be a matrix with as many rows as the last axis of spikes. Received: "
            f"weights of shape {weights.shape}, spikes of shape {spikes.shape}"
        )
    rows = tf.reshape(spikes, [-1, weights.shape[0] or tf.shape(weights)[0]])
    native = library.native()
    few = weights.shape[1] is not None and weights.shape[1] < MIN_UNITS
    product = reference.spike_matmul if native is None or few else _event_matmul
    out = tf.reshape(
        product(rows, weights), tf.concat([tf.shape(spikes)[:-1], tf.shape(weights)[1:]], axis=0)
    )
    out.set_shape([*spikes.shape[:-1], weights.shape[1]])
    return out


@tf.custom_gradient
def _event_matmul(rows, weights):
    native = library.native()
    offsets, index, value, dense = native.keras_slayer_find_events(x=rows, max_density=MAX_DENSITY)
    events = {"offsets": offsets, "index": index, "value": value}
    product = tf.cond(
        dense,
        lambda: tf.linalg.matmul(rows, weights),
        lambda: native.keras_slayer_event_matmul(**events, weights=weights),
    )

    def grad(grad_product):
        grad_rows = tf.linalg.matmul(grad_product, weights, transpose_b=True)
        grad_weights = tf.cond(
            dense,
            lambda: tf.linalg.matmul(rows, grad_product, transpose_a=True),
            lambda: native.keras_slayer_event_matmul_weights_grad(
                **events, grad=grad_product, columns=tf.shape(weights, tf.int64)[0]
            ),
        )
        grad_weights.set_shape(weights.shape)
        return grad_rows, grad_weights

    return product, grad
