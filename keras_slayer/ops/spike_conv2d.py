"""2-D convolution of spike frames: costs what the spikes cost."""

from __future__ import annotations

import tensorflow as tf

from keras_slayer import checks
from keras_slayer.ops import compact, library
from keras_slayer.ops.conv2d import Conv2D
from keras_slayer.ops.events import find_events


def max_density(weights_shape) -> float:
    """Density of the input above which the dense product is faster (benchmarks/synapses.py).

    The events' product runs over the filters of a row of the kernel at once.
    """
    _, width, _, filters = weights_shape
    return 0.25 if width * filters >= 128 else 0.15


@tf.autograph.experimental.do_not_convert
def spike_conv2d(spikes, weights, *, strides=(1, 1), padding: str = "valid", dilations=(1, 1)):
    """Each frame of ``spikes`` convolved with ``weights`` (cross-correlation, as in Keras).

    Sparse frames are scattered spike by spike, forward and for the weight
    gradient; dense ones go through ``tf.nn.conv2d``. See ``spike_matmul``.

    Args:
        spikes: tensor (batch, time, height, width, channels); the last three
            sizes must be known. Of the dtype of ``weights`` or, without a gradient,
            uint8 or bool.
        weights: (kernel height, kernel width, channels / groups, filters); the
            number of groups follows from the channels of the two.
        strides, dilations: pairs (vertical, horizontal); only one of them may
            differ from 1.
        padding: ``"valid"`` or ``"same"``.

    Returns:
        Tensor (batch, time, new height, new width, filters).

    Raises:
        ValueError: ranks, sizes, dtypes or options that do not fit.
    """
    spikes = checks.spikes(spikes)
    weights = tf.convert_to_tensor(weights)
    conv = Conv2D.of(spikes, weights, strides, padding, dilations)
    data = compact.narrowest(spikes)
    if library.native() is None:
        out = conv.product(tf.reshape(spikes, [-1, *conv.input_size]), weights)
    else:
        out = _event_conv2d(conv, data)(spikes, weights)
    shape = [*conv.output_size, weights.shape[3]]
    out = tf.reshape(out, tf.concat([tf.shape(data)[:2], shape], axis=0))
    out.set_shape([*spikes.shape[:2], *shape])
    return out


def frame_events(frames, weights):
    """The events of frames [n, height, width, channels] and whether they are too many to use."""
    rows = tf.reshape(frames, [-1, frames.shape[1] * frames.shape[2] * frames.shape[3]])
    return find_events(rows, weights.dtype, max_density(weights.shape))


def _event_conv2d(conv: Conv2D, data):
    native = library.native()

    @tf.custom_gradient
    def convolve(spikes, weights):
        frames = tf.reshape(tf.stop_gradient(data), [-1, *conv.input_size])
        kernel = tf.stop_gradient(weights)  # see conv2d_layer
        events, dense = frame_events(frames, kernel)
        out = tf.cond(
            dense,
            lambda: conv.product(frames, kernel),
            lambda: native.keras_slayer_event_conv2d(
                **events, weights=kernel, **conv.native_options
            ),
        )

        def grad(grad_out):
            grad_weights = tf.cond(
                dense,
                lambda: conv.weights_grad(frames, weights, grad_out),
                lambda: native.keras_slayer_event_conv2d_weights_grad(
                    **events, grad=grad_out, weights_shape=conv.weights_shape, **conv.native_options
                ),
            )
            grad_weights.set_shape(weights.shape)
            grad_spikes = None
            if not checks.are_bytes(spikes):
                grad_frames = conv.input_grad(frames, weights, grad_out)
                grad_spikes = tf.reshape(grad_frames, tf.shape(data))
            return grad_spikes, grad_weights

        return out, grad

    return convolve
