"""What the layers share whose neurons feed each other."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer import neurons
from keras_slayer.initializers import FluctuationDriven
from keras_slayer.layers import probes
from keras_slayer.layers.spiking_layer import WeightedSpikingLayer
from keras_slayer.ops.recurrent import fire_recurrent_from, recurrent_state_size, total_input
from keras_slayer.quantization import quantize_weights

# Of the default recurrent weights: three times the distance of the kernel's (2.5), so that they
# bring a ninth of the kernel's variance to the membrane.
RECURRENT_XI = 7.5


class RecurrentSpikingLayer(WeightedSpikingLayer):
    """A layer whose last spikes are part of its synaptic input. Base class, not for use as such.

    Subclasses call ``_add_recurrent_kernel`` when they are built.
    """

    def __init__(
        self,
        *,
        neuron: str | neurons.Neuron = "srm",
        recurrent_initializer=None,
        recurrent_regularizer=None,
        recurrent_constraint=None,
        **kwargs,
    ) -> None:
        super().__init__(neuron=neuron, **kwargs)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)

    def _add_recurrent_kernel(self, shape) -> None:
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=shape,
            initializer=self.recurrent_initializer
            or FluctuationDriven(self.neuron, xi=RECURRENT_XI),
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            autocast=not self.on_chip,
        )

    def quantized_recurrent_kernel(self):
        """The recurrent kernel as the forward pass uses it: see ``quantized_kernel``."""
        kernel = tf.convert_to_tensor(self.recurrent_kernel)
        return quantize_weights(kernel, self.neuron.weight_bits) if self.on_chip else kernel

    def nothing_later(self, state):
        return 2 * super().nothing_later(state)  # of the loop, and of what is learned

    def advance(self, inputs, state, link=None):
        recurrent = tf.cast(self.quantized_recurrent_kernel(), self._synapse_dtype())
        z, neuron = self.synaptic_input(inputs), self.neuron_now()
        spikes, membrane, after = fire_recurrent_from(z, recurrent, neuron, state, link)
        probes.note(self, neuron, lambda: total_input(z, spikes, recurrent, state), membrane)
        return tf.cast(spikes, self.compute_dtype), after

    def state_at_rest(self, inputs):
        _, _, *neurons_of_step = self.compute_output_shape(tuple(inputs.shape))
        shape = [tf.shape(inputs)[0], recurrent_state_size(self.neuron), *neurons_of_step]
        rest = tf.zeros(shape, self.state_dtype)
        return tf.ensure_shape(rest, [inputs.shape[0], None, *neurons_of_step])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "recurrent_regularizer": keras.regularizers.serialize(self.recurrent_regularizer),
            "recurrent_constraint": keras.constraints.serialize(self.recurrent_constraint),
        }
