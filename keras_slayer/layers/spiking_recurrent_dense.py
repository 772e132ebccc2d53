"""Fully connected layer of spiking neurons that also feed each other."""

from __future__ import annotations

import keras

from keras_slayer import checks, neurons
from keras_slayer.layers.recurrent_spiking_layer import RecurrentSpikingLayer
from keras_slayer.layers.spatial import MAX_UNITS
from keras_slayer.ops.synapses.matmul import matmul_synapse


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikingRecurrentDense(RecurrentSpikingLayer):
    """Spikes of ``units`` neurons, fed by the inputs and by each other's last spikes.

    ::

        z[t] = x[t] @ kernel + s[t-1] @ recurrent_kernel (+ bias),   s = neuron(z)

    Any neuron will do. A spike reaches z one step later, whatever the neuron makes of it after
    that: with ``LoihiCUBA``, whose input acts a step after it arrives, it moves the current of the
    others two steps later (on the chip, a synaptic delay of one step).

    Both products add rows of weights for spikes alone, and one native op runs over all time steps
    (``keras_slayer.ops.fire_recurrent``, which has the equations of both gradients). The gradient
    goes through the recurrent weights and through time (BPTT), with the neuron's surrogate.

    Args:
        units: number of neurons.
        neuron: a name (``"alif"``, ``"srm"``, ``"cuba"``, ``"loihi"``, ``"rf"``) or an instance of
            one of the neurons (``keras_slayer.neurons``). ``LoihiCUBA`` quantises both kernels.
        use_bias: as for ``SpikingDense``.
        kernel_initializer: default ``FluctuationDriven(neuron)``, as for ``SpikingDense``.
        recurrent_initializer: default ``FluctuationDriven(neuron, xi=7.5)``: at a rate of 0.05 per
            step, the layer's own spikes inhibit on average, by a quarter of the threshold, and make
            the membrane fluctuate with a ninth of the variance that the inputs bring (Rossbroich,
            Gygax & Zenke 2022 give the inputs nine tenths). So the layer neither excites itself
            without end nor falls silent where a layer without recurrence would not.
        recurrent_regularizer, recurrent_constraint: of the recurrent kernel, as for
            ``keras.layers.SimpleRNN``.
        bias_initializer, kernel_regularizer, bias_regularizer,
        kernel_constraint, bias_constraint: as for ``keras.layers.Dense``.
        return_state: whether the layer returns ``(outputs, state)``.

    Input shape:
        (batch, time, inputs).

    Output shape:
        (batch, time, units).

    Raises:
        ValueError: an argument out of range, or input of other axes.

    Example:

    >>> layer = keras_slayer.SpikingRecurrentDense(10, neuron="alif")
    >>> layer(keras.ops.ones((2, 300, 64))).shape
    TensorShape([2, 300, 10])
    """

    def __init__(
        self,
        units: int,
        neuron: str | neurons.Neuron = "srm",
        *,
        recurrent_initializer=None,
        recurrent_regularizer=None,
        recurrent_constraint=None,
        **kwargs,
    ) -> None:
        super().__init__(
            neuron=neuron,
            recurrent_initializer=recurrent_initializer,
            recurrent_regularizer=recurrent_regularizer,
            recurrent_constraint=recurrent_constraint,
            **kwargs,
        )
        self.units = checks.integer(units, "units", low=1, high=MAX_UNITS)

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                "SpikingRecurrentDense needs input of the axes (batch, time, inputs), with a known "
                "number of inputs; keras_slayer.Flatten makes it of images. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self._add_weights((input_shape[-1], self.units), self.units)
        self._add_recurrent_kernel((self.units, self.units))
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: input_shape[-1]})
        self.built = True

    def synaptic_input(self, inputs):
        """What comes from outside the layer."""
        spikes, kernel, bias = self._operands(inputs)
        return matmul_synapse(spikes, kernel) + bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units}
