"""Spiking sum pooling, SLAYER's pool."""

from __future__ import annotations

import keras
import numpy as np

from keras_slayer import checks, neurons
from keras_slayer.layers.dtypes import as_spikes
from keras_slayer.layers.spatial import check_axes, padding_name, pair
from keras_slayer.layers.spiking_layer import SpikingLayer
from keras_slayer.ops.synapses.geometry import Window2D
from keras_slayer.ops.synapses.sum_pool2d import sum_pool2d_synapse
from keras_slayer.quantization import weight_max, weight_step


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikingSumPooling2D(SpikingLayer):
    """Spikes of neurons that sum a window of their channel with one fixed weight.

    z[t] = w sum over the window of x[t], spikes = neuron(z). The weight lets the
    response to a single spike peak at ``weight`` thresholds:
    w = weight threshold / max_k h[k], h the neuron's response kernel. For SRM
    (h peaks at 1) this is SLAYER's fixed 1.1 threshold. For ``LoihiCUBA`` it is
    rounded to the chip's weights.

    Args:
        pool_size: integer or pair (vertical, horizontal), 1 to 16384.
        strides: like ``pool_size``, which is the default.
        padding: ``"valid"`` (a remainder at the edge is dropped) or ``"same"``.
        neuron: as for ``SpikingDense``.
        weight: peak of the response to one spike, in thresholds.

    Input shape:
        (batch, time, height, width, channels).

    Output shape:
        (batch, time, new height, new width, channels).

    Raises:
        ValueError: an argument out of range; a threshold that no chip weight
            reaches; input of another rank.
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        neuron: str | neurons.Neuron = "srm",
        weight: float = 1.1,
        **kwargs,
    ) -> None:
        super().__init__(neuron=neuron, **kwargs)
        self.pool_size = pair(pool_size, "pool_size")
        self.strides = self.pool_size if strides is None else pair(strides, "strides")
        self.padding = padding_name(padding)
        self.weight = checks.number(weight, "weight", open_low=True)
        peak = float(np.max(self.neuron.response_kernel()))
        exact = self.weight * self.neuron.firing_threshold / peak
        self._tap = self._round_to_chip(exact) if self.on_chip else exact

    def _round_to_chip(self, exact: float) -> float:
        bits = self.neuron.weight_bits
        least, most = weight_step(bits), weight_max(bits)
        rounded = round(exact / least) * least
        if least <= rounded <= most:
            return rounded
        received = f"Received: weight={self.weight!r}, neuron={self.neuron!r}"
        if most < least:
            raise ValueError(
                f"The pool needs a weight of {exact:.3g}, and with {bits} bit the chip has none "
                f"above 0: give the pool a neuron with more weight_bits. {received}"
            )
        other = "lower" if rounded > most else "higher"
        raise ValueError(
            f"The pool needs a weight of {exact:.3g}, and the chip's go from {least:.3g} to "
            f"{most:.3g} with {bits} bits: give the pool a neuron with a {other} threshold. "
            f"{received}"
        )

    def settled(self) -> SpikingLayer:
        """With the weight of each tap as it is, whatever threshold was learned."""
        layer = super().settled()
        if layer is not self:
            peak = float(np.max(layer.neuron.response_kernel()))
            layer.weight = self._tap * peak / layer.neuron.firing_threshold
            layer._tap = self._tap
        return layer

    def quantized_weight(self) -> float:
        """The weight of every tap as the forward pass uses it."""
        return self._tap

    def build(self, input_shape):
        check_axes(self, input_shape, "(batch, time, height, width, channels)", ndim=5)
        if self.padding == "same" and None in input_shape[2:4]:
            raise ValueError(
                "SpikingSumPooling2D with padding='same' needs input of known height and width. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        image = self.compute_output_shape(input_shape)[2:4]
        if any(size is not None and size < 1 for size in image):
            raise ValueError(
                "The pool does not fit into the image. Received: "
                f"input_shape={tuple(input_shape)}, pool_size={self.pool_size}"
            )
        self._add_learned(input_shape[-1])
        self.input_spec = keras.layers.InputSpec(ndim=5, axes={-1: input_shape[-1]})
        self.built = True

    def synaptic_input(self, inputs):
        dtype = self._synapse_dtype()
        return sum_pool2d_synapse(
            as_spikes(inputs, dtype),
            self.pool_size,
            strides=self.strides,
            padding=self.padding,
            weight=self._tap,
            dtype=dtype,
        )

    def compute_output_shape(self, input_shape):
        window = Window2D(self.pool_size, self.strides, self.padding)
        return (*input_shape[:2], *window.output_size(input_shape[2:4]), input_shape[4])

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "weight": self.weight,
        }
