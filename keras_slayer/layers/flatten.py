"""Flattening that keeps time."""

from __future__ import annotations

import math

import keras


@keras.saving.register_keras_serializable(package="keras_slayer")
class Flatten(keras.layers.Layer):
    """Flattens all axes but batch and time: the input of ``SpikingDense`` after images.

    (``keras.layers.Flatten`` would flatten time as well.)

    Input shape:
        (batch, time, ...).

    Output shape:
        (batch, time, product of the rest).
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def call(self, inputs):
        shape = keras.ops.shape(inputs)
        return keras.ops.reshape(inputs, (shape[0], shape[1], *self._features(inputs.shape)))

    @staticmethod
    def _features(shape):
        if None in shape[2:]:
            raise ValueError(
                f"Flatten needs the sizes of all axes after time. Received: shape={tuple(shape)}"
            )
        return (math.prod(shape[2:]),)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], *self._features(input_shape))
