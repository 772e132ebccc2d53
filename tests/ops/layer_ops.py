"""Synapses and neurons in one pass, with inputs for each: what their tests run over."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable

import cases
import numpy as np
import tensorflow as tf

import keras_slayer as ks
from keras_slayer.ops import library
from keras_slayer.ops.synapses.conv2d import conv2d_synapse
from keras_slayer.ops.synapses.matmul import matmul_synapse
from keras_slayer.ops.synapses.sum_pool2d import sum_pool2d_synapse
from keras_slayer.ops.synapses.synaptic_input import fire

STEPS = 19  # more than one tile of the kernels, and no multiple of it


def neuron(kind: str, surrogate: str, gradient: str):
    """Neurons that fire now and then on sums of about one."""
    options = {"surrogate": surrogate, "gradient": gradient, "surrogate_tau": 0.4}
    if kind == "srm":
        return ks.SRM(threshold=1.0, tau_response=2.5, **options)
    if kind == "cuba":
        return ks.CUBA(threshold=1.5, current_decay=0.5, voltage_decay=0.2, **options)
    if kind == "alif":
        return ks.ALIF(1.5, tau_membrane=5.0, tau_adaptation=20.0, beta=0.25, **options)
    if kind == "rf":
        return ks.ResonateAndFire(1.5, frequency=60.0, tau=10.0, **options)
    return ks.LoihiCUBA(90, 2048, 800, **options)


NEURONS = {
    f"{kind}-{surrogate}-{gradient}": neuron(kind, surrogate, gradient)
    for kind in ("srm", "cuba", "loihi", "alif", "rf")
    for surrogate in ("exponential", "triangle")
    for gradient in ("slayer", "exodus")
}


def matmul_layer(spikes, weights, bias, neuron):
    return fire(matmul_synapse(spikes, weights) + bias, neuron)


def conv2d_layer(spikes, weights, bias, neuron, **geometry):
    return fire(conv2d_synapse(spikes, weights, **geometry) + bias, neuron)


def sum_pool2d_layer(spikes, weight, neuron, pool_size, strides, padding, dtype="float32"):
    z = sum_pool2d_synapse(
        spikes, pool_size, strides=strides, padding=padding, weight=weight, dtype=dtype
    )
    return fire(z, neuron)


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer with everything bound but spikes, weights (none for a pool), bias and neuron.

    Attributes:
        run: (spikes, weights, bias, neuron) -> (spikes, membrane).
        shape: of one step of the input.
        weights: their shape; None for a pool.
    """

    run: Callable
    shape: tuple[int, ...]
    weights: tuple[int, ...] | None

    def arrays(self, density=0.05, batch=2, steps=STEPS, dtype="float32", bias=False, seed=0):
        """Spikes, weights and bias, the latter two None where there is none.

        Weights are multiples of 1 / 64, so that sums are the same in any order.
        """
        rng = np.random.default_rng(seed)
        values = [cases.spikes_like(rng, (batch, steps, *self.shape), density), None, None]
        if self.weights is not None:
            fan_in = np.prod(self.weights[:-1])
            scale = 1.0 / np.sqrt(max(1.0, fan_in * 0.05))
            values[1] = np.round(64 * scale * rng.normal(0.3, 1, size=self.weights)) / 64
        if bias:
            values[2] = np.round(8 * rng.normal(size=self.weights[-1:])) / 64
        return [None if x is None else tf.cast(x, dtype) for x in values]


def _conv(shape, weights, strides=(1, 1), padding="valid", dilations=(1, 1)):
    run = functools.partial(conv2d_layer, strides=strides, padding=padding, dilations=dilations)
    return Layer(run, shape, weights)


def _pool(shape, pool_size, strides, padding):
    def run(spikes, weights, bias, neuron):
        # 1 / 2: exact in the chip's units too.
        return sum_pool2d_layer(spikes, 0.5, neuron, pool_size, strides, padding, "float32")

    return Layer(run, shape, None)


LAYERS = {
    "matmul": Layer(matmul_layer, (30,), (30, 40)),
    "matmul, two blocks": Layer(matmul_layer, (20,), (20, 300)),
    "matmul, one of each": Layer(matmul_layer, (1,), (1, 1)),
    "conv": _conv((7, 9, 3), (3, 3, 3, 5), padding="same"),
    "conv, many bands": _conv((11, 20, 2), (5, 5, 2, 70), padding="same"),
    "conv, many channels": _conv((4, 19, 12), (5, 5, 12, 9), padding="same"),
    "conv, 16 channels": _conv((5, 18, 16), (3, 4, 16, 5)),
    "conv, 52 channels": _conv((3, 6, 52), (2, 3, 52, 4), padding="same"),
    "conv, 16 channels, many bands": _conv((11, 22, 16), (5, 5, 16, 24), padding="same"),
    "conv, 3 x 3 taps, 16 channels": _conv((9, 10, 16), (3, 3, 16, 18), padding="same"),
    "conv, 3 x 5 taps": _conv((6, 13, 17), (3, 5, 17, 7), padding="same"),
    "conv, 5 x 3 taps": _conv((13, 7, 20), (5, 3, 20, 9)),
    "conv, 70 pixels wide": _conv((3, 70, 1), (2, 3, 1, 17)),
    "conv, strides": _conv((9, 8, 2), (3, 4, 2, 4), strides=(2, 3), padding="same"),
    "conv, dilations": _conv((9, 9, 2), (3, 2, 2, 4), dilations=(2, 3)),
    "conv, groups": _conv((7, 7, 4), (3, 3, 2, 6), strides=(2, 1)),
    "conv, dilated depthwise": _conv((8, 7, 3), (2, 3, 1, 6), dilations=(2, 2), padding="same"),
    "conv, one pixel": _conv((1, 1, 1), (1, 1, 1, 1)),
    "pool": _pool((6, 8, 3), (2, 2), (2, 2), "valid"),
    "pool, remainder": _pool((7, 5, 2), (3, 2), (3, 2), "valid"),
    "pool, same": _pool((7, 5, 2), (3, 2), (2, 2), "same"),
    "pool, overlapping": _pool((9, 6, 17), (3, 3), (1, 2), "same"),
    "pool, gaps": _pool((9, 9, 2), (2, 1), (3, 4), "valid"),
    "pool, many bands": _pool((40, 40, 8), (2, 2), (1, 1), "valid"),
}


def evaluate(layer: Layer, inputs, neuron, backend: str, upstream=None):
    """[spikes, membrane] and the gradients of all inputs there are, and the upstream gradient."""
    given = [x for x in inputs if x is not None]
    with cases.backend(backend), tf.GradientTape() as tape:
        tape.watch(given)
        outputs = layer.run(*inputs, neuron)
        if upstream is None:
            noise = np.random.default_rng(99).normal(size=outputs[0].shape)
            upstream = tf.cast(noise, outputs[0].dtype)
        gradients = tape.gradient(
            outputs[0], given, output_gradients=upstream, unconnected_gradients="zero"
        )
    return list(outputs), gradients


# Neurons of a pool: gradients far and wide.
POOL = NEURONS["cuba-exponential-exodus"]


def evaluate_pooled(layer: Layer, geometry, inputs, neuron, backend: str, graph=True, pool=POOL):
    """The gradients of a layer's inputs under a pool (pool_size, strides, padding) of ``pool``."""
    given = [x for x in inputs if x is not None]

    def gradients(*given):
        inputs = [*given, *[None] * (3 - len(given))]
        with tf.GradientTape() as tape:
            tape.watch(given)
            spikes, _ = layer.run(*inputs, neuron)
            pooled, _ = sum_pool2d_layer(spikes, 0.75, pool, *geometry)
        noise = tf.random.stateless_normal(tf.shape(pooled), [9, 9], dtype=tf.float64)
        return tape.gradient(pooled, given, output_gradients=tf.cast(noise, pooled.dtype))

    with cases.backend(backend):
        return (tf.function(gradients) if graph else gradients)(*given)


@contextlib.contextmanager
def ops_used():
    """The names of the native ops that are called (traced, in a function) within the block."""
    used = set()
    native = library.native()

    class Recorder:
        def __getattr__(self, name):
            used.add(name.removeprefix("keras_slayer_"))
            return getattr(native, name)

    before, library._loaded = library._loaded, Recorder()
    try:
        yield used
    finally:
        library._loaded = before
