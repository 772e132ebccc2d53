"""What the layers that end in a spiking neuron share."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_slayer import neurons
from keras_slayer.initializers import FluctuationDriven
from keras_slayer.layers import probes
from keras_slayer.layers.dtypes import as_spikes
from keras_slayer.layers.learned_neuron import LearnedNeuron
from keras_slayer.layers.temporal_layer import TemporalLayer
from keras_slayer.loihi import WEIGHT_SCALE
from keras_slayer.neurons import reference
from keras_slayer.ops import explanation, library
from keras_slayer.ops.synapses.synaptic_input import fire_from, state_at_rest
from keras_slayer.quantization import quantize_bias, quantize_weights


class SpikingLayer(TemporalLayer):
    """A layer whose output is the spikes of ``neuron``. Base class, not for use as such.

    XLA knows no custom op, so compiled training steps run without it
    (``supports_jit``). State passes from batch to batch only where it is handed on: see
    ``TemporalLayer``.

    Subclasses define ``synaptic_input``, and call ``_add_learned`` when they are built.

    Args:
        neuron: a name or an instance.
        learn: parameters of the neuron that are weights of the layer: a name, some names, or a
            mapping from names to ``neurons.Learned``. Trained like other weights, under their
            names; ``learned_parameters`` has their values.
        per: whether the neurons of the ``"layer"`` share such a parameter, or those of each
            ``"channel"`` (place of the last axis).
    """

    def __init__(
        self,
        *,
        neuron: str | neurons.Neuron = "srm",
        learn=None,
        per: str = "layer",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self._learned = LearnedNeuron(neurons.get(neuron), learn, per)
        self.supports_jit = False

    @property
    def neuron(self) -> neurons.Neuron:
        """The neuron as it was given."""
        return self._learned.given

    @neuron.setter
    def neuron(self, neuron):
        # Initial weights and traced functions have been made for the old one.
        raise AttributeError(
            f"the neuron of a layer cannot be changed: build another {type(self).__name__} with "
            f"it, and set its weights. Received: layer {self.name!r}, neuron={neuron!r}"
        )

    @property
    def on_chip(self) -> bool:
        """Whether the layer computes in Loihi's integers."""
        return isinstance(self.neuron, neurons.LoihiCUBA)

    def _add_learned(self, channels: int | None) -> None:
        self._learned.build(self, channels)

    def neuron_now(self) -> neurons.Neuron:
        """The neuron, with tensors in place of the parameters that are learned."""
        return self._learned.now()

    def learned_parameters(self) -> dict:
        """The values of the parameters that are learned, by name: arrays () or (channels,)."""
        return self._learned.values()

    def settled(self) -> SpikingLayer:
        """The same layer with the values that it has learned as the parameters of its neuron.

        Raises:
            ValueError: channels with different values, values that are not finite, or a layer that
                is not built.
        """
        if not self._learned.learn:
            return self
        if not self.built:
            raise ValueError(
                "the layer must be built: until then it has learned nothing. "
                f"Received: layer {self.name!r}"
            )
        neuron = keras.saving.serialize_keras_object(self._learned.settled())
        config = {**self.get_config(), "neuron": neuron, "learn": None, "per": "layer"}
        layer = type(self).from_config(config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of initial weights, which are replaced
            layer.build(self.get_build_config()["input_shape"])
        learned = {id(w) for w in self._learned.weights.values()}
        layer.set_weights([np.asarray(w) for w in self.weights if id(w) not in learned])
        return layer

    def _synapse_dtype(self) -> str:
        """Sums of chip weights are exact in float32; the 16-bit types would round them."""
        if self.on_chip and self.compute_dtype in ("float16", "bfloat16"):
            return "float32"
        return self.compute_dtype

    def __call__(self, *args, **kwargs):
        with explanation.layer(self.name):
            return super().__call__(*args, **kwargs)

    def synaptic_bias(self):
        """What is added to the synaptic input of each step, per unit or filter; None: nothing."""
        return None

    def synaptic_input(self, inputs):
        """The input of the neurons: a tensor, or what a synapse returns."""
        raise NotImplementedError(f"{type(self).__name__} defines no synaptic_input(inputs)")

    def advance(self, inputs, state, link=None):
        z, neuron = self.synaptic_input(inputs), self.neuron_now()
        spikes, membrane, state = fire_from(z, neuron, state, link)
        probes.note(self, neuron, z, membrane, state)
        return tf.cast(spikes, self.compute_dtype), state

    def state_at_rest(self, inputs):
        return state_at_rest(self.synaptic_input(inputs), self.neuron)

    def advance_linked(self, inputs, state, link):
        if self._linked_by_op():
            return self.advance(inputs, state, link)
        return super().advance_linked(inputs, state, link)

    def nothing_later(self, state):
        return (state[:, :0],) if self._linked_by_op() else super().nothing_later(state)

    def _linked_by_op(self) -> bool:
        """Whether the backward pass of the neurons is a native op, which has a state."""
        native = library.native() is not None
        if self.on_chip and not native:
            raise NotImplementedError(
                "exact gradients in chunks of LoihiCUBA neurons need the native ops, which are not "
                f"in use (python -m keras_slayer.ops says why). Received: layer {self.name!r}"
            )
        return native and self.neuron.native is not None and self.neuron.kernels is None

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "neuron": keras.saving.serialize_keras_object(self.neuron),
            **self._learned.get_config(),
        }


class WeightedSpikingLayer(SpikingLayer):
    """A spiking layer with a trainable kernel (and bias). Base class, not for use as such.

    The bias is a constant input, added to the synaptic input of each step. With ``LoihiCUBA`` it is
    that of the chip: an integer / 64, within -64 .. 4095 / 64, added to the voltage of each step
    from the first on, whatever the depth of the layer. Rounding is straight-through, and a bias out
    of range has no gradient, as for weights.
    """

    def __init__(
        self,
        *,
        neuron: str | neurons.Neuron = "srm",
        use_bias: bool = False,
        kernel_initializer=None,
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ) -> None:
        super().__init__(neuron=neuron, **kwargs)
        self.use_bias = use_bias
        self.bias = None
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def _default_initializer(self):
        return FluctuationDriven(self.neuron)

    def _add_weights(self, kernel_shape, outputs: int) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=kernel_shape,
            initializer=self.kernel_initializer or self._default_initializer(),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            autocast=not self.on_chip,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(outputs,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                autocast=not self.on_chip,
            )
        self._add_learned(outputs)

    def quantized_kernel(self):
        """The kernel as the forward pass uses it: for LoihiCUBA integers / 64, else as it is."""
        kernel = tf.convert_to_tensor(self.kernel)
        if not self.on_chip:
            return kernel
        return quantize_weights(kernel, self.neuron.weight_bits)

    def quantized_bias(self):
        """The bias as the forward pass uses it: for LoihiCUBA integers / 64, else as it is.

        None without a bias.
        """
        if self.bias is None:
            return None
        bias = tf.convert_to_tensor(self.bias)
        # Not all of the chip's integers are numbers of the 16-bit types.
        return quantize_bias(reference.widen(bias)) if self.on_chip else bias

    def synaptic_bias(self):
        # That of LoihiCUBA is a parameter of the neurons.
        return None if self.on_chip else self.quantized_bias()

    def neuron_now(self):
        if self.bias is None or not self.on_chip:
            return super().neuron_now()
        units = WEIGHT_SCALE * tf.cast(self.quantized_bias(), tf.float64)
        return self._learned.now(bias=units)

    def _operands(self, inputs):
        """Spikes, kernel and bias of the synaptic input (or None) in the dtype of the synapse."""
        dtype, bias = self._synapse_dtype(), self.synaptic_bias()
        bias = None if bias is None else tf.cast(bias, dtype)
        return as_spikes(inputs, dtype), tf.cast(self.quantized_kernel(), dtype), bias

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }
