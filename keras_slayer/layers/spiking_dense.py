"""Fully connected layer of spiking neurons."""

from __future__ import annotations

import keras

from keras_slayer import checks, neurons
from keras_slayer.layers.spatial import MAX_UNITS, check_axes
from keras_slayer.layers.spiking_layer import WeightedSpikingLayer
from keras_slayer.ops.synapses.matmul import matmul_synapse


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikingDense(WeightedSpikingLayer):
    """Spikes of ``units`` neurons, each fed by all inputs of its time step.

    z[t] = x[t] @ kernel (+ bias), spikes = neuron(z). Silent inputs cost
    nothing: the product runs over the spikes (``keras_slayer.ops.spike_matmul``).

    Args:
        units: number of neurons.
        neuron: a name (``"srm"``, ``"cuba"``, ``"loihi"``, ...) or an instance of one of the
            neurons (``keras_slayer.neurons``).
        use_bias: adds a constant input per neuron; with ``LoihiCUBA`` the chip's bias, an integer
            / 64 that moves the voltage in every step from the first on.
        kernel_initializer: default ``FluctuationDriven(neuron)``: the membrane
            fluctuates below the threshold. ``SetFiringRates`` sets the
            rate at which each layer fires on your data.
        bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: as for ``keras.layers.Dense``.

    Input shape:
        (batch, time, ..., inputs).

    Output shape:
        (batch, time, ..., units).

    Raises:
        ValueError: an argument out of range, or input without a time axis.

    Example:

    >>> layer = keras_slayer.SpikingDense(10, neuron=keras_slayer.SRM(tau_response=4.0))
    >>> layer(keras.ops.ones((2, 300, 64))).shape
    TensorShape([2, 300, 10])
    """

    def __init__(self, units: int, neuron: str | neurons.Neuron = "srm", **kwargs) -> None:
        super().__init__(neuron=neuron, **kwargs)
        self.units = checks.integer(units, "units", low=1, high=MAX_UNITS)

    def build(self, input_shape):
        check_axes(self, input_shape, "(batch, time, ..., inputs)", min_ndim=3)
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(
                "SpikingDense needs the size of the last axis. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self._add_weights((inputs, self.units), self.units)
        self.input_spec = keras.layers.InputSpec(min_ndim=3, axes={-1: inputs})
        self.built = True

    def synaptic_input(self, inputs):
        spikes, kernel, bias = self._operands(inputs)
        return matmul_synapse(spikes, kernel) + bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units}
