"""Prints a digest of the outputs and gradients of every native op: ``digests.py THREADS``."""

import hashlib
import json
import sys

import cases
import layer_ops
import numpy as np
import tensorflow as tf

from keras_slayer import ops
from keras_slayer.ops.synapses.events import find_events

SYNAPSES = (
    *(
        cases.Case(
            f"spike_matmul, few units, {dtype}, density {density}",
            lambda x, w, dtype=dtype: (
                tf.stop_gradient(
                    cases.native_ops().keras_slayer_few_units_matmul(
                        x=tf.cast(tf.reshape(x, [200, 1200]), dtype), weights=tf.cast(w, dtype)
                    )
                ),
            ),
            lambda rng, shape, density=density: [
                cases.spikes_like(rng, shape, density),
                rng.normal(size=(1200, 21)),
            ],
        )
        for dtype in cases.DTYPES
        for density in (0.1, 0.6)  # event by event, dense
    ),
    cases.Case(
        "gradient of spike_matmul, few units",
        lambda x, grad: (
            tf.stop_gradient(
                cases.native_ops().keras_slayer_few_units_matmul_weights_grad(
                    x=tf.reshape(x, [200, 1200]), grad=grad
                )
            ),
        ),
        lambda rng, shape: [cases.spikes_like(rng, shape, 0.02), rng.normal(size=(200, 10))],
    ),
    *(
        cases.Case(
            f"input gradient of spike_matmul, {dtype}",
            lambda grad, w, dtype=dtype: (
                tf.stop_gradient(
                    cases.native_ops().keras_slayer_matmul_input_grad(
                        grad=tf.cast(tf.reshape(grad, [-1, 75]), dtype), weights=tf.cast(w, dtype)
                    )
                ),
            ),
            lambda rng, shape: [rng.normal(size=shape), rng.normal(size=(517, 75))],
        )
        for dtype in cases.DTYPES
    ),
    cases.Case(
        "products a little below half a digit of the sum",
        lambda grad, w: (
            tf.stop_gradient(
                cases.native_ops().keras_slayer_matmul_input_grad(
                    grad=tf.cast(grad, tf.float32), weights=tf.cast(w, tf.float32)
                )
            ),
        ),
        # In double, rounded, they would be half a digit.
        lambda rng, shape: [
            np.tile([1 + 2.0**-23, 2.0**-12 * (1 + 2.0**-23)], (99, 1)),
            np.tile([1, 2.0**-12 * (1 - 2.0**-23)], (517, 1)),
        ],
    ),
    cases.Case(
        "gradient of spike_matmul, in parts",  # each of which stays in the cache
        lambda x, grad: (
            tf.stop_gradient(
                cases.native_ops().keras_slayer_event_matmul_weights_grad(
                    **find_events(x, x.dtype, 1.0)[0], grad=grad, columns=40
                )
            ),
        ),
        lambda rng, shape: [
            cases.spikes_like(rng, (6000, 40), 0.1),
            rng.normal(size=(6000, 131)),
        ],
    ),
    cases.Case(
        "spike_matmul",
        lambda x, w: (ops.spike_matmul(x, w),),
        lambda rng, shape: [cases.spikes_like(rng, shape, 0.02), rng.normal(size=(shape[-1], 150))],
    ),
    cases.Case(
        "spike_matmul, more weights than a cache holds",
        lambda x, w: (ops.spike_matmul(x, w),),
        lambda rng, shape: [
            cases.spikes_like(rng, shape, 0.06),
            rng.normal(size=(shape[-1], 1000)),
        ],
    ),
    cases.Case(
        "spike_conv2d",
        lambda x, w: (ops.spike_conv2d(tf.reshape(x, [4, 50, 24, 10, 5]), w, padding="same"),),
        lambda rng, shape: [
            cases.spikes_like(rng, shape, 0.02),
            rng.normal(size=(3, 3, 5, 16)),
        ],
    ),
)


def digest(arrays) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)).hexdigest()


def main() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    result = {}
    for case in cases.SERIES_CASES + SYNAPSES:
        # Enough work, for each op, to be shared between threads.
        inputs = case.arrays((4, 50, 1200))
        outputs, gradients = cases.evaluate(case, inputs, "native")
        result[case.name] = {"outputs": digest(outputs), "gradients": digest(gradients)}
    names = (
        "matmul, two blocks",
        "conv, many bands",
        "conv, 16 channels, many bands",
        "conv, 3 x 3 taps, 16 channels",
        "conv, groups",
        "pool, many bands",
    )
    for name in names:
        for kind in ("srm-triangle-exodus", "cuba-exponential-slayer", "loihi-triangle-slayer"):
            layer, neuron = layer_ops.LAYERS[name], layer_ops.NEURONS[kind]
            inputs = layer.arrays(batch=5, steps=40)
            outputs, gradients = layer_ops.evaluate(layer, inputs, neuron, "native")
            result[f"{name} {kind}"] = {"outputs": digest(outputs), "gradients": digest(gradients)}
            if "conv" in name:
                pool = ((2, 2), (2, 2), "valid")
                pooled = layer_ops.evaluate_pooled(layer, pool, inputs, neuron, "native")
                result[f"{name} {kind}, pooled"] = {"gradients": digest(pooled[:2])}
    for kind in ("srm-triangle-exodus", "cuba-exponential-slayer", "loihi-triangle-slayer"):
        result[f"recurrent {kind}"] = recurrent(layer_ops.NEURONS[kind], (150,), (150, 150))
        maps = recurrent(layer_ops.NEURONS[kind], (9, 7, 5), (3, 3, 5, 5))
        result[f"recurrent maps {kind}"] = maps
    print(json.dumps(result))


def recurrent(neuron, units, weights) -> dict:
    """Of more samples than a work item has, and units that fill no whole vectors."""
    random = np.random.default_rng(0)
    z = tf.constant(random.normal(0.3, 1, size=(19, 40, *units)), tf.float32)
    weights = tf.constant(0.1 * random.normal(size=weights), tf.float32)
    with cases.backend("native"), tf.GradientTape() as tape:
        tape.watch([z, weights])
        outputs = ops.fire_recurrent(z, weights, neuron)
        noise = tf.constant(random.normal(size=z.shape), tf.float32)
        gradients = tape.gradient(outputs[0], [z, weights], output_gradients=noise)
    return {"outputs": digest(outputs), "gradients": digest(gradients)}


if __name__ == "__main__":
    main()
