"""Constraints on kernels."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_slayer")
class OwnChannel(keras.constraints.Constraint):
    """Lets channel k feed unit k only: all other weights of a dense kernel stay zero.

    For a ``SpikingDense`` of as many units as its flattened input has channels, input n of them
    being of channel n mod units (channels last, as ``Flatten`` leaves them)::

        kernel[n, k] = 0 unless n mod units = k

    Give it as many copies of an image as there are units, with a ``DelayLayer(per="neuron")`` on
    them: each unit then has its own delay for each pixel, like the synapses of the chip.

    As every constraint of Keras, it holds from the first training step on. For a kernel that begins
    so, assign ``kernel * OwnChannel.mask(*kernel.shape)``.

    Raises:
        ValueError: a kernel that is not (multiple of units, units).
    """

    def __call__(self, w) -> tf.Tensor:
        if len(w.shape) != 2 or w.shape[0] % w.shape[1] != 0:
            raise ValueError(
                "OwnChannel needs a dense kernel whose inputs are a multiple of its units. "
                f"Received: a kernel of shape {tuple(w.shape)}"
            )
        return w * keras.ops.convert_to_tensor(self.mask(*w.shape), dtype=w.dtype)

    @staticmethod
    def mask(inputs: int, units: int) -> np.ndarray:
        """1.0 where a weight may be, float32 (inputs, units)."""
        return np.tile(np.eye(units, dtype=np.float32), (inputs // units, 1))
