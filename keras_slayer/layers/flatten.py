"""Flattening that keeps time."""

from __future__ import annotations

import math

import keras

from keras_slayer.ops import handoff


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
        # Of the bytes, so that nobody reads the floats for their sizes alone.
        batch, steps, *_ = keras.ops.shape(handoff.bytes_of(inputs))
        return keras.ops.reshape(inputs, (batch, steps, math.prod(inputs.shape[2:])))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], math.prod(input_shape[2:]))
