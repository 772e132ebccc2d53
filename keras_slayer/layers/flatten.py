"""Flattening that keeps time."""

from __future__ import annotations

import math

import keras

from keras_slayer.ops import compact


@keras.saving.register_keras_serializable(package="keras_slayer")
class Flatten(keras.layers.Layer):
    """Flattens all axes but batch and time: the input of ``SpikingDense`` after images.

    (``keras.layers.Flatten`` would flatten time as well.)

    Input shape:
        (batch, time, ...).

    Output shape:
        (batch, time, product of the rest).
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape):
        if None in input_shape[2:]:
            raise ValueError(
                "Flatten needs the sizes of all axes after time. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.built = True

    def call(self, inputs):
        shape = keras.ops.shape(compact.narrowest(inputs))
        return compact.reshape(inputs, (shape[0], shape[1], math.prod(inputs.shape[2:])))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], math.prod(input_shape[2:]))
