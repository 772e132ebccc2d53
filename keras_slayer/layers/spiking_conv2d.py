"""2-D convolution layer of spiking neurons."""

from __future__ import annotations

import keras

from keras_slayer.layers.base_spiking_conv2d import BaseSpikingConv2D


@keras.saving.register_keras_serializable(package="keras_slayer")
class SpikingConv2D(BaseSpikingConv2D):
    """Spikes of neurons fed by a 2-D convolution of each time step's frame.

    z[t] = conv2d(x[t], kernel) (+ bias), spikes = neuron(z). Silent pixels cost
    nothing (``keras_slayer.ops.spike_conv2d``).

    Args:
        filters: number of output channels.
        kernel_size, strides, dilation_rate: integers or pairs (vertical,
            horizontal), 1 to 16384; strides and dilation cannot both differ
            from 1.
        padding: ``"valid"`` or ``"same"``.
        groups: channel groups convolved apart; must divide input channels and
            ``filters``.
        neuron, use_bias, kernel_initializer, ...: as for ``SpikingDense``.

    Input shape:
        (batch, time, height, width, channels); sizes after time must be known.

    Output shape:
        (batch, time, new height, new width, filters).

    Raises:
        ValueError: an argument out of range, or input of another rank.

    Example:

    >>> layer = keras_slayer.SpikingConv2D(12, 5)
    >>> layer(keras.ops.ones((1, 50, 34, 34, 2))).shape
    TensorShape([1, 50, 30, 30, 12])
    """
