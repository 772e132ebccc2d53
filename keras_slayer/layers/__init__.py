"""The Keras layers. Tensors have the axes (batch, time, ..., channels)."""

from keras_slayer.layers.delay_layer import DelayLayer
from keras_slayer.layers.flatten import Flatten
from keras_slayer.layers.per_step import PerStep
from keras_slayer.layers.spiking_activation import SpikingActivation
from keras_slayer.layers.spiking_conv2d import SpikingConv2D
from keras_slayer.layers.spiking_dense import SpikingDense
from keras_slayer.layers.spiking_pooling2d import SpikingSumPooling2D
from keras_slayer.layers.spiking_recurrent_conv2d import SpikingRecurrentConv2D
from keras_slayer.layers.spiking_recurrent_dense import SpikingRecurrentDense
from keras_slayer.layers.temporal_filter import TemporalFilter
from keras_slayer.layers.winner_take_all import WinnerTakeAll

__all__ = [
    "DelayLayer",
    "Flatten",
    "PerStep",
    "SpikingActivation",
    "SpikingConv2D",
    "SpikingDense",
    "SpikingRecurrentConv2D",
    "SpikingRecurrentDense",
    "SpikingSumPooling2D",
    "TemporalFilter",
    "WinnerTakeAll",
]
