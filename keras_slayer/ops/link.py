"""Ties a chunk of a series to the chunk after it, so that its gradients are those of the whole."""

from __future__ import annotations

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class Link:
    """What the backward pass of a chunk takes from the next one, and hands to the one before it.

    Chunks are run from the last to the first, each on a tape of its own. A layer sends what its
    backward pass ends with to ``ports``, as if it were their gradient. It is the ``later`` of the
    chunk before.

    For native neurons these tensors are what their backward pass carries from step to step
    (``ops/csrc/neurons/parameters.h``): it continues, to the bit, whatever the neuron.
    They have no numbers, (batch, 0, ...), where nothing follows. For layers that TensorFlow
    differentiates step by step, it is the gradient of the layer's state.

    Attributes:
        later: tensors from the next chunk.
        ports: tensors of zeros that a tape watches.
    """

    later: tuple[tf.Tensor, ...]
    ports: tuple[tf.Tensor, ...]

    def attach(self, outputs, after):
        """The same outputs, whose backward pass sends ``later[0]`` to the state ``after``, too."""
        later = tf.cast(self.later[0], after.dtype)

        @tf.custom_gradient
        def same(outputs, after):
            return tf.identity(outputs), lambda grad: (grad, later)

        return same(outputs, after)
