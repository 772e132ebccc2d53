"""Layers that train with the weights of Xylo."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_slayer.export.xylo.chip import MAX_WEIGHT, MIN_WEIGHT, WEIGHT_SCALE
from keras_slayer.export.xylo.neuron import XyloLIF
from keras_slayer.layers import SpikingDense, SpikingRecurrentDense
from keras_slayer.ops.quantize import quantize


def xylo_weights(weights) -> tf.Tensor:
    """Weights as the chip holds them: integers from -128 to 127, over 64; straight-through."""
    unit = 1 / WEIGHT_SCALE
    return quantize(tf.convert_to_tensor(weights), unit, MIN_WEIGHT * unit, MAX_WEIGHT * unit)


class _XyloWeights:
    """What the layers of Xylo add to those of this package."""

    def __init__(self, units: int, neuron: XyloLIF | None = None, **kwargs) -> None:
        super().__init__(units, XyloLIF() if neuron is None else neuron, **kwargs)
        kind = type(self).__name__
        if not isinstance(self.neuron, XyloLIF):
            raise ValueError(f"neuron of {kind} must be a XyloLIF. Received: {self.neuron!r}")
        if self.use_bias:
            raise ValueError(f"{kind} has no bias. Received: use_bias=True")
        if self.compute_dtype not in ("float32", "float64"):
            raise ValueError(
                f"{kind} computes in the chip's integers, which 16-bit floats cannot hold: give it "
                f'dtype="float32". Received: dtype={self.compute_dtype!r}'
            )

    def quantized_kernel(self):
        """The kernel as the forward pass uses it: integers / 64."""
        return xylo_weights(self.kernel)


@keras.saving.register_keras_serializable(package="keras_slayer")
class XyloDense(_XyloWeights, SpikingDense):
    """``SpikingDense`` with the weights of SynSense Xylo: 8 bits, rounded in the forward pass.

    q = clip(round(64 w), -128, 127) / 64. The gradient passes as if nothing had been rounded, and
    is zero where the clip acts.

    Args:
        units: number of neurons.
        neuron: a ``XyloLIF``; in the last layer of a network ``XyloLIF(max_spikes=1)``. Default:
            ``XyloLIF()``.
        kernel_initializer, kernel_regularizer, kernel_constraint: as for ``SpikingDense``.

    Input shape:
        (batch, time, ..., inputs): how many spikes each input gives in each step, at most 15 from
        outside the chip.

    Output shape:
        (batch, time, ..., units): how many spikes each neuron gives.

    Raises:
        ValueError: another neuron, a bias, or a compute dtype of 16 bits.

    Example:

    >>> layer = keras_slayer.export.XyloDense(8, keras_slayer.export.XyloLIF(max_spikes=1))
    >>> layer(keras.ops.ones((2, 300, 16))).shape
    TensorShape([2, 300, 8])
    """


@keras.saving.register_keras_serializable(package="keras_slayer")
class XyloRecurrentDense(_XyloWeights, SpikingRecurrentDense):
    """``SpikingRecurrentDense`` with the weights of SynSense Xylo, of the inputs and its own.

    The chip has such loops: a spike reaches the other neurons of the layer one step later. Rounding
    and errors are those of ``XyloDense``.

    Args:
        units: number of neurons; at most 64 that feed each other fully fit on the chip.
        neuron: a ``XyloLIF``. Default: ``XyloLIF()``.
        kernel_initializer, recurrent_initializer, kernel_regularizer, recurrent_regularizer,
        kernel_constraint, recurrent_constraint: as for ``SpikingRecurrentDense``.

    Input shape:
        (batch, time, inputs).

    Output shape:
        (batch, time, units).

    Example:

    >>> layer = keras_slayer.export.XyloRecurrentDense(32)
    >>> layer(keras.ops.ones((2, 300, 16))).shape
    TensorShape([2, 300, 32])
    """

    def quantized_recurrent_kernel(self):
        """The recurrent kernel as the forward pass uses it: integers / 64."""
        return xylo_weights(self.recurrent_kernel)
