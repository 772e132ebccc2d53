"""What the layers share that begin with a 2-D convolution."""

from __future__ import annotations

import keras

from keras_slayer import checks, neurons
from keras_slayer.layers.spatial import MAX_UNITS, check_axes, padding_name, pair
from keras_slayer.layers.spiking_layer import WeightedSpikingLayer
from keras_slayer.ops.synapses.conv2d import conv2d_synapse
from keras_slayer.ops.synapses.geometry import Window2D


class BaseSpikingConv2D(WeightedSpikingLayer):
    """z[t] = conv2d(x[t], kernel) (+ bias). Base class, not for use as such."""

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, int] = 1,
        groups: int = 1,
        neuron: str | neurons.Neuron = "srm",
        **kwargs,
    ) -> None:
        super().__init__(neuron=neuron, **kwargs)
        self.filters = checks.integer(filters, "filters", low=1, high=MAX_UNITS)
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.strides = pair(strides, "strides")
        self.padding = padding_name(padding)
        self.dilation_rate = pair(dilation_rate, "dilation_rate")
        self.groups = checks.integer(groups, "groups", low=1, high=MAX_UNITS)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "only one of strides and dilation_rate may differ from 1. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )
        if self.filters % self.groups != 0:
            raise ValueError(
                "filters must be a multiple of groups. "
                f"Received: filters={self.filters}, groups={self.groups}"
            )

    def build(self, input_shape):
        check_axes(self, input_shape, "(batch, time, height, width, channels)", ndim=5)
        *image, channels = input_shape[2:]
        if None in (*image, channels) or channels % self.groups != 0:
            raise ValueError(
                f"{type(self).__name__} needs input of known height, width and channels, the last "
                f"a multiple of groups={self.groups}. Received: input_shape={tuple(input_shape)}"
            )
        if min(self.compute_output_shape(input_shape)[2:4]) < 1:
            raise ValueError(
                "The kernel does not fit into the image. Received: "
                f"input_shape={tuple(input_shape)}, kernel_size={self.kernel_size}, "
                f"dilation_rate={self.dilation_rate}"
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self._add_weights(shape, self.filters)
        self.input_spec = keras.layers.InputSpec(ndim=5, axes={-1: channels})
        self.built = True

    def synaptic_input(self, inputs):
        spikes, kernel, bias = self._operands(inputs)
        return conv2d_synapse(spikes, kernel, **self._options) + bias

    @property
    def _options(self) -> dict:
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilations": self.dilation_rate,
        }

    def compute_output_shape(self, input_shape):
        window = Window2D(self.kernel_size, **self._options)
        return (*input_shape[:2], *window.output_size(input_shape[2:4]), self.filters)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
        }
