"""Input that is not of the layer's floats: spikes of bytes or integers."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks


def as_spikes(inputs, dtype):
    """``inputs`` in ``dtype``; bytes stay, the synapses take them as they are."""
    return inputs if checks.are_bytes(inputs) else tf.cast(inputs, dtype)


def as_floats(inputs, dtype):
    """``inputs``; what is not floating-point, in ``dtype``."""
    return inputs if inputs.dtype.is_floating else tf.cast(inputs, dtype)
