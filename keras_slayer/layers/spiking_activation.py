"""The spiking neuron alone."""

from __future__ import annotations

import keras

from keras_slayer import neurons
from keras_slayer.layers.dtypes import as_floats
from keras_slayer.layers.spiking_layer import SpikingLayer


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikingActivation(SpikingLayer):
    """Spikes of neurons whose synaptic input is the layer's input.

    Put it after any standard layer: ``PerStep(Conv2D(...))``,
    ``BatchNormalization()``, ``SpikingActivation("srm")``.

    Args:
        neuron: as for ``SpikingDense``. With ``LoihiCUBA`` the input is rounded
            to units of 1 / 64.

    Input shape:
        (batch, time, ...).

    Output shape:
        The same.
    """

    def __init__(self, neuron: str | neurons.Neuron = "srm", **kwargs) -> None:
        super().__init__(neuron=neuron, **kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape):
        self._add_learned(input_shape[-1])
        self.built = True

    def synaptic_input(self, inputs):
        return as_floats(inputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)
