"""The numerics: filters, neurons, delays and synapses as differentiable functions.

Tensors have the axes (batch, time, ...), times are in steps. Each function runs
a native C++ op where the library is available (``backend()`` says) and the same
mathematics in plain TensorFlow otherwise.
"""

from keras_slayer.neurons.kernels import alpha_kernel
from keras_slayer.ops import second_derivatives  # noqa: F401 - registers what TensorFlow calls
from keras_slayer.ops.delay import delay
from keras_slayer.ops.explanation import explain
from keras_slayer.ops.filters import alpha_filter, exponential_filter, temporal_filter
from keras_slayer.ops.library import backend, library_path, load
from keras_slayer.ops.neurons import cuba, loihi_cuba, srm
from keras_slayer.ops.recurrent import fire_recurrent
from keras_slayer.ops.responses import response
from keras_slayer.ops.srm_fir import srm_fir
from keras_slayer.ops.synapses.conv2d import spike_conv2d
from keras_slayer.ops.synapses.matmul import spike_matmul
from keras_slayer.ops.synapses.sum_pool2d import sum_pool2d
from keras_slayer.ops.synapses.synaptic_input import fire

__all__ = [
    "alpha_filter",
    "alpha_kernel",
    "backend",
    "cuba",
    "delay",
    "explain",
    "exponential_filter",
    "fire",
    "fire_recurrent",
    "library_path",
    "load",
    "loihi_cuba",
    "response",
    "spike_conv2d",
    "spike_matmul",
    "srm",
    "srm_fir",
    "sum_pool2d",
    "temporal_filter",
]
