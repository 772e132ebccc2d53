"""2-D convolution layer of spiking neurons that also feed each other."""

from __future__ import annotations

import keras

from keras_slayer import neurons
from keras_slayer.layers.base_spiking_conv2d import BaseSpikingConv2D
from keras_slayer.layers.recurrent_spiking_layer import RecurrentSpikingLayer
from keras_slayer.layers.spatial import pair


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikingRecurrentConv2D(RecurrentSpikingLayer, BaseSpikingConv2D):
    """Spikes of neurons fed by a 2-D convolution of the input, and by one of their last spikes.

    ::

        z[t] = conv2d(x[t], kernel) + conv2d_same(s[t-1], recurrent_kernel) (+ bias)
        s = neuron(z)

    As in ``SpikingRecurrentDense``, any neuron will do, and a spike reaches z one step later. The
    second convolution has padding "same" and strides of 1, so that it keeps the size of the maps.
    Both add weights for spikes alone, and one native op runs over all time steps
    (``keras_slayer.ops.fire_recurrent``). With neurons that have no native op, that is a loop of
    plain TensorFlow, which is many times slower.

    With ``LoihiCUBA`` neurons ``export_loihi`` writes it to ``.nir``, as a convolution from the
    neurons to themselves.

    Args:
        filters, kernel_size, strides, padding, dilation_rate, groups: of the convolution of the
            input, as for ``SpikingConv2D``.
        neuron: as for ``SpikingRecurrentDense``.
        recurrent_kernel_size: an integer or a pair (vertical, horizontal), 1 to 16384; None:
            ``kernel_size``.
        recurrent_initializer: default ``FluctuationDriven(neuron, xi=7.5)``, as for
            ``SpikingRecurrentDense``; the fan-in is height x width x filters of the kernel.
        recurrent_regularizer, recurrent_constraint: of the recurrent kernel.
        use_bias, kernel_initializer, ...: as for ``SpikingDense``.

    Input shape:
        (batch, time, height, width, channels); sizes after time must be known.

    Output shape:
        (batch, time, new height, new width, filters).

    Raises:
        ValueError: an argument out of range, or input of another rank.

    Example:

    >>> layer = keras_slayer.SpikingRecurrentConv2D(12, 5, recurrent_kernel_size=3)
    >>> layer(keras.ops.ones((1, 50, 34, 34, 2))).shape
    TensorShape([1, 50, 30, 30, 12])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, int] = 1,
        groups: int = 1,
        neuron: str | neurons.Neuron = "srm",
        *,
        recurrent_kernel_size: int | tuple[int, int] | None = None,
        recurrent_initializer=None,
        recurrent_regularizer=None,
        recurrent_constraint=None,
        **kwargs,
    ) -> None:
        super().__init__(
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=groups,
            neuron=neuron,
            recurrent_initializer=recurrent_initializer,
            recurrent_regularizer=recurrent_regularizer,
            recurrent_constraint=recurrent_constraint,
            **kwargs,
        )
        if recurrent_kernel_size is None:
            recurrent_kernel_size = self.kernel_size
        self.recurrent_kernel_size = pair(recurrent_kernel_size, "recurrent_kernel_size")

    def build(self, input_shape):
        super().build(input_shape)
        self._add_recurrent_kernel((*self.recurrent_kernel_size, self.filters, self.filters))

    def get_config(self) -> dict:
        return {**super().get_config(), "recurrent_kernel_size": self.recurrent_kernel_size}
