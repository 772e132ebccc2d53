"""Spikes from one layer to the next: bytes, which are widened only for whoever needs floats.

The op of a layer writes its spikes as bytes. The layer returns them in its own floats, and
these remember the bytes: a layer of this package reads the bytes instead. In a graph
(``model.fit``, ``predict``, ``tf.function``) what nobody reads is not computed, so a spike
takes one byte of memory instead of four or five. Gradients go through the floats, whose values
no gradient needs.
"""

from __future__ import annotations

import tensorflow as tf

_BYTES = "_keras_slayer_bytes"


def widen(spikes, membrane, dtype):
    """``spikes`` (uint8) in ``dtype``; their gradient is handed to ``membrane`` as it is.

    The membrane potential stands for the spikes wherever gradients are concerned: it has
    their shape, is a float, and no gradient of its own.
    """

    @tf.custom_gradient
    def floats(membrane):
        return tf.cast(spikes, dtype), lambda grad: tf.cast(grad, membrane.dtype)

    return remember(floats(membrane), spikes)


def remember(floats, spikes):
    """``floats``, which have the values of the bytes ``spikes``."""
    setattr(floats, _BYTES, spikes)
    return floats


def narrowest(spikes):
    """The bytes that ``spikes`` remember, or else ``spikes``. No gradient goes through bytes."""
    return getattr(spikes, _BYTES, spikes)


def reshape(spikes, shape):
    """``spikes`` in another shape, which may be made of ``tf.shape(narrowest(spikes))``."""
    shaped, narrow = tf.reshape(spikes, shape), narrowest(spikes)
    return shaped if narrow is spikes else remember(shaped, tf.reshape(narrow, shape))
