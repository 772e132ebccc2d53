"""What the tests of the simulator share."""

import numpy as np

from keras_slayer.export.network import IntegerDense, IntegerNetwork

ENGINES = ("native", "numpy")
ALL = ("spikes", "current", "voltage")


def single(weights, neuron, bias=None):
    """A network of one neuron."""
    weight = np.array(weights, np.int16).reshape(-1, 1)
    bias = None if bias is None else np.array([bias], np.int32)
    return IntegerNetwork((len(weight),), (IntegerDense(weight, neuron, bias),))
