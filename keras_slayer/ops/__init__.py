"""The numerics: filters, neurons, delays and synapses as differentiable functions.

Tensors have the axes (batch, time, ...), times are in steps. Each function runs
a native C++ op where the library is available (``backend()`` says) and the same
mathematics in plain TensorFlow otherwise.
"""

from keras_slayer.ops.cuba import cuba, loihi_cuba
from keras_slayer.ops.delay import delay
from keras_slayer.ops.library import backend, library_path, load
from keras_slayer.ops.spike_conv2d import spike_conv2d
from keras_slayer.ops.spike_matmul import spike_matmul
from keras_slayer.ops.srm import srm, srm_fir
from keras_slayer.ops.temporal_filter import (
    alpha_filter,
    alpha_kernel,
    exponential_filter,
    temporal_filter,
)

__all__ = [
    "alpha_filter",
    "alpha_kernel",
    "backend",
    "cuba",
    "delay",
    "exponential_filter",
    "library_path",
    "load",
    "loihi_cuba",
    "spike_conv2d",
    "spike_matmul",
    "srm",
    "srm_fir",
    "temporal_filter",
]
