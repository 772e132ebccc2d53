"""The gradient of a pool's input: one number a window says what each of its pixels gets.

A pool's gradient op writes the gradient of every pixel, and that tensor remembers what it was
made of, the gradient of the pool's spikes: a convolution of this package reads that instead,
takes it through the pool's neurons, and spreads it over the pixels as it goes. In a graph
(``model.fit``, ``tf.function``) what nobody reads is not computed, so the larger of the two is
never in memory. In eager mode it would be computed all the same, and nothing is remembered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_slayer.ops.neuron_spec import NeuronSpec

_POOLED = "_keras_slayer_pooled"


@dataclasses.dataclass(frozen=True)
class Gradient:
    """The gradient of a layer's spikes."""

    spikes: tf.Tensor

    def whole(self):
        """Of every spike."""
        return self.spikes

    def native_options(self) -> dict:
        """Arguments of the native op that takes it."""
        return {
            "grad": self.spikes,
            "pool_weight": tf.zeros([], tf.float64),
            "pool_membrane": tf.zeros([0], self.spikes.dtype),
            "pool_params": tf.zeros([0], tf.float64),
            "pool_size": [],
            "pool_strides": [],
            "pool_padding_before": [],
            "pool_neuron": "srm",
            "pool_exodus": False,
            "pool_surrogate": "exponential",
        }


@dataclasses.dataclass(frozen=True)
class PooledGradient:
    """The gradient of spikes that a pool alone reads.

    Attributes:
        pool: arguments of the pool's native ops.
        spec: its neurons.
        membrane: their membrane potential.
        spikes: gradient of their spikes.
        whole: makes that of every spike that the pool reads.
    """

    pool: dict
    spec: NeuronSpec
    membrane: tf.Tensor
    spikes: tf.Tensor
    whole: Callable[[], tf.Tensor]

    def native_options(self) -> dict:
        return {
            "grad": self.spikes,
            "pool_weight": self.pool["weight"],
            "pool_membrane": self.membrane,
            "pool_params": self.spec.params,
            "pool_size": self.pool["pool_size"],
            "pool_strides": self.pool["strides"],
            "pool_padding_before": self.pool["padding_before"],
            "pool_neuron": self.spec.kind,
            "pool_exodus": self.spec.exodus,
            "pool_surrogate": self.spec.surrogate,
        }


def remember(gradient, pooled: PooledGradient):
    """``gradient``, which is ``pooled.whole()``."""
    if not tf.executing_eagerly():
        setattr(gradient, _POOLED, pooled)
    return gradient


def remembered(gradient) -> Gradient | PooledGradient:
    """What ``gradient`` remembers, or else itself. A sum of several remembers nothing."""
    return getattr(gradient, _POOLED, None) or Gradient(gradient)
